"""The checker finds nothing in a good history, and in each bad one what is wrong with it."""

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from short_drama.domain.attempts import MAX_ATTEMPTS, job_id_for
from short_drama.domain.errors import AttemptsExhausted, DeadLetter, EngineFailed, Unavailable
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from tests.chaos import checker
from tests.chaos.checker import RULES, Evidence, Violation, check, recoveries
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

COMPLETED, CANCELLED, FAILED = TaskStatus.COMPLETED, TaskStatus.CANCELLED, TaskStatus.FAILED
PENDING, PROCESSING = TaskStatus.PENDING, TaskStatus.PROCESSING

# One task that was completed in its second attempt, after its first worker was killed at 10.
DONE, DROPPED = "task-done", "task-dropped"
JOB = job_id_for(DONE, 2)
KEY = f"images/chaos/{JOB}.png"


def record(task_id: str = DONE, **changes: Any) -> Task:
    task = Task(
        task_id=task_id,
        kind="camera-angle",
        lane=Lane.GPU,
        owner="local",
        request={},
        request_hash="",
        created_at=5.0,
        updated_at=20.0,
        labels={"key": f"key of {task_id}"},
        status=COMPLETED,
        version=9,
        attempt=2,
        api_job_id=JOB,
        outcome=Outcome(result_key=KEY),
    )
    return replace(task, **changes)


def dropped(**changes: Any) -> Task:
    """The other task: cancelled before it started."""
    bare = {"status": CANCELLED, "version": 2, "attempt": 0, "api_job_id": None, "outcome": None}
    return record(DROPPED, **{**bare, **changes})


def seen(at: float, status: TaskStatus = COMPLETED, version: int = 9, **changes: Any) -> Seen:
    found = Seen(
        asked_at=at - 0.1,
        at=at,
        reader="a client",
        task_id=DONE,
        status=status,
        version=version,
        attempt=2,
        started_at=17.0,
        ended_at=20.0 if status.is_terminal else None,
    )
    return replace(found, **changes)


def ran(what: Any, at: float, *, attempt: int = 2, **changes: Any) -> Run:
    run = Run(
        at=at,
        what=what,
        life="life 1",
        run=f"run {attempt}",
        task_id=DONE,
        attempt=attempt,
        job_id=job_id_for(DONE, attempt),
        sha256=f"bytes of {attempt}" if what == "made" else None,
    )
    return replace(run, **changes)


KILL = Injected(number=1, kind="kill", target="gpu-adapter-1", at=10.0, until=12.0, disturbs=True)
HELD = Held(at=10.0, fault=1, by="adapter", task_id=DONE, attempt=1)
CANCEL = Cancelled(at=6.0, task_id=DROPPED, result="ok")

GOOD_EVENTS: list[Event] = [
    Submitted(at=4.0, key=f"key of {DONE}", result="invoke"),
    Submitted(at=4.5, key=f"key of {DONE}", result="info"),
    Submitted(at=5.0, key=f"key of {DONE}", result="ok", task_id=DONE),
    Submitted(at=5.0, key=f"key of {DROPPED}", result="ok", task_id=DROPPED),
    CANCEL,
    Cancelled(at=21.0, task_id=DONE, result="fail", status=409),
    seen(6.0, PENDING, 1, attempt=0, started_at=None),
    seen(9.0, PROCESSING, 3, attempt=1, started_at=8.0),
    HELD,
    KILL,
    seen(17.5, PROCESSING, 6),
    seen(20.1),
    seen(20.2),
    Fetched(at=20.5, task_id=DONE, sha256="bytes of 2"),
]
GOOD_RUNS = [
    ran("started", 8.5, attempt=1),
    ran("stopped", 16.0, attempt=1),
    ran("started", 17.2),
    ran("made", 19.0),
]
GOOD = Evidence(
    events=GOOD_EVENTS,
    runs=GOOD_RUNS,
    records={DONE: record(), DROPPED: dropped()},
    results={KEY: "bytes of 2"},
    waiting={"gpu_tasks_queue": 0},
    letters=[],
    lease=6.0,
)


def with_events(*events: Event) -> Evidence:
    return replace(GOOD, events=[*GOOD_EVENTS, *events])


def with_runs(*runs: Run) -> Evidence:
    return replace(GOOD, runs=[*GOOD_RUNS, *runs])


def with_records(*tasks: Task) -> Evidence:
    return replace(GOOD, records={**GOOD.records, **{task.task_id: task for task in tasks}})


def without(*kinds: type[Event]) -> list[Event]:
    return [event for event in GOOD_EVENTS if not isinstance(event, kinds)]


def failure(error: Any) -> Failure:
    return Failure.of(error("..."))


def failed(code: Any, attempt: int) -> Task:
    return dropped(status=FAILED, attempt=attempt, failure=failure(code))


def slow(started_at: float, *events: Event) -> Evidence:
    """The second attempt started at `started_at`, and took no time."""
    late = seen(started_at + 0.1, version=9, started_at=started_at, ended_at=started_at)
    return replace(GOOD, events=[*without(Seen), late, *events])


NO_LONGER_CANCELLED = dropped(status=COMPLETED, outcome=Outcome(result_key=KEY), api_job_id=JOB)

BAD: list[tuple[Callable[..., Any], str, str, Evidence]] = [
    (checker.every_task_ends, "lost", "accepted and has no record",
     with_events(Submitted(at=9.0, key="another", result="ok", task_id="gone"))),
    (checker.every_task_ends, "lost", "still processing", with_records(dropped(status=PROCESSING))),
    (checker.results_can_be_read, "lost", "its result is gone", replace(GOOD, results={})),
    (checker.results_can_be_read, "lost", "its result is gone",
     with_records(record(outcome=None))),
    (checker.one_key_one_task, "doubled", "key of task-done made tasks",
     with_events(Submitted(at=9.0, key=f"key of {DONE}", result="ok", task_id=DROPPED))),
    (checker.one_key_one_task, "doubled", "key of task-done made tasks",
     with_records(dropped(labels={"key": f"key of {DONE}"}))),
    (checker.an_end_is_final, "doubled", "ended more than once: completed v9, failed v8",
     with_events(seen(18.0, FAILED, 8))),
    (checker.an_end_is_final, "doubled", "ended more than once: completed v9, completed v10",
     with_records(record(version=10))),
    (checker.an_end_is_final, "doubled", "ended more than once",
     with_records(record(status=PROCESSING, version=10))),
    (checker.a_cancel_that_was_answered_holds, "doubled", "was cancelled and is completed",
     with_records(NO_LONGER_CANCELLED)),
    (checker.a_job_runs_once_in_a_life, "doubled", "ran twice", with_runs(ran("started", 19.5))),
    (checker.runs_are_attempts, "doubled", "ran as 3, with 2 attempts",
     with_runs(ran("started", 19.5, attempt=3))),
    (checker.runs_are_attempts, "doubled", "ran as 1, with no record",
     with_runs(ran("started", 19.5, attempt=1, task_id="gone"))),
    (checker.runs_are_attempts, "doubled", "unknown job",
     with_runs(ran("started", 19.5, job_id="made up"))),
    (checker.runs_of_a_task_do_not_overlap, "doubled", "began during another",
     replace(GOOD, runs=[run for run in GOOD_RUNS if run.what != "stopped"])),
    (checker.results_are_one_runs_own, "doubled", "not what job",
     replace(GOOD, results={KEY: "bytes of 1"}, events=without(Fetched))),
    (checker.results_are_one_runs_own, "doubled", "its result has changed",
     with_events(Fetched(at=20.6, task_id=DONE, sha256="bytes of 1"))),
    (checker.valid_requests_are_accepted, "wrong", "answered 422",
     with_events(Submitted(at=9.0, key="another", result="fail", status=422))),
    (checker.valid_requests_are_accepted, "wrong", "answered 500",
     with_events(Cancelled(at=9.0, task_id=DONE, result="fail", status=500))),
    (checker.reads_are_answered, "wrong", "answered 404",
     with_events(Refused(at=9.0, task_id=DONE, status=404))),
    (checker.records_move_forward, "wrong", "was told v6 after v9",
     with_events(seen(22.0, PROCESSING, 6))),
    (checker.failures_are_worn_out, "wrong", "failed in 4",
     with_records(failed(EngineFailed, MAX_ATTEMPTS))),
    (checker.failures_are_worn_out, "wrong", "failed in 4",
     with_records(failed(DeadLetter, MAX_ATTEMPTS))),
    (checker.failures_are_worn_out, "wrong", "failed in 3",
     with_records(failed(Unavailable, MAX_ATTEMPTS - 1))),
    (checker.queues_are_empty, "wrong", "still has 1 messages",
     replace(GOOD, waiting={"gpu_tasks_queue": 1})),
    (checker.queues_are_empty, "wrong", "dead letters", replace(GOOD, letters=["gone"])),
    (checker.processes_stop_when_asked, "wrong", "cpu-adapter did not end",
     with_events(Misbehaved(at=9.0, member="cpu-adapter", how="did not end"))),
    (checker.recovery_is_timely, "slow", "attempt 1: 11.5 s", slow(21.5)),
]  # fmt: skip


def test_a_good_history_has_no_violation() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize(
    ("rule", "kind", "what", "bad"),
    BAD,
    ids=[f"{number}-{case[0].__name__}" for number, case in enumerate(BAD)],
)
def test_a_rule_finds_what_is_wrong(
    rule: Callable[[Evidence], Any], kind: str, what: str, bad: Evidence
) -> None:
    found: list[Violation] = list(rule(bad))
    assert [violation.kind for violation in found] == [kind]
    assert what in found[0].what
    assert found[0] in check(bad)


def test_every_rule_has_a_bad_history() -> None:
    assert {rule.__name__ for rule in RULES} == {case[0].__name__ for case in BAD}


def test_no_rule_is_left_out() -> None:
    rules = {
        function
        for _, function in inspect.getmembers(checker, inspect.isfunction)
        if inspect.signature(function).return_annotation == Iterator[Violation]
    }
    assert rules == set(RULES)


@pytest.mark.parametrize(
    "harmless",
    [
        with_records(failed(Unavailable, MAX_ATTEMPTS), record()),
        with_records(failed(AttemptsExhausted, MAX_ATTEMPTS), record()),
        with_runs(ran("started", 19.5, life="life 2"), ran("made", 19.9, life="life 2")),
        replace(GOOD, letters=[DROPPED]),
        with_events(Cancelled(at=9.0, task_id=DONE, result="info", status=503)),
        # Asked before, answered after, what an overtaken long poll tells is old and no lie.
        with_events(seen(22.0, PROCESSING, 6, asked_at=19.0)),
    ],
    ids=["worn-out", "exhausted", "restarted-service", "letter-of-ended", "unsure", "overlapping"],
)
def test_what_chaos_may_cause_is_no_violation(harmless: Evidence) -> None:
    unanswered = [event for event in harmless.events if event != CANCEL]
    assert check(replace(harmless, events=unanswered)) == []


# --- Recovery -----------------------------------------------------------------------------


def test_recovery_counts_from_the_blow_to_the_next_attempt() -> None:
    [recovery] = recoveries(GOOD)
    assert (recovery.held, recovery.seconds) == (HELD, 7.0)


def test_an_end_is_a_recovery_too() -> None:
    ended = seen(12.1, CANCELLED, 4, attempt=1, started_at=8.0, ended_at=12.0)
    [recovery] = recoveries(replace(GOOD, events=[HELD, KILL, ended]))
    assert recovery.seconds == 2.0


def test_a_task_of_which_nothing_more_is_known_has_not_recovered() -> None:
    [recovery] = recoveries(replace(GOOD, events=[HELD, KILL]))
    assert recovery.seconds == math.inf


def test_what_happens_when_it_is_too_late_is_no_excuse() -> None:
    outage = replace(KILL, number=2, at=21.2, until=23.0)
    [violation] = checker.recovery_is_timely(slow(24.0, outage))
    assert "14.0 s" in violation.what


def test_a_services_tasks_recover_from_when_it_is_up_again() -> None:
    events: list[Event] = [replace(HELD, by="service"), KILL]
    [recovery] = recoveries(replace(GOOD, events=events))
    assert recovery.seconds == pytest.approx(17.2 - 12.0)  # the job's next run


@pytest.mark.parametrize(
    ("at", "until", "disturbs", "counted"),
    [
        (11.0, 12.0, True, 0),
        (4.0, 6.0, True, 0),  # its aftermath reaches the blow
        (16.9, 30.0, True, 0),
        (11.0, 12.0, False, 1),
        (3.0, 4.0, True, 1),
        (17.5, 18.0, True, 1),
    ],
)
def test_only_undisturbed_recoveries_count(
    at: float, until: float, disturbs: bool, counted: int
) -> None:
    other = replace(KILL, number=2, at=at, until=until, disturbs=disturbs)
    assert len(recoveries(with_events(other))) == counted


def test_a_late_attempt_may_take_longer() -> None:
    backed_off = replace(HELD, attempt=4)
    events: list[Event] = [backed_off, KILL, seen(40.0, PROCESSING, 6, attempt=5, started_at=39.0)]
    assert list(checker.recovery_is_timely(replace(GOOD, events=events))) == []
