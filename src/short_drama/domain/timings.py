"""Where a task's time went."""

from dataclasses import dataclass

from short_drama.domain.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds; None for what is not known yet.

    Queued is all the time in which it waited for others: in the queue, inside its API service, in
    its engine's own queue, and anew in each attempt. Running is the rest: what engines made of it,
    what failed attempts took, and what we added. Overhead is running without what the engine of
    the last attempt took.
    """

    queued_seconds: float | None
    running_seconds: float | None
    engine_seconds: float | None
    total_seconds: float | None
    overhead_seconds: float | None


def timings_of(task: Task) -> Timings:
    engine = task.outcome.engine_seconds if task.outcome else None
    total = None if task.ended_at is None else max(task.ended_at - task.created_at, 0.0)
    queued = _queued(task, longest=None if total is None else max(total - (engine or 0.0), 0.0))
    ran = None if total is None or queued is None else total - queued
    return Timings(
        queued_seconds=_rounded(queued),
        running_seconds=_rounded(ran),
        engine_seconds=engine,
        total_seconds=_rounded(total),
        overhead_seconds=None if ran is None or engine is None else _rounded(ran - engine),
    )


def _queued(task: Task, *, longest: float | None) -> float | None:
    """At most `longest`: an engine may be at work while nobody hears of it, after a crash."""
    queued = task.waited
    if queued is None:  # records of earlier versions tell only when it was claimed
        queued = None if task.started_at is None else task.started_at - task.created_at
    return queued if queued is None or longest is None else min(queued, longest)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
