"""How long an engine works and idles, on a clock of the test's own."""

from short_drama.jobs.engine_time import EngineTime
from short_drama.jobs.job import Job
from tests.figures import counted


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def engine(service: str) -> tuple[Clock, EngineTime]:
    clock = Clock()
    return clock, EngineTime(service, clock)


def job(clock: Clock) -> Job:
    return Job(None, "job-1", 1, clock=clock)  # type: ignore[arg-type]


def busy(service: str) -> float:
    return counted("engine_busy_seconds_total", service=service)


def gaps(service: str) -> tuple[float, float]:
    """How many, and their seconds."""
    names = (f"engine_idle_gap_seconds_{part}" for part in ("count", "sum"))
    count, seconds = (counted(name, service=service) for name in names)
    return count, seconds


def test_jobs_at_the_same_time_count_once() -> None:
    clock, time = engine("at-once")
    with time.working(job(clock)):
        clock.now = 1
        with time.working(job(clock)):
            seen = [time.busy]
            clock.now = 3
        clock.now = 4
    assert [*seen, time.busy] == [True, False]
    assert busy("at-once") == 4


def test_a_long_job_counts_while_it_runs() -> None:
    clock, time = engine("long")
    with time.working(job(clock)):
        clock.now = 100
        time.count()
        assert busy("long") == 100
        clock.now = 130
    time.count()
    assert busy("long") == 130


def test_only_a_gap_in_which_a_job_was_there_is_measured() -> None:
    clock, time = engine("gaps")
    first, second = job(clock), job(clock)
    with time.working(first):
        clock.now = 5
    clock.now = 7
    with time.working(second):  # it was there when the first one ended
        clock.now = 10
    assert gaps("gaps") == (2, 2)  # the first one found an engine that had just been made
    clock.now = 60
    with time.working(job(clock)):  # it came to an engine at rest
        clock.now = 61
    assert gaps("gaps") == (2, 2)
