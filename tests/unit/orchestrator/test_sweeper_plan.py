"""What the sweeper does about one task."""

from collections.abc import Callable
from typing import Any

import pytest

from short_drama.domain.errors import EngineFailed
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import OUTBOX_SECONDS, Task
from short_drama.domain.task_state import SKEW_SECONDS
from short_drama.orchestrator.sweeper import plan
from tests.samples import NOW, a_task

LEASE = 60.0
GRACE = SKEW_SECONDS
RESEND = 900.0


def held(**changes: Any) -> Task:
    return a_task(**changes).claim("alice", now=NOW, lease=LEASE)


@pytest.mark.parametrize(
    ("task", "seconds", "action"),
    [
        # Pending: only a message that may not have been sent is sent.
        (a_task(), 0, "none"),
        (a_task(), 1e6, "none"),
        (a_task(outbox_due=NOW + 30), 29.9, "none"),
        (a_task(outbox_due=NOW + 30), 30, "send"),
        (a_task(outbox_due=NOW).sent(now=NOW), RESEND - 1, "none"),
        (a_task(outbox_due=NOW).sent(now=NOW), RESEND, "send"),
        (held().give_back("alice", 1, now=NOW), RESEND - 1, "none"),
        (held().give_back("alice", 1, now=NOW), RESEND, "send"),
        (held().orphaned(now=NOW), RESEND, "send"),
        # Ended: only who is still to be told of it.
        (a_task(webhooks=("wh_1",)).cancel(now=NOW), -0.1, "none"),
        (a_task(webhooks=("wh_1",)).cancel(now=NOW), 0, "tell"),
        (a_task(webhooks=("wh_1",), deadline=NOW + 1).cancel(now=NOW), 2, "tell"),
        (a_task().cancel(now=NOW), 1e6, "none"),
        # Processing: once the lease is over.
        (held(), LEASE - 0.1, "none"),
        (held(), LEASE + GRACE - 0.1, "none"),
        (held(), LEASE + GRACE, "send"),
        (held(attempts_left=1), LEASE + GRACE, "send"),  # whoever receives it waits, or ends it
        (held().sending(now=NOW + 400 - OUTBOX_SECONDS), LEASE + GRACE, "none"),
        (held().sending(now=NOW + 400 - OUTBOX_SECONDS), 400, "send"),
        (held().heartbeat("alice", 1, now=NOW + 50, lease=LEASE), LEASE + GRACE, "none"),
        # The client's deadline goes before everything.
        (a_task(deadline=NOW + 10), 9.9, "none"),
        (a_task(deadline=NOW + 10), 10, "expire"),
        (a_task(deadline=NOW + 10, outbox_due=NOW), 10, "expire"),
        (held(deadline=NOW + 10), 10, "expire"),
    ],
)
def test_plan(task: Task, seconds: float, action: str) -> None:
    assert plan(task, NOW + seconds) == action


@pytest.mark.parametrize(
    "end",
    [
        lambda task: task.cancel(now=NOW),
        lambda task: task.complete("alice", 1, Outcome(), now=NOW),
        lambda task: task.fail("alice", 1, Failure.of(EngineFailed("x")), now=NOW),
    ],
)
def test_nothing_is_done_about_an_end(end: Callable[[Task], Task]) -> None:
    assert plan(end(held(deadline=NOW + 1, outbox_due=NOW)), NOW + 1e9) == "none"


@pytest.mark.parametrize("task", [a_task(outbox_due=NOW + 30), held(), a_task(deadline=NOW + 10)])
def test_a_task_is_never_planned_for_before_it_is_due(task: Task) -> None:
    assert task.due_at is not None
    assert plan(task, task.due_at - 0.001) == "none"
    assert plan(task, task.due_at + GRACE) != "none"
