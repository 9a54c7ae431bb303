"""What a job tells of its waiting."""

import pytest

from short_drama.domain.attempts import PREPARING, WAITING
from short_drama.domain.kinds import FaceMaskRequest
from short_drama.jobs.job import Job, JobOrder
from tests.samples import NOW

ORDER = JobOrder(
    kind="face-mask", request=FaceMaskRequest(image_url="asset:k"), key="k", created_at=NOW
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def job(clock: Clock) -> Job:
    return Job(ORDER, "j", clock=clock)


def test_only_what_nothing_computes_for_is_waiting(job: Job, clock: Clock) -> None:
    for stage, seconds in (
        (PREPARING, 1.0),
        (WAITING, 20.0),
        ("running", 300.0),
        (WAITING, 4000.0),
        ("running", 50_000.0),
        ("publishing", 600_000.0),
        ("completed", 7e6),
    ):
        clock.now += 0.5 if stage == PREPARING else 0.0  # it waited before that too
        job.report(stage=stage)
        clock.now += seconds
    assert job.waited == pytest.approx(4020.5)


def test_what_waits_has_waited_until_now(job: Job, clock: Clock) -> None:
    clock.now += 3
    assert (job.waited, job.in_stage) == (3.0, 3.0)
    job.report(progress=0.5)
    clock.now += 1
    assert job.waited == 4.0


def test_an_attempt_that_joins_counts_from_then_on(job: Job, clock: Clock) -> None:
    clock.now += 30
    job.join(1)
    assert job.waited_in_attempt == 30
    job.join(2)
    clock.now += 2
    assert (job.waited, job.waited_in_attempt, job.attempt) == (32, 2, 2)


def test_all_its_time_is_accounted_for(job: Job, clock: Clock) -> None:
    stages = (PREPARING, WAITING, "detecting", "generating", WAITING, "publishing", "failed")
    for stage in stages:
        clock.now += 2.0
        job.report(stage=stage)
    clock.now += 100.0  # it has ended
    times = {"in_lane": 6.0, "preparing": 2.0, "engine": 4.0, "publishing": 2.0}
    assert job.stage_times == times
    job.join(2)
    assert job.stage_times_in_attempt == dict.fromkeys(times, 0.0)


def test_a_job_that_begins_has_no_place_any_more(job: Job) -> None:
    moves: list[str] = []
    job.on_move = lambda: moves.append(job.stage)
    job.move(3)
    job.report(stage=PREPARING)
    assert (job.position, job.has_begun) == (3, False)
    job.report(stage="running")
    assert (job.position, job.has_begun) == (None, True)
    job.report(stage="running", progress=0.5)
    assert moves == [PREPARING, "running"]


def test_only_another_place_is_news(job: Job) -> None:
    job.move(2)
    seen = job.version
    job.move(2)
    assert job.version == seen
    job.move(1)
    assert job.version == seen + 1
