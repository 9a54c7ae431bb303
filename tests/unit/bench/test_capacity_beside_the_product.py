"""Where the queue is known, the simulation ends tasks when the product's own classes do."""

import asyncio
from collections.abc import Mapping
from random import Random

import pytest

from short_drama.comfyui_api.turns import SwapAware
from short_drama.domain.kinds import KINDS
from short_drama.jobs.job import Job, JobOrder
from tests.bench.capacity.fleet import Fleet, Lane
from tests.bench.capacity.load import Arrival
from tests.bench.capacity.machine import Card, Settings
from tests.protocol.virtual_time import EPOCH, run
from tests.protocol.world import world

ANGLE, EDIT = "camera-angle", "qwen-image-edit"
ENGINE = {ANGLE: 3.0, EDIT: 2.0}
SWAP = 7.0


def simulated(arriving: list[Arrival], card: Card, settings: Settings) -> list[float]:
    """When tasks end, in the order of their submits."""
    fleet = Fleet(card=card, settings=settings, always=1, spot_hours=None, crash_hours=None)
    lane = Lane(fleet, Random(1))
    lane.run(arriving, until=7200)
    return [work.ended or 0.0 for work in sorted(lane.ended, key=lambda work: work.submitted)]


# --- Orchestrator, queue, adapter and job runner -------------------------------------------


def queue(seed: int) -> tuple[list[float], list[float]]:
    """When tasks come, and how long each runs: one machine is busy most of the time."""
    chance, at, times = Random(seed), 0.0, list[float]()
    for _ in range(30):
        at += chance.choice([0.2, 0.2, 3.0, 14.0])
        times.append(at)
    return times, [chance.uniform(1.0, 8.0) for _ in times]


async def real(times: list[float], runs: list[float]) -> list[float]:
    seconds: Mapping[str, float] = {}
    async with world(seconds=lambda task_id: seconds[task_id]) as here:
        here.adapter(here.service(), deliveries=2)
        orchestrator, submitted = here.orchestrator(), list[str]()
        for at, ran in zip(times, runs, strict=True):
            await asyncio.sleep(EPOCH + at - here.store._clock())
            task = await orchestrator.submit()
            seconds = {**seconds, task.task_id: ran}
            submitted.append(task.task_id)
        return [(await here.ended(each)).ended_at or 0.0 for each in submitted]


@pytest.mark.parametrize("seed", range(5))
def test_a_known_queue_ends_when_the_real_one_does(seed: int) -> None:
    """Within 0.15 s of 150: a call takes 5 ms there, and a start several."""
    times, runs = queue(seed)
    kinds = [str(number) for number in range(len(times))]
    card = Card(
        seconds={kind: (ran, ran) for kind, ran in zip(kinds, runs, strict=True)},
        loads=dict.fromkeys(kinds, "all"),
    )
    settings = Settings(
        lookahead=2, places=1, prepare=0.04, publish=0.03, gap=0.0, handover=0.0, poll=0.02
    )
    arriving = [Arrival(at, (kind,)) for at, kind in zip(times, kinds, strict=True)]
    ended = [at - EPOCH for at in run(real(times, runs))]
    assert simulated(arriving, card, settings) == pytest.approx(ended, abs=0.15)


# --- Turns in ComfyUI ----------------------------------------------------------------------


async def in_turn(arriving: list[Arrival], *, bound: float, places: int) -> list[float]:
    """When jobs end in an engine that runs one at a time, first come, first served."""
    loop = asyncio.get_running_loop()
    turns = SwapAware({ANGLE: ANGLE, EDIT: EDIT}, bound=bound, places=places, clock=loop.time)
    engine, loaded, ended = asyncio.Lock(), list[str](), list[float]()

    async def work(number: int, at: float, kind: str) -> None:
        await asyncio.sleep(at)
        request = KINDS[kind].request.model_construct()
        order = JobOrder(kind=kind, request=request, key=str(number), created_at=0.0)
        async with turns.turn(Job(order, str(number))), engine:
            await asyncio.sleep((SWAP if loaded[-1:] not in ([], [kind]) else 0) + ENGINE[kind])
            loaded.append(kind)
            ended[number] = loop.time()

    ended += [0.0] * len(arriving)
    async with asyncio.TaskGroup() as group:
        for number, arrival in enumerate(arriving):
            group.create_task(work(number, arrival.at, arrival.kinds[0]))
    return ended


@pytest.mark.parametrize("bound", [0.0, 20.0, 120.0])
@pytest.mark.parametrize("places", [1, 2])
def test_turns_come_when_the_real_ones_do(bound: float, places: int) -> None:
    """To the millisecond: what chooses is the same, and so is all around it."""
    chance, at, arriving = Random(f"{bound} {places}"), 0.0, list[Arrival]()
    for _ in range(60):
        at += chance.expovariate(1 / 4.0)
        arriving.append(Arrival(at, (chance.choice([ANGLE, EDIT]),)))
    card = Card(
        seconds={kind: (seconds, seconds) for kind, seconds in ENGINE.items()},
        loads={ANGLE: ANGLE, EDIT: EDIT},
        swap=SWAP,
    )
    settings = Settings(
        lookahead=99, places=places, bound=bound, prepare=0, publish=0, gap=0, handover=0, poll=0
    )
    ended = run(in_turn(arriving, bound=bound, places=places))
    assert simulated(arriving, card, settings) == pytest.approx(ended, abs=0.001)
