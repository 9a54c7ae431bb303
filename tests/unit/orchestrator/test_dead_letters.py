"""What becomes of a dead letter: a table."""

from typing import Any

import pytest

from short_drama.domain.attempts import MAX_DEAD_LETTERS
from short_drama.domain.errors import DeadLetter, EngineFailed
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.task_state import END_MARGIN_SECONDS
from short_drama.orchestrator.dead_letters import Judgement, judge
from tests.samples import NOW, a_task

LEASE = 60.0
ABANDONED = LEASE + END_MARGIN_SECONDS


def held(**changes: Any) -> Task:
    return a_task(**changes).claim("alice", now=NOW, lease=LEASE)


@pytest.mark.parametrize(
    ("task", "seconds", "judgement"),
    [
        (None, 0, "leave"),
        # Its task has ended: the letter is of no use, unless it is what ended it.
        (held().complete("alice", 1, Outcome(), now=NOW), 0, "forget"),
        (held().fail("alice", 1, Failure.of(EngineFailed("x")), now=NOW), 0, "forget"),
        (a_task().cancel(now=NOW), 0, "forget"),
        (a_task().expire(Failure.of(DeadLetter("x")), now=NOW), 0, "leave"),
        # A worker has it, or may have.
        (held(), 0, "leave"),
        (held(), ABANDONED - 0.1, "leave"),
        (held(attempts_left=1), 0, "leave"),
        (held(attempts_left=1), ABANDONED - 0.1, "leave"),
        # Nothing is wrong with the task.
        (a_task(), 0, "revive"),
        (held(), ABANDONED, "revive"),
        (held().give_back("alice", 1, now=NOW), 0, "revive"),
        (a_task(dead_letters=MAX_DEAD_LETTERS - 1), 0, "revive"),
        # Enough.
        (a_task(dead_letters=MAX_DEAD_LETTERS), 0, "fail"),
        (a_task(attempts_left=0), 0, "fail"),
        (held(attempts_left=1), ABANDONED, "fail"),
    ],
)
def test_the_record_judges_the_letter(
    task: Task | None, seconds: float, judgement: Judgement
) -> None:
    assert judge(task, NOW + seconds) == judgement
