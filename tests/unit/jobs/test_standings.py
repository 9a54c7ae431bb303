"""Who waits behind how many, and for how long: arithmetic, on a clock that stands still."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from short_drama.domain.attempts import PREPARING
from short_drama.domain.kinds import KINDS
from short_drama.jobs.job import Job, JobOrder, Work
from short_drama.jobs.standings import Pace, Standing, Standings
from short_drama.jobs.turns import Seconds
from tests.samples import NOW

ANGLE, EDIT = "camera-angle", "qwen-image-edit"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class GivenOrder:
    """Turns that are taken in the order that a test says."""

    def __init__(self, at_once: int = 1) -> None:
        self.at_once, self.waiting, self.free_in = at_once, list[Job](), 0.0

    def turn(self, job: Job) -> Any:
        raise NotImplementedError

    def order(self, seconds: Seconds, *, free_in: float) -> Sequence[Job]:
        self.free_in = free_in
        return self.waiting


class SharedWork:
    """Others' jobs wait in its engine: so many before each of ours, by key."""

    def __init__(self, **others: int) -> None:
        self.others = others

    def others_before(self, job: Job) -> int:
        return self.others[job.order.key]


class Stage:
    """A service with a job for each kind, in order; keys are their numbers, from `a`."""

    def __init__(self, kinds: Sequence[str], *, at_once: int = 1, **others: int) -> None:
        self.clock, self.turns = Clock(), GivenOrder(at_once)
        self.jobs: dict[str, Job] = {}
        for key, kind in zip("abcdefghij", kinds, strict=False):
            request = KINDS[kind].request.model_construct()
            order = JobOrder(kind=kind, request=request, key=key, created_at=NOW)
            self.jobs[key] = Job(order, key, clock=self.clock)
        shared = cast("Work[Any, Any]", SharedWork(**others))
        works = dict.fromkeys(kinds, shared) if others else {}
        self.standings = Standings(self.jobs.values(), self.turns, works)

    def begin(self, *keys: str) -> None:
        self.call(*keys)
        for key in keys:
            self.jobs[key].report(stage="running")

    def call(self, *keys: str) -> None:
        for key in keys:
            self.standings.called(self.jobs[key])

    def told(self) -> dict[str, tuple[int, float | None]]:
        places = {key: self.standings.of(job) for key, job in self.jobs.items()}
        return {key: (place.position, place.eta) for key, place in places.items() if place}


def test_without_a_measured_job_there_are_places_and_no_times() -> None:
    stage = Stage([ANGLE, ANGLE])
    assert stage.told() == {"a": (1, None), "b": (2, None)}


def test_each_waits_for_what_is_before_it_and_for_what_is_left_of_what_runs() -> None:
    stage = Stage([ANGLE, ANGLE, EDIT, ANGLE])
    stage.standings.pace.took(ANGLE, 10.0)
    stage.standings.pace.took(EDIT, 4.0)
    stage.begin("a")
    stage.clock.now = 7.0
    assert stage.told() == {"b": (1, 13.0), "c": (2, 17.0), "d": (3, 27.0)}


def test_what_runs_longer_than_usual_is_about_to_end() -> None:
    stage = Stage([ANGLE, ANGLE])
    stage.standings.pace.took(ANGLE, 10.0)
    stage.begin("a")
    stage.clock.now = 99.0
    assert stage.told() == {"b": (1, 10.0)}


def test_in_the_engine_then_in_the_order_of_turns_then_as_they_come() -> None:
    stage = Stage([ANGLE] * 7)
    stage.begin("b")
    stage.call("c")
    stage.turns.waiting = [stage.jobs["f"], stage.jobs["d"]]
    stage.jobs["e"].report(stage=PREPARING)
    order = sorted(stage.told(), key=lambda key: stage.told()[key])
    assert order == ["c", "f", "d", "a", "e", "g"]


def test_turns_are_told_when_the_next_one_comes() -> None:
    stage = Stage([ANGLE, ANGLE])
    stage.standings.pace.took(ANGLE, 10.0)
    stage.begin("a")
    stage.clock.now = 4.0
    stage.told()
    assert stage.turns.free_in == 6.0


def test_several_engines_share_the_standings() -> None:
    stage = Stage([ANGLE] * 5, at_once=2)
    stage.standings.pace.took(ANGLE, 10.0)
    stage.begin("a")
    stage.clock.now = 4.0  # one has 6 s left, the other is about to take the next
    assert [eta for _, eta in stage.told().values()] == [10.0, 16.0, 20.0, 26.0]


def test_what_has_just_left_the_engine_makes_no_second_one() -> None:
    stage = Stage([ANGLE] * 3)
    stage.standings.pace.took(ANGLE, 10.0)
    stage.begin("a")
    stage.clock.now = 10.0  # done, its result is being taken out
    stage.begin("b")
    stage.clock.now = 11.0
    assert stage.told() == {"c": (1, 19.0)}


def test_prompts_of_others_are_waited_for() -> None:
    stage = Stage([ANGLE, ANGLE, ANGLE], a=0, b=20, c=20)
    stage.standings.pace.took(ANGLE, 2.0)
    stage.begin("a")
    assert stage.told() == {"b": (21, 44.0), "c": (22, 46.0)}


def test_who_has_ended_or_begun_has_no_place() -> None:
    stage = Stage([ANGLE] * 3)
    stage.begin("a")
    stage.jobs["b"].status = "cancelled"
    assert list(stage.told()) == ["c"]
    assert stage.standings.of(stage.jobs["a"]) is None
    assert stage.standings.of(stage.jobs["c"]) == Standing(1, None)


async def test_those_whose_place_changes_are_told_once_for_many_changes() -> None:
    stage = Stage([ANGLE] * 3)
    for _ in range(3):
        stage.standings.moved()
    await asyncio.sleep(0)
    assert [job.position for job in stage.jobs.values()] == [1, 2, 3]
    assert {job.version for job in stage.jobs.values()} == {2}
    stage.begin("a")
    stage.standings.moved()
    await asyncio.sleep(0)
    assert [job.position for job in stage.jobs.values()] == [None, 1, 2]


def test_a_pace_is_the_median_of_the_latest() -> None:
    pace = Pace()
    assert pace.seconds(ANGLE) is None
    for seconds in (1.0, 3.0, 100.0):
        pace.took(ANGLE, seconds)
    assert pace.seconds(ANGLE) == pace.seconds(EDIT) == 3.0
    pace.took(EDIT, 5.0)
    assert (pace.seconds(ANGLE), pace.seconds(EDIT)) == (3.0, 5.0)
    for _ in range(30):
        pace.took(ANGLE, 9.0)
    assert pace.seconds(ANGLE) == pytest.approx(9.0)
