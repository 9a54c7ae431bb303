"""Where a task's time went."""

from collections.abc import Mapping
from dataclasses import dataclass

from short_drama.domain.attempts import PREPARING
from short_drama.domain.stage_times import ENGINE, IN_LANE, PUBLISHING, QUEUED, reasons
from short_drama.domain.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Seconds in all attempts. Once the task has ended, they add up to its total; until then
    `finishing` is None. `waiting_for`: the parts of `waiting`, by code. Finishing is what is left:
    hand-overs, the last writes, and what was lost without a word."""

    queued: float
    waiting: float
    waiting_for: Mapping[str, float]
    preparing: float
    in_lane: float
    engine: float
    publishing: float
    finishing: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds; None for what is not known yet.

    Queued is all the time in which it waited for others: in the queue, inside its API service, in
    its engine's own queue, and anew in each attempt. Running is the rest: what engines made of it,
    what failed attempts took, and what we added. Engine is what the last attempt took if it
    succeeded, else what all took. Overhead is running without that.
    """

    queued_seconds: float | None
    running_seconds: float | None
    engine_seconds: float | None
    total_seconds: float | None
    overhead_seconds: float | None
    stages: Stages | None
    """None before the first claim, and in records of earlier versions."""


def timings_of(task: Task) -> Timings:
    engine = _engine(task)
    total = None if task.ended_at is None else max(task.ended_at - task.created_at, 0.0)
    queued = _queued(task, longest=None if total is None else max(total - (engine or 0.0), 0.0))
    ran = None if total is None or queued is None else total - queued
    return Timings(
        queued_seconds=_rounded(queued),
        running_seconds=_rounded(ran),
        engine_seconds=engine,
        total_seconds=_rounded(total),
        overhead_seconds=None if ran is None or engine is None else _rounded(ran - engine),
        stages=_stages(task, total),
    )


def _engine(task: Task) -> float | None:
    if task.outcome is not None:
        return task.outcome.engine_seconds
    return (task.stage_times or {}).get(ENGINE)


def _stages(task: Task, total: float | None) -> Stages | None:
    """No more than there was: clocks differ, and an engine may be at work while nobody hears of it,
    after a crash; what it says of itself stands."""
    times = task.stage_times
    if times is None:
        return None
    left = total

    def take(seconds: float) -> float:
        nonlocal left
        taken = seconds if left is None else min(seconds, left)
        left = None if left is None else left - taken
        return round(taken, 4)

    engine = take(max(times.get(ENGINE, 0.0), _engine(task) or 0.0))
    publishing, preparing = take(times.get(PUBLISHING, 0.0)), take(times.get(PREPARING, 0.0))
    queued, in_lane = take(times.get(QUEUED, 0.0)), take(times.get(IN_LANE, 0.0))
    waits = {code: take(seconds) for code, seconds in reasons(times).items()}
    return Stages(
        queued=queued,
        waiting=round(sum(waits.values(), 0.0), 4),
        waiting_for=waits,
        preparing=preparing,
        in_lane=in_lane,
        engine=engine,
        publishing=publishing,
        finishing=_rounded(left),
    )


def _queued(task: Task, *, longest: float | None) -> float | None:
    """At most `longest`: an engine may be at work while nobody hears of it, after a crash."""
    queued = task.waited
    if queued is None:  # records of earlier versions tell only when it was claimed
        queued = None if task.started_at is None else task.started_at - task.created_at
    return queued if queued is None or longest is None else min(queued, longest)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
