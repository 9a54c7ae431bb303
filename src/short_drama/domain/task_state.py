"""What is known of a task, and what follows from it at any moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from short_drama.domain.attempts import MAX_ATTEMPTS, MAX_LOSSES, PREPARING, WAITING, is_spared
from short_drama.domain.errors import DeadLetter
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane, job_path
from short_drama.domain.outcome import Outcome
from short_drama.domain.stage_times import (
    QUEUED,
    RETRY,
    StageTimes,
    account_of_reason,
    account_of_stage,
    added,
    rounded,
)
from short_drama.domain.webhooks import Notification

SKEW_SECONDS = 1.0
"""How far clocks may differ before workers compete for a task; the fence keeps it harmless."""
END_MARGIN_SECONDS = 90.0
"""How far clocks may differ before a task in good hands is failed. A lapsed lease lets others try
again, which the fence keeps harmless; to end the task, which nothing mends, they wait this long."""


class TaskStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self not in (TaskStatus.PENDING, TaskStatus.PROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """One row of the task store. Times are Unix seconds."""

    task_id: str
    kind: str
    lane: Lane
    owner: str
    request: Mapping[str, Any]
    """The kind's request, its images as `asset:` references to bytes we hold."""
    request_hash: str
    created_at: float
    updated_at: float
    status: TaskStatus = TaskStatus.PENDING
    version: int = 0
    """Grows by one with every write; 0 before the first."""
    labels: Mapping[str, str] = field(default_factory=dict)
    key_id: str | None = None
    """Of the API key that it came with."""
    retry_of: str | None = None
    """The task that this one repeats: what that one has paid for need not be paid for again."""
    traceparent: str | None = None
    """Of the span, perhaps a client's, whose parts are what becomes of the task (W3C)."""
    consent: Mapping[str, Any] | None = None
    characters: Mapping[str, str] = field(default_factory=dict)
    """Whose faces go into it, by name, each with the id of the consent it was accepted under."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each image came from, query strings removed."""
    inputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Width and height of each image, in pixels."""
    derived_from: Sequence[Mapping[str, str]] = ()
    """The tasks whose results went in: `task_id`, and the `field` of each."""
    deadline: float | None = None
    outbox_due: float | None = None
    """When the sweeper sends the task's message: soon while it may not have been sent, much later
    once it has been, in case the queue loses it. None where the queue cannot lose it, and while a
    worker holds the task."""
    parked: bool = False
    """Its message is forgotten, and the sweeper sends another at `outbox_due`: nobody claims it
    before."""
    waits_for: Failure | None = None
    """What it waits for: why the last attempt was given back uncounted, until the next one is
    claimed; or what the job of this one waits for in its service."""
    dead_letters: int = 0
    """How often a message has come back from the dead-letter queue since the last claim."""

    attempt: int = 0
    """The fencing token: it only grows."""
    attempts_left: int = MAX_ATTEMPTS
    losses: int = 0
    """Attempts that were lost with a worker or a service where the task only waited; uncounted."""
    lease_owner: str | None = None
    lease_until: float | None = None
    api_job_id: str | None = None
    stage: str | None = None
    progress: float | None = None
    """0 to 1 within the current attempt."""
    preview: str | None = None
    """The unfinished picture as a data URL, while a worker holds the task."""
    queue_position: int | None = None
    """In the service of the worker that holds the task, until an engine begins on it; 1 is next."""
    expected_at: float | None = None
    """When it will be done, as far as that service can tell; known together with its place."""

    waited: float | None = None
    """Seconds so far in which nothing computed for it: between attempts and inside services. None
    before the first claim, and in records of earlier versions."""
    stage_times: StageTimes | None = None
    """All seconds so far, by what they were spent on, in all attempts; None before the first claim,
    and in records of earlier versions. What nobody accounts for is time of our own."""
    started_at: float | None = None
    """When the current or last attempt was claimed."""
    ended_at: float | None = None
    outcome: Outcome | None = None
    failure: Failure | None = None
    purged: Mapping[str, Any] | None = None
    """What of it was deleted because a consent was revoked: `at`, `by`, and `deleted`, a key and a
    SHA-256 each."""
    cost: Mapping[str, Any] | None = None
    """Every call to a provider and its price, however the task ended: `TaskSpend.cost`."""
    webhooks: Sequence[str] = ()
    """Ids of the endpoints that are to be told of its end."""
    notifications: Sequence[Notification] = ()
    """What they are told, once it has ended."""
    deleted_at: float | None = None
    """Since when it is hidden from lists; it may be restored until it is removed."""

    @property
    def job_type(self) -> str:
        return job_path(self.kind)

    def is_derived_from(self, task_id: str) -> bool:
        return any(one["task_id"] == task_id for one in self.derived_from)

    @property
    def due_at(self) -> float | None:
        """When the sweeper should next look at this task; once it has ended, only while somebody is
        to be told of that."""
        if self.status.is_terminal:
            told = (one.due_at for one in self.notifications if one.due_at is not None)
            return min(told, default=None)
        send_at = self.outbox_due
        if self.status is TaskStatus.PROCESSING:  # not before its lease is over as well
            times = (self.outbox_due, self.lease_until)
            send_at = max((at for at in times if at is not None), default=None)
        return min((at for at in (send_at, self.deadline) if at is not None), default=None)

    @property
    def is_waiting(self) -> bool:
        """Whether no engine is known to be at work on it yet, in the queue or in a service."""
        if self.status is TaskStatus.PROCESSING:
            return self.stage in (None, PREPARING, WAITING)
        return self.status is TaskStatus.PENDING

    @property
    def free_at(self) -> float:
        """When another worker may try; 0 while nobody holds the task."""
        return self._lapses_at(SKEW_SECONDS)

    @property
    def surely_free_at(self) -> float:
        """When its worker must be gone, and others may end it; 0 while nobody holds the task."""
        return self._lapses_at(END_MARGIN_SECONDS)

    @property
    def attempts_after_this(self) -> int:
        """Attempts that may still be made once the present one is over without a word.

        A worker that dies takes all with it that it holds. What only waited there was not what
        killed it, and gets its attempt back, and so does what would be paid for in vain; not for
        ever, because a record may be behind, and some work does kill.
        """
        return self.attempts_left + self.losses_after_this - self.losses

    @property
    def losses_after_this(self) -> int:
        """As `losses`, once the present attempt is over without a word."""
        spared = self.status is TaskStatus.PROCESSING and is_spared(self.stage, self.cost)
        return self.losses + (1 if spared and self.losses < MAX_LOSSES else 0)

    def _lapses_at(self, margin: float) -> float:
        held = self.status is TaskStatus.PROCESSING
        return (self.lease_until or 0.0) + margin if held else 0.0

    def waited_by(self, now: float) -> float:
        """Seconds in which nothing computed for it, until now."""
        if self.waited is None:  # never claimed, or by an earlier version
            return max((self.started_at or now) - self.created_at, 0.0)
        waits = self.status is TaskStatus.PENDING or self.stage == WAITING
        return self.waited + (max(now - self.updated_at, 0.0) if waits else 0.0)

    def stage_times_by(self, now: float) -> StageTimes:
        """As `stage_times`, until now. Of a stage of which nothing was heard any more only what its
        lease was good for counts, unless the task waited in it."""
        until = now
        if self.status is TaskStatus.PROCESSING and self.stage != WAITING:
            until = min(now, self.lease_until or now)
        account, times = self._spends_on, self.stage_times or {}
        if account is None:
            return times
        return rounded(added(times, {account: max(until - self.updated_at, 0.0)}))

    @property
    def _spends_on(self) -> str | None:
        """The account of the time since it was written last."""
        if self.status is TaskStatus.PROCESSING:
            return account_of_stage(self.stage)
        if self.status is TaskStatus.PENDING:
            if self.attempt == 0:
                return QUEUED
            return account_of_reason(self.waits_for.code if self.waits_for else RETRY)
        return account_of_reason(DeadLetter.code)  # from which an operator has brought it back
