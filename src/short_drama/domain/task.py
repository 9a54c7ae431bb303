"""The task: the client's durable record, and every change it may go through.

Each change is a pure method from a task to the next one. It refuses by raising, never by
returning the task unchanged, so that a caller cannot mistake a refusal for success:

* `TaskConflict`: the task has ended; ends are final.
* `LeaseLost`: somebody else holds the task, or this attempt is no longer the current one.
* `AttemptsExhausted`: there is no attempt left to claim.
* `DeadlineExceeded`: the client's deadline has passed.

The store writes the outcome only over the version it was computed from (`ports.TaskStore`), so
these checks are the fence that keeps a late or stalled worker from doing harm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from short_drama.domain.attempts import MAX_ATTEMPTS, job_id_for
from short_drama.domain.errors import (
    AttemptsExhausted,
    DeadLetter,
    DeadlineExceeded,
    LeaseLost,
    TaskConflict,
)
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.stage_times import StageTimes
from short_drama.domain.task_state import TaskState, TaskStatus
from short_drama.domain.webhooks import Event, Notification

OUTBOX_SECONDS = 10.0
"""How long a sender has to put the message on the queue before the sweeper does."""


_EVENT_OF: Mapping[TaskStatus, Event] = {
    TaskStatus.COMPLETED: Event.TASK_COMPLETED,
    TaskStatus.FAILED: Event.TASK_FAILED,
    TaskStatus.CANCELLED: Event.TASK_CANCELLED,
}
_NO_NEWS: Mapping[str, Any] = dict.fromkeys(
    ("stage", "preview", "queue_position", "expected_at", "waits_for")
)
"""Of a task that nobody holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(TaskState):
    """A task that may be changed."""

    def claim(self, worker: str, *, now: float, lease: float) -> Self:
        """A worker takes the task for `lease` seconds and starts the next attempt.

        Repeated by the holder, whose first answer may have been lost, it is the same attempt. That
        there can be no next one ends the task, and is told only when the holder must be gone.
        """
        self._require_open()
        if self.parked:
            raise TaskConflict("the task waits, and has another message when that is over")
        if self.status is TaskStatus.PROCESSING and self.lease_owner == worker:
            return replace(self, lease_until=now + lease, updated_at=now)
        late = self.deadline is not None and now >= self.deadline
        spent = self.attempts_after_this <= 0
        self._require_past(self.surely_free_at if late or spent else self.free_at, now)
        if late:
            raise DeadlineExceeded("the deadline passed before the task could start")
        if spent:
            raise AttemptsExhausted(f"all {self.attempt} attempts ended without a result")
        return replace(
            self,
            status=TaskStatus.PROCESSING,
            attempt=self.attempt + 1,
            attempts_left=self.attempts_after_this - 1,
            losses=self.losses_after_this,
            dead_letters=0,
            lease_owner=worker,
            lease_until=now + lease,
            outbox_due=None,
            api_job_id=job_id_for(self.task_id, self.attempt + 1),
            **_NO_NEWS,
            progress=None,
            waited=self.waited_by(now),
            stage_times=self.stage_times_by(now),
            started_at=now,
            updated_at=now,
        )

    def heartbeat(
        self,
        worker: str,
        attempt: int,
        *,
        now: float,
        lease: float,
        api_job_id: str | None = None,
        stage: str | None = None,
        progress: float | None = None,
        preview: str | None = None,
        queue_position: int | None = None,
        expected_at: float | None = None,
        waits_for: Failure | None = None,
        waited: float | None = None,
        stage_times: StageTimes | None = None,
    ) -> Self:
        """Extend the lease, and tell how far the work is. What is not told stays, but for the
        place in the queue and what is waited for: who is not told one has none."""
        self._require_fence(worker, attempt)
        return replace(
            self,
            lease_until=now + lease,
            api_job_id=api_job_id or self.api_job_id,
            stage=stage or self.stage,
            progress=self.progress if progress is None else progress,
            preview=preview or self.preview,
            queue_position=queue_position,
            expected_at=expected_at,
            waits_for=waits_for,
            waited=self.waited if waited is None else waited,
            stage_times=self.stage_times if stage_times is None else stage_times,
            updated_at=now,
        )

    def last_heard(
        self,
        worker: str,
        attempt: int,
        *,
        api_job_id: str | None,
        waited: float | None,
        stage_times: StageTimes | None = None,
        losses: int = 0,
    ) -> Self:
        """What its holder knows of an attempt that is over, before it says how it ended."""
        self._require_fence(worker, attempt)
        return replace(
            self,
            **_NO_NEWS,
            api_job_id=api_job_id or self.api_job_id,
            waited=self.waited if waited is None else waited,
            stage_times=self.stage_times if stage_times is None else stage_times,
            losses=max(losses, self.losses),
        )

    def give_back(self, worker: str, attempt: int, *, now: float, refund: bool = False) -> Self:
        """End the attempt without a result; the message comes back. With `refund` the attempt does
        not count."""
        self._require_fence(worker, attempt)
        freed = self._freed(now=now, resend_at=self._resend_at(now))
        return replace(freed, attempts_left=self.attempts_left + (1 if refund else 0))

    def park(
        self, worker: str, attempt: int, reason: Failure | None, *, now: float, until: float
    ) -> Self:
        """End the attempt uncounted, for `reason`. The message is to be forgotten, since it may be
        received only so often: the sweeper sends another at `until`."""
        self._require_fence(worker, attempt)
        return replace(
            self._freed(now=now, resend_at=until),
            parked=True,
            waits_for=reason,
            attempts_left=self.attempts_left + 1,
        )

    def postpone(self, reason: Failure, *, now: float, until: float) -> Self:
        """As `park`, of a task that nobody has claimed. Raises TaskConflict for any other."""
        self._require_open()
        if self.status is not TaskStatus.PENDING or self.parked:
            raise TaskConflict("the task waits for nobody")
        return replace(self, outbox_due=until, parked=True, waits_for=reason, updated_at=now)

    def complete(self, worker: str, attempt: int, outcome: Outcome, *, now: float) -> Self:
        self._require_fence(worker, attempt)
        return self._end(TaskStatus.COMPLETED, now=now, outcome=outcome, progress=1.0)

    def fail(self, worker: str, attempt: int, failure: Failure, *, now: float) -> Self:
        self._require_fence(worker, attempt)
        return self._end(TaskStatus.FAILED, now=now, failure=failure)

    def cancel(self, *, now: float) -> Self:
        self._require_open()
        return self._end(TaskStatus.CANCELLED, now=now)

    def expire(self, failure: Failure, *, now: float) -> Self:
        """Fail a task that nobody can be working on, or raise LeaseLost."""
        self._require_open()
        self._require_past(self.surely_free_at, now)
        return self._end(TaskStatus.FAILED, now=now, failure=failure)

    def overdue(self, *, now: float) -> Self:
        """Fail a task whose deadline has passed, even while a worker holds it."""
        self._require_open()
        waited = f"; it waited: {self.waits_for.message}" if self.waits_for else ""
        detail = f"the deadline passed before the task finished{waited}"
        failure = Failure.of(DeadlineExceeded(detail))
        return self._end(TaskStatus.FAILED, now=now, failure=failure)

    def forbid(self, failure: Failure, *, now: float) -> Self:
        """Fail a task that nobody may go on with, even while a worker holds it."""
        self._require_open()
        return self._end(TaskStatus.FAILED, now=now, failure=failure)

    def purge(self, *, by: str, deleted: Sequence[Mapping[str, str]], now: float) -> Self:
        """Its pictures are gone; what was deleted before stays told. Raises TaskConflict while it
        may make others."""
        if not self.status.is_terminal:
            raise TaskConflict(f"the task is still {self.status}")
        before = self.purged["deleted"] if self.purged else ()
        outcome = None if self.outcome is None else self.outcome.without_pictures()
        purged = {"at": now, "by": by, "deleted": [*before, *deleted]}
        return replace(self, outcome=outcome, purged=purged, updated_at=now)

    def with_cost(self, cost: Mapping[str, Any]) -> Self:
        """What it has cost is known, perhaps only after its end. No change of any other kind."""
        return replace(self, cost=cost)

    def notified(self, change: Callable[[Notification], Notification]) -> Self:
        """Of those who are told of its end: `change` makes of each what is known now."""
        return replace(self, notifications=tuple(map(change, self.notifications)))

    def sending(self, *, now: float) -> Self:
        """Somebody is about to put the message on the queue; nobody else need for a while."""
        self._require_open()
        return replace(self, outbox_due=now + OUTBOX_SECONDS, parked=False)

    def sent(self, *, now: float) -> Self:
        """The message is on the queue. Should the queue lose it, it is sent again: late enough
        not to flood a backlog, whose tasks wait ever longer.

        Raises TaskConflict when that is no longer of interest: a worker was quicker."""
        self._require_open()
        if self.outbox_due is None:
            raise TaskConflict("a worker has the task already")
        return replace(self, outbox_due=self._resend_at(now))

    def orphaned(self, *, now: float) -> Self:
        """Its worker is known to be gone: the task is free now instead of after its lease."""
        self._require_open()
        freed = self._freed(now=now, resend_at=self._resend_at(now))
        return replace(freed, attempts_left=self.attempts_after_this, losses=self.losses_after_this)

    def revive(self, *, now: float) -> Self:
        """Its message was received too often, though nothing is wrong with the task: the message
        is to be sent anew. Raises LeaseLost while a worker may hold the task."""
        self._require_open()
        self._require_past(self.surely_free_at, now)
        freed = self._freed(now=now, resend_at=now + OUTBOX_SECONDS)
        return replace(
            freed,
            attempts_left=self.attempts_after_this,
            losses=self.losses_after_this,
            dead_letters=self.dead_letters + 1,
        )

    def redrive(self, *, now: float) -> Self:
        """An operator gives a task that failed as a dead letter another life: the only way out
        of an end. Raises TaskConflict for every other task."""
        self._require_kept()
        if self.failure is None or self.failure.code != DeadLetter.code:
            raise TaskConflict(f"the task is {self.status}, not a dead letter")
        if self.deadline is not None and now >= self.deadline:
            raise TaskConflict("the task's deadline has passed", fix="Submit it again with /retry.")
        return replace(
            self._freed(now=now, resend_at=now + OUTBOX_SECONDS),
            attempts_left=MAX_ATTEMPTS,
            dead_letters=0,
            failure=None,
            ended_at=None,
            notifications=(),
        )

    def delete(self, *, now: float) -> Self:
        """Hide it, until it is restored or removed. Repeated, it changes nothing.

        Raises TaskConflict while the task has not ended."""
        if not self.status.is_terminal:
            raise TaskConflict(f"the task is still {self.status}", fix="Cancel it first.")
        return replace(self, deleted_at=self.deleted_at or now)

    def restore(self) -> Self:
        """Show it again. Of one that is not deleted it changes nothing."""
        return replace(self, deleted_at=None)

    def _freed(self, *, now: float, resend_at: float) -> Self:
        return replace(
            self,
            status=TaskStatus.PENDING,
            lease_owner=None,
            lease_until=None,
            outbox_due=resend_at,
            parked=False,
            **_NO_NEWS,
            progress=None,
            waited=self.waited_by(now),
            stage_times=self.stage_times_by(now),
            updated_at=now,
        )

    def _resend_at(self, now: float) -> float:
        return now + max(3 * self.lane.visibility_seconds, now - self.created_at)

    def _end(self, status: TaskStatus, *, now: float, **changes: Any) -> Self:
        return replace(
            self,
            status=status,
            ended_at=now,
            updated_at=now,
            lease_owner=None,
            lease_until=None,
            outbox_due=None,
            parked=False,
            **_NO_NEWS,
            waited=self.waited_by(now),
            stage_times=self.stage_times_by(now),
            notifications=tuple(
                Notification(endpoint_id=one, event=_EVENT_OF[status], since=now, due_at=now)
                for one in self.webhooks
            ),
            **changes,
        )

    def _require_open(self) -> None:
        if self.status.is_terminal:
            raise TaskConflict(
                f"the task is already {self.status}", fix="Submit it again with /retry."
            )

    def _require_kept(self) -> None:
        if self.deleted_at is not None:
            raise TaskConflict("the task is deleted", fix="Restore it first.")

    def _require_past(self, moment: float, now: float) -> None:
        if now < moment:
            raise LeaseLost(f"attempt {self.attempt} of this task may still be running")

    def _require_fence(self, worker: str, attempt: int) -> None:
        self._require_open()
        if (self.status, self.lease_owner, self.attempt) != (
            TaskStatus.PROCESSING,
            worker,
            attempt,
        ):
            raise LeaseLost(f"attempt {attempt} no longer holds the task")
