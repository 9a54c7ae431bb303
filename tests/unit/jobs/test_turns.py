"""Whose job is next: one of the owner who has the least in the engine."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from short_drama.comfyui_api.turns import SwapAware
from short_drama.domain.kinds import KINDS
from short_drama.jobs.job import Job, JobOrder
from short_drama.jobs.turns import FirstCome, Turns
from tests.holding import Holding, settled

KIND = "camera-angle"


def job(name: str) -> Job:
    """Of the owner whose letter its name begins with."""
    request = KINDS[KIND].request.model_construct()
    return Job(JobOrder(kind=KIND, request=request, key=name, created_at=0.0, owner=name[0]), name)


async def served(turns: Turns, names: Sequence[str], *, places: int) -> tuple[list[str], list[str]]:
    """The order in which jobs that came together were called, and the one that was foretold."""
    holding = {name: Holding(turns.turn(job(name))) for name in names}
    await settled()
    called = [name for name in names if holding[name].begun]
    assert len(called) == min(places, len(names))
    told = [one.job_id for one in turns.order(lambda _: 1.0, free_in=1.0)]
    for number in range(len(names)):
        holding[called[number]].end()
        await settled()
        called += [name for name in names if holding[name].begun and name not in called]
    await asyncio.gather(*(one.task for one in holding.values()))
    return called, called[:places] + told


async def test_a_newcomer_goes_before_those_who_have_more() -> None:
    called, _ = await served(FirstCome(1), ["a0", "a1", "a2", "b0", "b1", "c0"], places=1)
    assert called == ["a0", "b0", "c0", "a1", "b1", "a2"]


async def test_the_same_with_models_to_spare() -> None:
    turns = SwapAware({KIND: "a"}, bound=10.0, places=1)
    called, _ = await served(turns, ["a0", "a1", "a2", "b0", "b1", "c0"], places=1)
    assert called == ["a0", "b0", "c0", "a1", "b1", "a2"]


async def test_nobody_takes_all_places_while_another_waits() -> None:
    called, _ = await served(FirstCome(2), ["a0", "a1", "a2", "a3", "b0", "b1"], places=2)
    assert called == ["a0", "a1", "b0", "a2", "b1", "a3"]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.integers(1, 3))
async def test_all_are_called_in_the_order_that_was_foretold(
    owners: list[str], places: int
) -> None:
    names = [f"{owner}{number}" for number, owner in enumerate(owners)]
    called, told = await served(FirstCome(places), names, places=places)
    assert called == told
    assert sorted(called) == sorted(names)
    for owner in "abc":
        own = [name for name in called if name[0] == owner]
        assert own == sorted(own, key=lambda name: int(name[1:]))


async def test_who_stops_waiting_is_not_called() -> None:
    turns = FirstCome(1)
    first, second, third = (Holding(turns.turn(job(name))) for name in ("a0", "a1", "a2"))
    await settled()
    second.task.cancel()
    first.end()
    await settled()
    assert third.begun
    assert not second.begun
    third.end()
    await asyncio.gather(first.task, third.task)
