"""Was every promise kept? Judged from what was seen, after everything has had time to end.

Pure: a history, the engines' log, and what is stored at the end go in; violations come out. Each
rule is a function of its own, listed in RULES, and says in its docstring what it holds for.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from short_drama.domain.attempts import MAX_ATTEMPTS, job_id_for
from short_drama.domain.errors import AttemptsExhausted, Unavailable
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from tests.chaos.engine import Run
from tests.chaos.history import (
    Cancelled,
    Event,
    Fetched,
    Held,
    Injected,
    Misbehaved,
    Refused,
    Seen,
    Submitted,
)

RECOVERY_SECONDS = 5.0
"""After its lease, until a task whose worker has died is in the next attempt."""
_AFTERMATH_SECONDS = 5.0
"""How long a fault that is over may still delay others: pauses before the next try."""
_TIMELY_ATTEMPTS = 3
"""Later ones wait longer by design than a recovery may take: the backoff doubles."""

_WORN_OUT = {AttemptsExhausted.code, Unavailable.code}
"""Failures that chaos may cause, once all attempts are used up."""

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Violation:
    """`lost`: an accepted task or its result is gone. `doubled`: something took effect twice, or
    undid an effect. `wrong`: another promise broken. `slow`: recovered too late."""

    kind: Literal["lost", "doubled", "wrong", "slow"]
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    events: Sequence[Event]
    runs: Sequence[Run]
    records: Mapping[str, Task]
    """All tasks there are at the end, by id; their submits carry the label `key`."""
    results: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of what is stored at the end under each completed task's result key; no entry where
    nothing is."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Messages left, hidden ones too, in each queue."""
    letters: Sequence[str] = ()
    """The tasks that dead letters left at the end name."""
    lease: float

    @property
    def recovery_limit(self) -> float:
        return self.lease + RECOVERY_SECONDS

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def check(evidence: Evidence) -> list[Violation]:
    return [violation for rule in RULES for violation in rule(evidence)]


# --- Nothing is lost ----------------------------------------------------------------------


def every_task_ends(evidence: Evidence) -> Iterator[Violation]:
    """An accepted submit has a record, and every record, also of a submit whose answer was lost,
    has ended."""
    accepted = {event.task_id for event in evidence.of(Submitted) if event.result == "ok"}
    for task_id in sorted(str(task) for task in accepted - set(evidence.records)):
        yield Violation("lost", f"{task_id} was accepted and has no record")
    for task in evidence.records.values():
        if not task.status.is_terminal:
            yield Violation("lost", f"{task.task_id} is still {task.status}, v{task.version}")


def results_can_be_read(evidence: Evidence) -> Iterator[Violation]:
    """Of every completed task; that they could be from the first moment, `reads_are_answered`."""
    for task in completed(evidence):
        if result_key(task) not in evidence.results:
            yield Violation("lost", f"{task.task_id} is completed and its result is gone")


# --- Nothing happens twice ----------------------------------------------------------------


def one_key_one_task(evidence: Evidence) -> Iterator[Violation]:
    """All submits with one Idempotency-Key are answered with one task, and made only one."""
    tasks: dict[str, set[str]] = defaultdict(set)
    for event in evidence.of(Submitted):
        if event.task_id is not None:
            tasks[event.key].add(event.task_id)
    for task in evidence.records.values():
        tasks[task.labels.get("key", task.task_id)].add(task.task_id)
    for key, made in tasks.items():
        if len(made) > 1:
            yield Violation("doubled", f"key {key} made tasks {', '.join(sorted(made))}")


def an_end_is_final(evidence: Evidence) -> Iterator[Violation]:
    """All readers, and the record at the end, agree on one end: its status and its version."""
    ends: dict[str, set[tuple[TaskStatus, int]]] = defaultdict(set)
    for seen in evidence.of(Seen):
        if seen.status.is_terminal:
            ends[seen.task_id].add((seen.status, seen.version))
    for task in evidence.records.values():
        if ends[task.task_id]:
            ends[task.task_id].add((task.status, task.version))
    for task_id, found in ends.items():
        if len(found) > 1:
            told = ", ".join(f"{status} v{version}" for status, version in sorted(found))
            yield Violation("doubled", f"{task_id} ended more than once: {told}")


def a_cancel_that_was_answered_holds(evidence: Evidence) -> Iterator[Violation]:
    for event in evidence.of(Cancelled):
        task = evidence.records.get(event.task_id)
        if event.result == "ok" and task and task.status is not TaskStatus.CANCELLED:
            yield Violation("doubled", f"{event.task_id} was cancelled and is {task.status}")


def a_job_runs_once_in_a_life(evidence: Evidence) -> Iterator[Violation]:
    """A service starts a job at most once, however often it is posted. A service that was
    restarted has forgotten the job, and may start it again."""
    started: set[tuple[str, str]] = set()
    for run in evidence.runs:
        if run.what == "started":
            if (run.life, run.job_id) in started:
                yield Violation("doubled", f"{run.task_id}: job {run.job_id} ran twice")
            started.add((run.life, run.job_id))


def runs_are_attempts(evidence: Evidence) -> Iterator[Violation]:
    """Every run is the job of an attempt that the record has counted."""
    for run in evidence.runs:
        task = evidence.records.get(run.task_id)
        if task is None or not 1 <= run.attempt <= task.attempt:
            counted = "no record" if task is None else f"{task.attempt} attempts"
            yield Violation("doubled", f"{run.task_id}: ran as {run.attempt}, with {counted}")
        elif run.job_id != job_id_for(run.task_id, run.attempt):
            yield Violation("doubled", f"{run.task_id}: ran as the unknown job {run.job_id}")


def runs_of_a_task_do_not_overlap(evidence: Evidence) -> Iterator[Violation]:
    """A new attempt joins the job that runs; only one engine works on a task at a time."""
    running: dict[tuple[str, str], str] = {}
    for run in evidence.runs:
        place = run.life, run.task_id
        if run.what != "started":
            running.pop(place, None)
        elif place in running:
            yield Violation("doubled", f"{run.task_id}: run {run.run} began during another")
        else:
            running[place] = run.run


def results_are_one_runs_own(evidence: Evidence) -> Iterator[Violation]:
    """A result's bytes are those of one run of the job in its record, whole, and everybody who
    ever read them got the same."""
    made: dict[str, set[str]] = defaultdict(set)
    for run in evidence.runs:
        if run.sha256 is not None:
            made[run.job_id].add(run.sha256)
    read: dict[str, set[str]] = defaultdict(set)
    for fetched in evidence.of(Fetched):
        read[fetched.task_id].add(fetched.sha256)
    for task in completed(evidence):
        final = evidence.results.get(result_key(task))
        if final is not None and final not in made[task.api_job_id or ""]:
            yield Violation("doubled", f"{task.task_id}: not what job {task.api_job_id} made")
        if final is not None and read[task.task_id] - {final}:
            yield Violation("doubled", f"{task.task_id}: its result has changed")


# --- Other promises -----------------------------------------------------------------------


def valid_requests_are_accepted(evidence: Evidence) -> Iterator[Violation]:
    """Or answered 503, or not at all: never told that they are wrong."""
    asked: list[Submitted | Cancelled] = [*evidence.of(Submitted), *evidence.of(Cancelled)]
    for event in asked:
        if event.result == "fail" and event.status != 409:
            yield Violation("wrong", f"a valid request was answered {event.status}: {event}")


def reads_are_answered(evidence: Evidence) -> Iterator[Violation]:
    """An accepted task is found, and so is the result of a completed one, from the first read."""
    for event in evidence.of(Refused):
        yield Violation("wrong", f"a read of {event.task_id} was answered {event.status}")


def records_move_forward(evidence: Evidence) -> Iterator[Violation]:
    """A read that was asked for after another was answered never tells of an older record."""
    newest: dict[str, int] = defaultdict(int)
    answered = sorted(evidence.of(Seen), key=lambda seen: seen.at)
    told = iter(answered)
    upcoming = next(told, None)
    for seen in sorted(answered, key=lambda seen: seen.asked_at):
        while upcoming is not None and upcoming.at < seen.asked_at:
            newest[upcoming.task_id] = max(newest[upcoming.task_id], upcoming.version)
            upcoming = next(told, None)
        if seen.version < newest[seen.task_id]:
            yield Violation(
                "wrong",
                f"{seen.task_id}: {seen.reader} was told v{seen.version} "
                f"after v{newest[seen.task_id]}",
            )


def failures_are_worn_out(evidence: Evidence) -> Iterator[Violation]:
    """The engine never refuses a task: one fails only when all its attempts were cut short."""
    for task in evidence.records.values():
        if task.failure is not None and (
            task.failure.code not in _WORN_OUT or task.attempt < MAX_ATTEMPTS
        ):
            yield Violation("wrong", f"{task.task_id} failed in {task.attempt}: {task.failure}")


def queues_are_empty(evidence: Evidence) -> Iterator[Violation]:
    """No message is left, and no dead letter of a task that has not ended."""
    for queue, number in evidence.waiting.items():
        if number:
            yield Violation("wrong", f"{queue} still has {number} messages")
    for task_id in evidence.letters:
        task = evidence.records.get(task_id)
        if task is None or not task.status.is_terminal:
            yield Violation("wrong", f"{task_id} lies among the dead letters, and has not ended")


def processes_stop_when_asked(evidence: Evidence) -> Iterator[Violation]:
    """On SIGTERM, within their drain and with exit code 0, whatever is broken around them."""
    for event in evidence.of(Misbehaved):
        yield Violation("wrong", f"{event.member} {event.how}")


# --- Recovery -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recovery:
    held: Held
    seconds: float


def recoveries(evidence: Evidence) -> list[Recovery]:
    """How long each task that a victim held was in nobody's hands.

    From the blow, or, where an API service was hit, from when it is up again, until the task's
    next attempt, the next run of its job, or its end. Only where nothing else was broken
    meanwhile or shortly before: outages add up, and what they cost is their own. One that takes
    too long is too long, whatever happens after that.
    """
    faults = {fault.number: fault for fault in evidence.of(Injected)}
    found = []
    for held in evidence.of(Held):
        own = faults[held.fault]
        since = own.until if held.by == "service" else held.at
        until = _taken_up(held, evidence)
        in_time = min(until, since + evidence.recovery_limit)
        if held.attempt <= _TIMELY_ATTEMPTS and not _disturbed(held, in_time, faults.values()):
            found.append(Recovery(held, max(until - since, 0.0)))
    return found


def recovery_is_timely(evidence: Evidence) -> Iterator[Violation]:
    """Within the lease and five seconds."""
    for recovery in recoveries(evidence):
        if recovery.seconds > evidence.recovery_limit:
            held = recovery.held
            yield Violation(
                "slow", f"{held.task_id}, attempt {held.attempt}: {recovery.seconds:.1f} s"
            )


def _taken_up(held: Held, evidence: Evidence) -> float:
    """When, by the records seen and the engines' log; infinity when it is not known."""
    seen = [seen for seen in evidence.of(Seen) if seen.task_id == held.task_id]
    next_attempts = [each.started_at for each in seen if each.attempt > held.attempt]
    ends = [each.ended_at for each in seen if each.status.is_terminal]
    runs = [
        run.at
        for run in evidence.runs
        if held.by == "service"
        and (run.task_id, run.what) == (held.task_id, "started")
        and run.at > held.at
    ]
    times = [at for at in itertools.chain(next_attempts, ends, runs) if at is not None]
    return min((at for at in times if at >= held.at), default=math.inf)


def _disturbed(held: Held, until: float, faults: Iterable[Injected]) -> bool:
    return any(
        fault.disturbs
        and fault.number != held.fault
        and fault.at < until
        and fault.until + _AFTERMATH_SECONDS > held.at
        for fault in faults
    )


# --- Parts of several rules ---------------------------------------------------------------


def completed(evidence: Evidence) -> Iterator[Task]:
    return (task for task in evidence.records.values() if task.status is TaskStatus.COMPLETED)


def result_key(task: Task) -> str:
    return (task.outcome and task.outcome.result_key) or ""


RULES: Sequence[Callable[[Evidence], Iterator[Violation]]] = (
    every_task_ends,
    results_can_be_read,
    one_key_one_task,
    an_end_is_final,
    a_cancel_that_was_answered_holds,
    a_job_runs_once_in_a_life,
    runs_are_attempts,
    runs_of_a_task_do_not_overlap,
    results_are_one_runs_own,
    valid_requests_are_accepted,
    reads_are_answered,
    records_move_forward,
    failures_are_worn_out,
    queues_are_empty,
    processes_stop_when_asked,
    recovery_is_timely,
)
