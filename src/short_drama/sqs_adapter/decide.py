"""What becomes of a delivery, decided without any I/O."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from short_drama.domain.errors import (
    AttemptsExhausted,
    DeadlineExceeded,
    LeaseLost,
    QueueFull,
    ShortDramaError,
    TaskConflict,
)
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.stage_times import IN_LANE, OF_JOBS, StageTimes
from short_drama.domain.task import Task


@dataclass(frozen=True, slots=True)
class Done:
    """The record says how the task ended: forget the message."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Give the task back, and the message after `delay` seconds. `refund`: it did not count, since
    it is we who stop."""

    delay: float
    refund: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """Give the task back uncounted, and forget the message: the sweeper sends another one after
    `delay` seconds. What is waited for, `reason`, may last for days, and a message is received
    only so often."""

    delay: float
    reason: Failure | None = None


@dataclass(frozen=True, slots=True)
class Postpone:
    """As `Park`, of a task that was not claimed: its owner has as many running as may."""

    delay: float
    reason: Failure


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Record that our attempt failed for good, then forget the message."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Expire:
    """Record that a task nobody holds may not start again, then forget the message."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Complete:
    """Record the outcome, then forget the message."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Abandon:
    """Somebody else holds the task: leave the record, and look again after `delay` seconds, or
    when the message comes back by itself."""

    delay: float | None = None


Verdict = Done | Retry | Park | Postpone | GiveUp | Expire | Complete | Abandon

_POSTPONED_SECONDS = 10.0, 20.0
"""Between which a task is postponed: its owner's others come back at different times."""
_AFTER_LEASE = 1.0
"""Seconds after another's lease, or its margin, at which to look whether it has been renewed."""
_LONGEST_REQUEST = 3600.0
"""The longest pause a refusal may ask for, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Full-jitter exponential backoff, in seconds."""

    base: float = 1.0
    cap: float = 60.0

    def delay(self, tries: int, *, after: float | None, rng: Random) -> float:
        """Before try number `tries` + 1; never sooner than a refusal asked for."""
        backoff = rng.uniform(0, min(self.cap, self.base * 2.0 ** min(tries, 16)))
        return max(backoff, min(after or 0.0, _LONGEST_REQUEST))


def postponed(task: Task, *, most: int, rng: Random) -> Postpone:
    """`most` tasks of its owner run in its lane."""
    reason = QueueFull(
        f"{most} tasks of its owner run in the {task.lane.upper()} lane, as many as may",
        fix="It goes on by itself; SHORT_DRAMA_OWNER_RUNNING_TASKS is how many may.",
    )
    return Postpone(rng.uniform(*_POSTPONED_SECONDS), Failure.of(reason))


def refused_claim(refusal: ShortDramaError, task: Task, *, now: float) -> Verdict:
    """The record did not let us start: why, and what that means for the message."""
    match refusal:
        case TaskConflict():
            return Done()
        case LeaseLost():
            ahead = [at for at in (task.free_at, task.surely_free_at) if at > now]
            return Abandon(min(ahead, default=now) - now + _AFTER_LEASE)
        case AttemptsExhausted() | DeadlineExceeded():
            return Expire(Failure.of(refusal))
    raise refusal


def after_attempt(
    result: Outcome | Failure, task: Task, *, accepted: bool, policy: RetryPolicy, rng: Random
) -> Verdict:
    """The attempt that `task` records has ended with `result`.

    An attempt counts once a service has `accepted` its job, unless the failure is of those that do
    not: what cannot be reached says nothing about the task, what dies of it may.
    """
    if isinstance(result, Outcome):
        return Complete(result)
    if not result.retryable:
        return GiveUp(result)
    delay = policy.delay(task.attempt, after=result.after, rng=rng)
    if not (accepted and result.counts):
        return Park(delay, result)
    return Retry(delay) if task.attempts_left > 0 else GiveUp(result)


def read_outcome(view: Mapping[str, object]) -> Outcome:
    """A completed job's view, from any API service that keeps the documented shape.

    Older ones give only `result_url`.
    """
    details, seconds = view.get("details"), view.get("engine_seconds")
    return Outcome(
        result_key=read_text(view.get("result_key")),
        result_url=read_text(view.get("result_url") or view.get("result_s3_uri")),
        engine=read_text(view.get("engine")),
        details=details if isinstance(details, Mapping) else {},
        engine_seconds=float(seconds) if isinstance(seconds, int | float) else None,
        result=_sizes(view.get("result")),
    )


def read_failure(view: Mapping[str, object]) -> Failure:
    """A failed job's `error`: our object, or a plain sentence from an older service."""
    error = view.get("error")
    if isinstance(error, dict):
        return Failure.from_json(error)
    return Failure(code="engine_failed", message=str(error or "the job failed without a reason"))


def read_cost(view: Mapping[str, object]) -> Mapping[str, Any] | None:
    """What the job has cost so far; None from services that do not say or cost nothing."""
    cost = view.get("cost")
    return cost if isinstance(cost, Mapping) else None


def read_stage_times(view: Mapping[str, object]) -> StageTimes:
    """What the job's time was spent on, in this attempt. Older services tell only how long it
    waited."""
    told = view.get("stage_seconds")
    if not isinstance(told, Mapping):
        told = {IN_LANE: view.get("queued_seconds")}
    return {account: read_seconds(told.get(account)) or 0.0 for account in OF_JOBS}


def _sizes(value: object) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    return {str(name): number for name, number in value.items() if type(number) is int}


def read_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def read_seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < math.inf else None
