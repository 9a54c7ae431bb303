"""What a task's time was spent on, stage by stage: in all attempts, and it adds up."""

from collections.abc import Callable
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.attempts import PREPARING, WAITING
from short_drama.domain.errors import (
    DeadLetter,
    EngineFailed,
    LeaseLost,
    ProviderPaused,
    ShortDramaError,
    Throttled,
)
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.record import record_of, task_of
from short_drama.domain.stage_times import ENGINE, IN_LANE, PUBLISHING
from short_drama.domain.task import Task
from short_drama.domain.timings import Stages, timings_of
from tests.samples import NOW, a_task

LEASE = 60.0
PAUSED = Failure.of(ProviderPaused("the bill is overdue"))
BROKEN = Failure.of(EngineFailed("out of memory"))


def stages(task: Task) -> Stages:
    found = timings_of(task).stages
    assert found is not None
    return found


def claimed(task: Task, at: float) -> Task:
    return task.claim("alice", now=NOW + at, lease=LEASE)


def beat(task: Task, at: float, stage: str, **times: float) -> Task:
    """A heartbeat with what the attempt has been at, on top of what there was at its claim."""
    told = {**(task.stage_times or {}), **times}
    return task.heartbeat(
        "alice", task.attempt, now=NOW + at, lease=LEASE, stage=stage, stage_times=told
    )


def test_a_task_with_some_of_everything() -> None:
    first = beat(claimed(a_task(), 5.0), 8.0, "detecting", preparing=1.0, engine=1.5)
    parked = first.park("alice", 1, PAUSED, now=NOW + 8.0, until=NOW + 60.0)
    second = claimed(parked.sending(now=NOW + 60.0), 62.0)
    given_back = beat(second, 72.0, "generating", in_lane=4.0, engine=7.5)
    given_back = given_back.last_heard("alice", 2, api_job_id=None, waited=None)
    waiting = given_back.give_back("alice", 2, now=NOW + 73.0)
    third = beat(claimed(waiting, 75.0), 95.0, "publishing", engine=27.0, publishing=0.5)
    heard = third.last_heard("alice", 3, api_job_id=None, waited=None)
    done = heard.complete("alice", 3, Outcome(engine_seconds=19.0), now=NOW + 95.25)
    assert stages(done) == Stages(
        queued=5.0,
        waiting=56.0,
        waiting_for={"provider_paused": 54.0, "retry": 2.0},
        preparing=1.0,
        in_lane=4.0,
        engine=27.0,
        publishing=0.5,
        finishing=1.75,
    )
    assert timings_of(done).engine_seconds == 19.0
    assert stages(task_of(record_of(done))) == stages(done)


@pytest.mark.parametrize(
    "end",
    [
        lambda task: task.fail("alice", 1, BROKEN, now=NOW + 12.0),
        lambda task: task.cancel(now=NOW + 12.0),
        lambda task: task.overdue(now=NOW + 12.0),
    ],
)
def test_whatever_became_of_it_its_engine_was_at_work_for_so_long(
    end: Callable[[Task], Task],
) -> None:
    ended = end(beat(claimed(a_task(), 2.0), 10.0, "running", preparing=1.0, engine=5.0))
    assert timings_of(ended).engine_seconds == 7.0  # and the two until its end, as far as we know
    assert stages(ended).finishing == 2.0


def test_what_its_worker_said_at_the_end_is_not_added_to() -> None:
    held = beat(claimed(a_task(), 2.0), 10.0, "running", engine=5.0)
    heard = held.last_heard("alice", 1, api_job_id=None, waited=None, stage_times={"engine": 6.0})
    assert stages(heard.fail("alice", 1, BROKEN, now=NOW + 12.0)).engine == 6.0


def test_of_a_worker_that_died_no_more_than_its_lease_counts() -> None:
    held = beat(claimed(a_task(), 0.0), 10.0, "running", engine=10.0)
    assert stages(claimed_by_bob(held, 500.0)).engine == 70.0
    waits = beat(claimed(a_task(), 0.0), 10.0, WAITING, in_lane=10.0)
    assert stages(claimed_by_bob(waits, 500.0)).in_lane == 500.0


def claimed_by_bob(task: Task, at: float) -> Task:
    return task.claim("bob", now=NOW + at, lease=LEASE)


def test_a_task_that_was_never_claimed_was_only_queued() -> None:
    assert timings_of(a_task()).stages is None
    ended = stages(a_task().cancel(now=NOW + 8.0))
    assert (ended.queued, ended.finishing) == (8.0, 0.0)


def test_what_an_operator_brought_back_lay_there_as_a_dead_letter() -> None:
    letter = Failure.of(DeadLetter("received too often"))
    dead = claimed(a_task(), 1.0).fail("alice", 1, letter, now=NOW + 3.0)
    back = claimed(dead.redrive(now=NOW + 903.0), 905.0)
    done = stages(back.complete("alice", 2, Outcome(engine_seconds=4.0), now=NOW + 910.0))
    assert done.waiting_for == {"dead_letter": 900.0, "retry": 2.0}
    assert (done.engine, done.finishing) == (4.0, 3.0)


def test_a_record_of_an_earlier_version_has_no_stages() -> None:
    done = claimed(a_task(), 1.0).complete("alice", 1, Outcome(), now=NOW + 3.0)
    record = record_of(done)
    del record["stage_times"]
    assert timings_of(task_of(record)).stages is None


Step = tuple[str, float, str, dict[str, float], Failure | None]

STAGES = st.sampled_from([PREPARING, WAITING, "running", "generating", PUBLISHING])
TIMES = st.dictionaries(st.sampled_from([PREPARING, IN_LANE, ENGINE, PUBLISHING]), st.floats(0, 99))
STEPS = st.tuples(
    st.sampled_from(["claim", "beat", "park", "give back", "send", "orphan"]),
    st.floats(-1, 90),
    STAGES,
    TIMES,
    st.sampled_from([None, PAUSED, Failure.of(Throttled("slowly"))]),
)
ENDS = st.sampled_from(["complete", "fail", "cancel"])


def stepped(task: Task, step: Step, now: float) -> Task:
    name, _, stage, times, reason = step
    worker, attempt = task.lease_owner or "", task.attempt
    match name:
        case "claim":
            return task.claim("alice", now=now, lease=LEASE)
        case "beat":
            return task.heartbeat(
                worker, attempt, now=now, lease=LEASE, stage=stage,
                stage_times={**(task.stage_times or {}), **times},
            )  # fmt: skip
        case "park":
            return task.park(worker, attempt, reason, now=now, until=now + 30)
        case "give back":
            return task.give_back(worker, attempt, now=now, refund=True)
        case "send":
            return task.sending(now=now)
        case _:
            return task.orphaned(now=now)


def ended(task: Task, end: str, engine: float | None, now: float) -> Task:
    try:
        if end == "complete":
            outcome = Outcome(engine_seconds=engine)
            return task.complete(task.lease_owner or "", task.attempt, outcome, now=now)
        if end == "fail":
            return task.fail(task.lease_owner or "", task.attempt, BROKEN, now=now)
    except LeaseLost:
        pass
    return task.cancel(now=now)


@given(st.lists(STEPS, max_size=12), ENDS, st.none() | st.floats(0, 200))
def test_the_stages_are_all_the_time_there_was(
    steps: list[Step], end: str, engine: float | None
) -> None:
    task, now = a_task(), NOW
    for step in steps:
        now += step[1]  # clocks differ, so it may go back
        try:
            task = stepped(task, step, now)
        except ShortDramaError:
            continue
    timings = timings_of(ended(task, end, engine, now + 1.5))
    found = timings.stages
    assert found is not None
    assert timings.total_seconds is not None
    assert found.finishing is not None
    parts = [part for part in astuple(found) if isinstance(part, float)]
    assert len(parts) == 7
    assert sum(parts) == pytest.approx(timings.total_seconds, abs=1e-3)
    assert min(parts) >= 0
    assert sum(found.waiting_for.values()) == pytest.approx(found.waiting, abs=1e-3)
