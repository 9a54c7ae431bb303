"""Where a task's time went: waiting is queue time wherever it happens, and nothing is hidden."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.attempts import PREPARING, WAITING
from short_drama.domain.errors import EngineFailed
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.record import record_of, task_of
from short_drama.domain.task import Task
from short_drama.domain.timings import Timings, timings_of
from tests.samples import NOW, a_task

LEASE = 60.0
FAILURE = Failure.of(EngineFailed("out of memory"))


def claimed(task: Task | None = None, *, at: float, worker: str = "alice") -> Task:
    return (task or a_task()).claim(worker, now=NOW + at, lease=LEASE)


def beat(task: Task, *, at: float, stage: str, waited: float | None = None) -> Task:
    return task.heartbeat(
        task.lease_owner or "", task.attempt, now=NOW + at, lease=LEASE, stage=stage, waited=waited
    )


def completed(task: Task, *, at: float, waited: float, engine: float | None) -> Task:
    worker, attempt = task.lease_owner or "", task.attempt
    heard = task.last_heard(worker, attempt, api_job_id=None, waited=waited)
    return heard.complete(worker, attempt, Outcome(engine_seconds=engine), now=NOW + at)


def test_the_last_of_eight_on_an_engine_of_ten_seconds() -> None:
    task = completed(claimed(at=0.1), at=80.15, waited=70.0, engine=10.0)
    assert replace(timings_of(task), stages=None) == Timings(
        stages=None,
        queued_seconds=70.0,
        running_seconds=10.15,
        engine_seconds=10.0,
        total_seconds=80.15,
        overhead_seconds=0.15,
    )


def test_the_time_until_a_claim_is_waiting() -> None:
    assert claimed(at=5.0).waited == 5.0
    assert timings_of(claimed(at=5.0)).queued_seconds == 5.0
    assert timings_of(a_task()).queued_seconds is None


def test_a_claim_that_is_repeated_adds_nothing() -> None:
    assert claimed(claimed(at=5.0), at=9.0).waited == 5.0


def test_what_a_failed_attempt_took_is_overhead_and_what_is_waited_anew_is_not() -> None:
    first = beat(claimed(at=1.0), at=4.0, stage="running", waited=3.0)
    heard = first.last_heard("alice", 1, api_job_id=None, waited=3.0)
    given_back = heard.give_back("alice", 1, now=NOW + 10.0)  # 7 s of work for nothing
    again = claimed(given_back, at=30.0, worker="bob")
    assert again.waited == 23.0
    done = completed(again, at=45.5, waited=28.0, engine=10.0)
    timings = timings_of(done)
    assert (timings.queued_seconds, timings.running_seconds) == (28.0, 17.5)
    assert timings.overhead_seconds == 7.5


def test_what_waited_where_its_worker_died_has_waited_until_it_was_claimed_again() -> None:
    queued = beat(claimed(at=1.0), at=20.0, stage=WAITING, waited=20.0)
    assert claimed(queued, at=90.0, worker="bob").waited == 90.0
    orphan = queued.orphaned(now=NOW + 30.0)
    assert orphan.waited == 30.0
    assert claimed(orphan, at=33.0, worker="bob").waited == 33.0


@pytest.mark.parametrize("stage", ["running", PREPARING])
def test_what_a_dead_worker_was_at_work_on_did_not_wait(stage: str) -> None:
    held = beat(claimed(at=1.0), at=20.0, stage=stage, waited=4.0)
    assert claimed(held, at=90.0, worker="bob").waited == 4.0


def test_a_task_that_is_cancelled_while_it_waits_has_only_waited() -> None:
    in_the_queue = a_task().cancel(now=NOW + 8.0)
    in_a_service = beat(claimed(at=1.0), at=5.0, stage=WAITING, waited=5.0).cancel(now=NOW + 8.0)
    for task in (in_the_queue, in_a_service):
        assert (timings_of(task).queued_seconds, timings_of(task).running_seconds) == (8.0, 0.0)


def test_what_is_not_told_at_the_end_is_as_it_was_told_last() -> None:
    held = beat(claimed(at=1.0), at=4.0, stage="running", waited=3.0)
    assert held.fail("alice", 1, FAILURE, now=NOW + 9.0).waited == 3.0


def test_an_engine_that_worked_while_nobody_heard_of_it_was_not_waited_for() -> None:
    """A service that dies leaves its prompt running, and the record says that the task waits."""
    done = completed(claimed(at=0.0), at=30.0, waited=29.0, engine=10.0)
    timings = timings_of(done)
    assert (timings.queued_seconds, timings.overhead_seconds) == (20.0, 0.0)


def test_clocks_that_differ_make_no_negative_times() -> None:
    task = claimed(at=-2.0)
    assert task.waited == 0.0
    timings = timings_of(completed(task, at=-1.0, waited=0.0, engine=0.5))
    assert (timings.total_seconds, timings.queued_seconds) == (0.0, 0.0)


def test_a_record_of_an_earlier_version_tells_what_it_knows() -> None:
    done = completed(claimed(at=0.2), at=163.4, waited=0.2, engine=10.6)
    record = record_of(done)
    del record["waited"]
    timings = timings_of(task_of(record))
    assert (timings.queued_seconds, timings.running_seconds) == (0.2, 163.2)
    pending = record_of(a_task())
    assert timings_of(task_of(pending)).queued_seconds is None
    held = record_of(claimed(at=0.2))
    del held["waited"]
    assert task_of(held).cancel(now=NOW + 9).waited == pytest.approx(0.2)


SECONDS = st.floats(0, 1e4)


@given(SECONDS, SECONDS, st.none() | SECONDS)
def test_queued_and_running_are_all_the_time_there_was(
    total: float, waited: float, engine: float | None
) -> None:
    timings = timings_of(completed(claimed(at=0.0), at=total, waited=waited, engine=engine))
    assert timings.total_seconds is not None
    assert timings.queued_seconds is not None
    assert timings.running_seconds is not None
    parts = timings.queued_seconds + timings.running_seconds
    assert parts == pytest.approx(timings.total_seconds, abs=2e-4)
    assert min(timings.queued_seconds, timings.running_seconds) >= 0
    if engine is not None and engine <= total:
        assert timings.overhead_seconds is not None
        assert timings.overhead_seconds >= -1e-4
