"""Who goes next: the loaded workflow's jobs, within the bound."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.comfyui_api.turns import SwapAware, Waiting, choose
from short_drama.domain.kinds import KINDS
from short_drama.jobs.job import Job, JobOrder
from tests.patience import SOON

ANGLE, EDIT = "camera-angle", "qwen-image-edit"


def job(kind: str, number: int = 0) -> Job:
    request = KINDS[kind].request.model_construct()
    return Job(JobOrder(kind=kind, request=request, key=str(number), created_at=0.0), str(number))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def order(kinds: Sequence[str], *, bound: float, seconds: float = 1.0) -> list[int]:
    """In which order jobs that wait together get their turn, `seconds` each, one at a time."""
    clock, served = Clock(), []
    turns = SwapAware({ANGLE: "a", EDIT: "e"}, bound=bound, places=1, clock=clock)

    async def run(number: int, kind: str) -> None:
        async with turns.turn(job(kind, number)):
            served.append(number)
            clock.now += seconds
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number, kind in enumerate(kinds):
            group.create_task(run(number, kind))
    return served


async def test_jobs_of_the_loaded_workflow_go_first() -> None:
    assert await order([ANGLE, EDIT, ANGLE, EDIT, ANGLE], bound=100) == [0, 2, 4, 1, 3]


async def test_nobody_waits_longer_than_the_bound() -> None:
    # All but the first come when a second has passed.
    assert await order([ANGLE, EDIT, ANGLE, ANGLE, ANGLE], bound=2) == [0, 2, 3, 1, 4]


async def test_without_patience_it_is_first_come_first_served() -> None:
    assert await order([ANGLE, EDIT, ANGLE, EDIT], bound=0) == [0, 1, 2, 3]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 50)), min_size=1, max_size=12),
    st.sampled_from("abcd"),
    st.floats(0, 60),
)
def test_the_choice(given: list[tuple[str, float]], loaded: str, bound: float) -> None:
    given = sorted(given, key=lambda one: one[1])
    waiting = [Waiting(job(ANGLE), loads, since) for loads, since in given]
    chosen = choose(waiting, loaded, now=50.0, bound=bound)
    if 50.0 - waiting[0].since >= bound:
        assert chosen is waiting[0]
    elif any(one.loads == loaded for one in waiting):
        assert chosen is next(one for one in waiting if one.loads == loaded)
    else:
        assert chosen is waiting[0]


async def foreseen(
    kinds: Sequence[str], *, bound: float, seconds: float
) -> tuple[list[int], list[int]]:
    """The order that is foretold while the first job is in the engine, and the one that comes."""
    clock, served, told = Clock(), list[int](), list[int]()
    turns = SwapAware({ANGLE: "a", EDIT: "e"}, bound=bound, places=1, clock=clock)

    async def run(number: int, kind: str) -> None:
        async with turns.turn(job(kind, number)):
            served.append(number)
            await asyncio.sleep(0)
            if number == 0:
                order = turns.order(lambda _: seconds, free_in=seconds)
                told.extend(int(one.order.key) for one in order)
            clock.now += seconds

    async with asyncio.TaskGroup() as group:
        for number, kind in enumerate(kinds):
            group.create_task(run(number, kind))
    return told, served[1:]


@given(st.lists(st.sampled_from([ANGLE, EDIT]), min_size=2, max_size=9), st.floats(0.5, 9))
async def test_the_order_that_is_foretold_is_the_order_that_comes(
    kinds: list[str], bound: float
) -> None:
    told, came = await foreseen(kinds, bound=bound, seconds=1.0)
    assert told == came


async def test_a_place_is_free_again_however_a_turn_ends() -> None:
    turns = SwapAware({ANGLE: "a"}, bound=1.0, places=1)
    with pytest.raises(ValueError, match="broken"):
        async with turns.turn(job(ANGLE)):
            raise ValueError("broken")
    entered = asyncio.Event()

    async def hold() -> None:
        async with turns.turn(job(ANGLE)):
            entered.set()
            await asyncio.sleep(60)

    async def queue() -> None:
        async with turns.turn(job(ANGLE)):
            pytest.fail("its turn never comes")

    holding = asyncio.create_task(hold())
    await entered.wait()
    waiting = asyncio.create_task(queue())
    await asyncio.sleep(0)
    for task in (waiting, holding):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    async with asyncio.timeout(SOON), turns.turn(job(ANGLE)):
        pass


async def test_two_are_in_the_engine_at_a_time() -> None:
    turns, inside = SwapAware({ANGLE: "a"}, bound=1.0), 0
    most = 0

    async def run(number: int) -> None:
        nonlocal inside, most
        async with turns.turn(job(ANGLE, number)):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(run(number) for number in range(6)))
    assert most == 2
