"""Every change a task may go through, what it does, and when it is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from short_drama.domain.attempts import MAX_ATTEMPTS, MAX_LOSSES, MAX_RECEIVES, WAITING, job_id_for
from short_drama.domain.errors import (
    AttemptsExhausted,
    DeadLetter,
    DeadlineExceeded,
    EngineFailed,
    LeaseLost,
    ProviderPaused,
    TaskConflict,
)
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import OUTBOX_SECONDS, Task
from short_drama.domain.task_state import END_MARGIN_SECONDS, SKEW_SECONDS, TaskStatus
from tests.samples import NOW, a_task

LEASE = 60.0
FREE = LEASE + SKEW_SECONDS
"""When a lease is over, so that others may try."""
ABANDONED = LEASE + END_MARGIN_SECONDS
"""When it is over by every clock, so that others may end the task."""
RESEND = 900.0
"""Three times the GPU queue's visibility."""
FAILURE = Failure.of(EngineFailed("out of memory"))
DONE = Outcome(result_key="images/x.png", engine="noop", details={"seed": 7}, engine_seconds=0.5)


def claimed(**changes: Any) -> Task:
    return a_task(**changes).claim("alice", now=NOW, lease=LEASE)


ENDED = {
    TaskStatus.COMPLETED: claimed().complete("alice", 1, DONE, now=NOW),
    TaskStatus.FAILED: claimed().fail("alice", 1, FAILURE, now=NOW),
    TaskStatus.CANCELLED: claimed().cancel(now=NOW),
}
FENCED: dict[str, Callable[[Task, str, int], Task]] = {
    "heartbeat": lambda task, who, number: task.heartbeat(who, number, now=NOW, lease=LEASE),
    "give_back": lambda task, who, number: task.give_back(who, number, now=NOW),
    "complete": lambda task, who, number: task.complete(who, number, DONE, now=NOW),
    "fail": lambda task, who, number: task.fail(who, number, FAILURE, now=NOW),
}
UNFENCED: dict[str, Callable[[Task], Task]] = {
    "claim": lambda task: task.claim("alice", now=NOW + 999, lease=LEASE),
    "cancel": lambda task: task.cancel(now=NOW),
    "expire": lambda task: task.expire(FAILURE, now=NOW + 999),
    "overdue": lambda task: task.overdue(now=NOW),
    "orphaned": lambda task: task.orphaned(now=NOW),
    "sending": lambda task: task.sending(now=NOW),
    "sent": lambda task: task.sent(now=NOW),
    "revive": lambda task: task.revive(now=NOW + 999),
}


def test_only_the_last_three_statuses_are_terminal() -> None:
    assert [status for status in TaskStatus if status.is_terminal] == [
        TaskStatus.COMPLETED,
        TaskStatus.FAILED,
        TaskStatus.CANCELLED,
    ]


# --- Claim --------------------------------------------------------------------------------


def test_a_claim_starts_the_next_attempt_under_a_lease() -> None:
    task = claimed(outbox_due=NOW, stage="old", progress=0.5)
    assert task.status is TaskStatus.PROCESSING
    assert (task.attempt, task.attempts_left) == (1, MAX_ATTEMPTS - 1)
    assert (task.lease_owner, task.lease_until) == ("alice", NOW + LEASE)
    assert (task.outbox_due, task.stage, task.progress) == (None, None, None)
    assert task.started_at == task.updated_at == NOW


def test_a_claim_knows_the_id_its_job_will_have() -> None:
    task = claimed()
    assert task.api_job_id == job_id_for("t1", 1)
    again = task.claim("bob", now=NOW + FREE, lease=LEASE)
    assert again.api_job_id == job_id_for("t1", 2) != task.api_job_id


def test_a_held_task_cannot_be_claimed_before_its_lease_is_over() -> None:
    with pytest.raises(LeaseLost):
        claimed().claim("bob", now=NOW + FREE - 0.001, lease=LEASE)
    assert claimed().claim("bob", now=NOW + FREE, lease=LEASE).lease_owner == "bob"


def test_a_claim_repeated_by_its_holder_is_the_same_attempt() -> None:
    again = claimed().claim("alice", now=NOW + 5, lease=LEASE)
    assert (again.attempt, again.attempts_left) == (1, MAX_ATTEMPTS - 1)
    assert again.lease_until == NOW + 5 + LEASE


def test_a_claim_is_refused_from_the_deadline_on() -> None:
    task = a_task(deadline=NOW + 5)
    assert task.claim("alice", now=NOW + 4.9, lease=LEASE).attempt == 1
    with pytest.raises(DeadlineExceeded):
        task.claim("alice", now=NOW + 5, lease=LEASE)


def test_a_claim_is_refused_when_no_attempt_is_left() -> None:
    with pytest.raises(AttemptsExhausted, match="4 attempts"):
        a_task(attempt=4, attempts_left=0).claim("alice", now=NOW, lease=LEASE)


@pytest.mark.parametrize(
    ("last", "refusal"),
    [(claimed(attempts_left=1), AttemptsExhausted), (claimed(deadline=NOW + 5), DeadlineExceeded)],
)
def test_that_there_is_no_next_attempt_is_told_when_the_holder_must_be_gone(
    last: Task, refusal: type[Exception]
) -> None:
    for seconds in (0.0, FREE, ABANDONED - 0.001):
        with pytest.raises(LeaseLost):
            last.claim("bob", now=NOW + seconds, lease=LEASE)
    with pytest.raises(refusal):
        last.claim("bob", now=NOW + ABANDONED, lease=LEASE)


def test_nobody_waits_for_a_holder_there_is_none_of() -> None:
    for task in (a_task(), claimed().give_back("alice", 1, now=NOW), *ENDED.values()):
        assert task.free_at == task.surely_free_at == 0.0
    assert (claimed().free_at, claimed().surely_free_at) == (NOW + FREE, NOW + ABANDONED)


# --- Refusals every change shares ---------------------------------------------------------


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize("change", FENCED)
def test_ends_are_final_for_the_holder(status: TaskStatus, change: str) -> None:
    with pytest.raises(TaskConflict) as refused:
        FENCED[change](ENDED[status], "alice", 1)
    assert str(status) in refused.value.detail
    assert refused.value.fix


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize("change", UNFENCED)
def test_ends_are_final_for_everybody_else(status: TaskStatus, change: str) -> None:
    with pytest.raises(TaskConflict):
        UNFENCED[change](ENDED[status])


@pytest.mark.parametrize("change", FENCED)
@pytest.mark.parametrize(
    ("task", "who", "number"),
    [
        (claimed(), "bob", 1),
        (claimed(), "alice", 2),
        (claimed(), "alice", 0),
        (claimed().give_back("alice", 1, now=NOW).claim("alice", now=NOW, lease=LEASE), "alice", 1),
        (claimed().give_back("alice", 1, now=NOW), "alice", 1),
        (a_task(), "alice", 0),
    ],
    ids=["other worker", "later", "earlier", "own earlier attempt", "given back", "unclaimed"],
)
def test_the_fence_refuses_whoever_does_not_hold_this_attempt(
    change: str, task: Task, who: str, number: int
) -> None:
    with pytest.raises(LeaseLost):
        FENCED[change](task, who, number)


# --- The holder's changes -----------------------------------------------------------------


def test_a_heartbeat_extends_the_lease_from_now() -> None:
    kept = claimed().heartbeat("alice", 1, now=NOW + 15, lease=LEASE)
    assert (kept.lease_until, kept.updated_at) == (NOW + 15 + LEASE, NOW + 15)


def test_a_late_heartbeat_counts_while_nobody_else_has_claimed() -> None:
    assert claimed().heartbeat("alice", 1, now=NOW + 999, lease=LEASE).lease_owner == "alice"


def test_a_heartbeat_tells_news_and_keeps_what_it_does_not_tell() -> None:
    told = claimed().heartbeat(
        "alice", 1, now=NOW, lease=LEASE, api_job_id="j", stage="running", progress=0.25
    )
    assert (told.api_job_id, told.stage, told.progress) == ("j", "running", 0.25)
    silent = told.heartbeat("alice", 1, now=NOW, lease=LEASE)
    assert (silent.api_job_id, silent.stage, silent.progress) == ("j", "running", 0.25)
    assert told.heartbeat("alice", 1, now=NOW, lease=LEASE, progress=0.0).progress == 0.0


@pytest.mark.parametrize(("refund", "left"), [(False, MAX_ATTEMPTS - 1), (True, MAX_ATTEMPTS)])
def test_giving_back_makes_it_pending_and_counts_unless_refunded(refund: bool, left: int) -> None:
    task = claimed().heartbeat("alice", 1, now=NOW, lease=LEASE, stage="running", progress=0.5)
    back = task.give_back("alice", 1, now=NOW + 1, refund=refund)
    assert back.status is TaskStatus.PENDING
    assert (back.attempt, back.attempts_left) == (1, left)
    assert (back.lease_owner, back.lease_until, back.stage, back.progress) == (None,) * 4


def test_a_refunded_attempt_still_moves_the_fencing_token_on() -> None:
    back = claimed().give_back("alice", 1, now=NOW, refund=True)
    assert back.claim("alice", now=NOW, lease=LEASE).attempt == 2


# --- Waiting ------------------------------------------------------------------------------

PAUSED = Failure.of(ProviderPaused("the bill is overdue", fix="Pay it."))


def parked(**changes: Any) -> Task:
    return claimed(**changes).park("alice", 1, PAUSED, now=NOW, until=NOW + 600)


def test_what_waits_says_why_and_until_when_and_has_its_attempt_back() -> None:
    back = parked()
    assert (back.status, back.attempts_left) == (TaskStatus.PENDING, MAX_ATTEMPTS)
    assert (back.waits_for, back.outbox_due, back.due_at) == (PAUSED, NOW + 600, NOW + 600)


def test_what_waits_is_claimed_by_nobody_before_its_message_is_sent() -> None:
    with pytest.raises(TaskConflict):
        parked().claim("bob", now=NOW + 601, lease=LEASE)
    again = parked().sending(now=NOW + 600).claim("bob", now=NOW + 601, lease=LEASE)
    assert (again.attempt, again.waits_for) == (2, None)


def test_a_wait_may_be_repeated_without_end() -> None:
    task = claimed()
    for attempt in range(1, 1000):
        back = task.park("alice", attempt, PAUSED, now=NOW, until=NOW)
        task = back.sending(now=NOW).claim("alice", now=NOW, lease=LEASE)
    assert (task.attempt, task.attempts_left) == (1000, MAX_ATTEMPTS - 1)
    held = task.heartbeat("alice", 1000, now=NOW, lease=LEASE, stage=WAITING)
    assert held.attempts_after_this == MAX_ATTEMPTS


def test_a_deadline_that_passes_meanwhile_says_what_was_waited_for() -> None:
    failed = parked(deadline=NOW + 60).overdue(now=NOW + 60)
    assert failed.failure is not None
    assert "the bill is overdue" in failed.failure.message
    assert (failed.parked, failed.waits_for) == (False, None)


def test_who_has_been_claimed_since_has_lived_through_its_dead_letters() -> None:
    assert a_task(dead_letters=2).claim("alice", now=NOW, lease=LEASE).dead_letters == 0


def test_completing_records_the_outcome() -> None:
    done = ENDED[TaskStatus.COMPLETED]
    assert (done.outcome, done.progress, done.ended_at) == (DONE, 1.0, NOW)
    assert (done.lease_owner, done.lease_until, done.stage) == (None, None, None)


def test_failing_records_why() -> None:
    assert ENDED[TaskStatus.FAILED].failure == FAILURE


# --- Everybody's changes ------------------------------------------------------------------


def test_cancelling_is_final_at_once_even_while_held() -> None:
    for task in (a_task(), claimed()):
        cancelled = task.cancel(now=NOW + 1)
        assert (cancelled.status, cancelled.ended_at) == (TaskStatus.CANCELLED, NOW + 1)
        assert (cancelled.lease_owner, cancelled.due_at) == (None, None)


def test_expiring_leaves_a_task_that_somebody_may_work_on() -> None:
    for seconds in (0.0, FREE, ABANDONED - 0.001):
        with pytest.raises(LeaseLost):
            claimed().expire(FAILURE, now=NOW + seconds)
    assert claimed().expire(FAILURE, now=NOW + ABANDONED).failure == FAILURE
    assert a_task().expire(FAILURE, now=NOW).failure == FAILURE


def test_a_deadline_ends_even_a_held_task() -> None:
    failed = claimed(deadline=NOW + 1).overdue(now=NOW + 1)
    assert failed.status is TaskStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "deadline_exceeded"


def test_an_orphaned_task_can_be_claimed_at_once_but_still_counts() -> None:
    orphan = claimed().orphaned(now=NOW + 1)
    assert (orphan.status, orphan.lease_owner) == (TaskStatus.PENDING, None)
    again = orphan.claim("bob", now=NOW + 1, lease=LEASE)
    assert (again.attempt, again.attempts_left) == (2, MAX_ATTEMPTS - 2)


# --- Messages -----------------------------------------------------------------------------


def test_whoever_sends_has_a_while_for_it() -> None:
    for task in (a_task(outbox_due=NOW), claimed()):
        assert task.sending(now=NOW + 5).outbox_due == NOW + 5 + OUTBOX_SECONDS


def test_a_message_that_was_sent_is_sent_again_only_when_it_must_be_lost() -> None:
    assert a_task(outbox_due=NOW).sent(now=NOW + 1).outbox_due == NOW + 1 + RESEND
    face = a_task(kind="face-mask", outbox_due=NOW)
    assert face.sent(now=NOW).outbox_due == NOW + 1800


def test_the_older_a_task_the_longer_until_its_message_is_sent_again() -> None:
    task, sendings = a_task(outbox_due=NOW), 0
    while task.outbox_due is not None and task.outbox_due < NOW + 24 * 3600:
        task, sendings = task.sent(now=task.outbox_due), sendings + 1
    assert 5 <= sendings <= 8


def test_a_message_is_of_no_interest_once_a_worker_has_the_task() -> None:
    with pytest.raises(TaskConflict):
        claimed(outbox_due=NOW).sent(now=NOW)


def test_what_is_given_back_is_sent_again_should_its_message_be_lost() -> None:
    assert claimed().give_back("alice", 1, now=NOW + 5).outbox_due == NOW + 5 + RESEND


# --- Dead letters -------------------------------------------------------------------------

BURIED = Failure.of(DeadLetter("received too often"))


def test_a_revived_task_is_to_be_sent_and_remembers_it() -> None:
    for task in (a_task(), claimed()):
        alive = task.revive(now=NOW + ABANDONED)
        assert (alive.status, alive.dead_letters) == (TaskStatus.PENDING, 1)
        assert alive.outbox_due == NOW + ABANDONED + OUTBOX_SECONDS
        assert alive.attempts_left == task.attempts_left


def test_a_task_somebody_may_work_on_is_not_revived() -> None:
    for seconds in (0.0, FREE, ABANDONED - 0.001):
        with pytest.raises(LeaseLost):
            claimed().revive(now=NOW + seconds)


def test_an_operator_gives_a_dead_letters_task_another_life() -> None:
    dead = claimed(dead_letters=2, attempts_left=1).expire(BURIED, now=NOW + ABANDONED)
    alive = dead.redrive(now=NOW + 999)
    assert (alive.status, alive.failure, alive.ended_at) == (TaskStatus.PENDING, None, None)
    assert (alive.attempts_left, alive.dead_letters) == (MAX_ATTEMPTS, 0)
    assert alive.attempt == dead.attempt
    assert alive.outbox_due == NOW + 999 + OUTBOX_SECONDS


@pytest.mark.parametrize("task", [a_task(), claimed(), *ENDED.values()])
def test_nothing_else_is_given_another_life(task: Task) -> None:
    with pytest.raises(TaskConflict):
        task.redrive(now=NOW)


def test_a_dead_letter_past_its_deadline_stays_dead() -> None:
    dead = a_task(deadline=NOW + 50).expire(BURIED, now=NOW)
    assert dead.redrive(now=NOW + 49).status is TaskStatus.PENDING
    with pytest.raises(TaskConflict, match="deadline"):
        dead.redrive(now=NOW + 50)


# --- When the sweeper looks ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "due"),
    [
        (a_task(), None),
        (a_task(outbox_due=NOW + 30), NOW + 30),
        (a_task(deadline=NOW + 20, outbox_due=NOW + 30), NOW + 20),
        (claimed(), NOW + LEASE),
        (claimed(deadline=NOW + 5), NOW + 5),
        (claimed(deadline=NOW + 500), NOW + LEASE),
        # Sent again: looking before the message had its chance would only fill the sweep.
        (claimed().sending(now=NOW + 300 - OUTBOX_SECONDS), NOW + 300),
        # ... and after that its worker woke up and kept it.
        (
            claimed()
            .sending(now=NOW + 70 - OUTBOX_SECONDS)
            .heartbeat("alice", 1, now=NOW + 65, lease=LEASE),
            NOW + 65 + LEASE,
        ),
        (a_task(outbox_due=NOW, deadline=NOW).cancel(now=NOW), None),
    ],
)
def test_a_task_is_due_at_the_first_moment_the_sweeper_could_do_something(
    task: Task, due: float | None
) -> None:
    assert task.due_at == due


def test_the_address_is_the_kinds() -> None:
    assert a_task(kind="face-mask").job_type == "/api/v1/face-mask/jobs"


# --- A worker that dies with more than it works on ----------------------------------------


@pytest.mark.parametrize(
    ("stage", "given_back"),
    [(WAITING, True), ("running", False), ("preparing", False), (None, False)],
)
def test_what_only_waited_where_its_worker_died_has_its_attempt_back(
    stage: str | None, given_back: bool
) -> None:
    held = claimed().heartbeat("alice", 1, now=NOW, lease=LEASE, stage=stage)
    later = NOW + LEASE + SKEW_SECONDS
    left = MAX_ATTEMPTS - 1 + given_back
    again = held.claim("bob", now=later, lease=LEASE)
    assert (again.attempt, again.attempts_left) == (2, left - 1)
    assert held.orphaned(now=NOW).attempts_left == left


def test_a_last_attempt_that_only_waited_is_not_the_last() -> None:
    held = claimed(attempts_left=1).heartbeat("alice", 1, now=NOW, lease=LEASE, stage=WAITING)
    again = held.claim("bob", now=NOW + LEASE + SKEW_SECONDS, lease=LEASE)
    assert again.attempts_left == 0
    with pytest.raises(AttemptsExhausted):
        again.claim("carol", now=NOW + 10 * LEASE, lease=LEASE)


def test_a_last_attempt_that_was_paid_for_is_not_the_last() -> None:
    held = claimed(attempts_left=1).heartbeat("alice", 1, now=NOW, lease=LEASE, stage="running")
    for usd, maybe, left in ((0.0, 0.0, 0), (0.03, 0.0, 1), (0.0, 0.03, 1)):
        cost = {"usd": usd, "maybe_usd": maybe, "calls": []}
        assert held.with_cost(cost).attempts_after_this == left
    assert held.with_cost({"usd": 0.0, "calls": []}).attempts_after_this == 0


def test_attempts_are_not_given_back_for_ever() -> None:
    task, now = claimed(), NOW
    for attempt in range(1, MAX_LOSSES + MAX_ATTEMPTS):
        worker = task.lease_owner or ""
        task = task.heartbeat(worker, attempt, now=now, lease=LEASE, stage=WAITING)
        now += LEASE + SKEW_SECONDS
        task = task.claim(f"worker {attempt}", now=now, lease=LEASE)
    assert (task.losses, task.attempts_left) == (MAX_LOSSES, 0)
    task = task.heartbeat(task.lease_owner or "", task.attempt, now=now, lease=LEASE, stage=WAITING)
    assert task.attempts_after_this == 0


def test_a_job_that_fails_spends_its_attempt_wherever_it_was() -> None:
    held = claimed().heartbeat("alice", 1, now=NOW, lease=LEASE, stage=WAITING)
    assert held.give_back("alice", 1, now=NOW).attempts_left == MAX_ATTEMPTS - 1


def test_attempts_end_before_receives() -> None:
    assert MAX_RECEIVES > 2 * MAX_ATTEMPTS, "each attempt may be received again once for nothing"


# --- Delete and restore -------------------------------------------------------------------


def test_only_what_has_ended_is_deleted_and_stays_deleted_since_then() -> None:
    task = a_task()
    for goes_on in (task, task.claim("w", now=NOW, lease=60)):
        with pytest.raises(TaskConflict):
            goes_on.delete(now=NOW)
    deleted = task.cancel(now=NOW).delete(now=NOW + 1)
    assert deleted.deleted_at == NOW + 1
    assert deleted.delete(now=NOW + 2) == deleted
    assert deleted.restore() == task.cancel(now=NOW)
    assert deleted.restore().restore() == deleted.restore()


def test_a_deleted_letter_is_not_redriven() -> None:
    failure = Failure.of(DeadLetter("received too often"))
    dead = a_task().expire(failure, now=NOW)
    with pytest.raises(TaskConflict, match="deleted"):
        dead.delete(now=NOW).redrive(now=NOW)
    assert dead.delete(now=NOW).restore().redrive(now=NOW).ended_at is None
