"""What may go wrong while clocks differ."""

import asyncio

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.errors import EngineOutOfMemory
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.domain.task_state import END_MARGIN_SECONDS
from tests.protocol.processes import Service
from tests.protocol.schedules import COMPLETED, FAILED, completed_once, drained, schedule
from tests.protocol.virtual_time import clock
from tests.protocol.world import LEASE, World, world

UNNOTICED = 40.0
"""Seconds: a heartbeat is due each third of the lease, and takes a moment."""
HARMLESS = END_MARGIN_SECONDS
FAST = (45.0, 60.0, HARMLESS)


async def on_its_last_attempt(w: World, service: Service) -> Task:
    """A task whose last attempt has just begun."""
    task = await w.orchestrator().submit()
    service.failures[task.task_id] = [EngineOutOfMemory("no memory left")] * (MAX_ATTEMPTS - 1)
    return await w.until(lambda found: found.attempts_left == 0, task.task_id, seconds=2000)


async def completed_last(w: World, task: Task) -> None:
    """In the attempt it was in."""
    ended = await w.ended(task.task_id)
    assert ended.status is COMPLETED, ended.failure
    assert ended.attempt == task.attempt == MAX_ATTEMPTS


# --- Workers ------------------------------------------------------------------------------


@schedule
async def a_difference_that_nobody_notices() -> None:
    """Not even with two messages for each task, and dead letters on top."""
    for skew in (-UNNOTICED, UNNOTICED):
        async with world(seconds=lambda _: 200.0) as w:
            w.sweep(w.orchestrator())
            w.adapter(w.service(), deliveries=1, skew=min(skew, 0.0))
            task = await w.orchestrator().submit()
            await w.until(lambda found: found.attempt == 1, task.task_id)
            w.sweep(w.orchestrator(skew=max(skew, 0.0)))
            w.adapter(w.service(), skew=max(skew, 0.0))
            for line in (w.queue, w.letters):
                await line.send(TaskMessage.of(task).to_body())
            await completed_once(w, task.task_id)


@schedule
async def a_worker_whose_clock_is_wrong() -> None:
    """Work may be done twice, but nothing is harmed."""
    for skew in (-HARMLESS, HARMLESS):
        async with world(seconds=lambda _: 100.0) as w:
            orchestrator = w.orchestrator()
            w.sweep(orchestrator)
            w.adapter(w.service())
            w.adapter(w.service(), skew=skew)
            tasks = [await orchestrator.submit() for _ in range(6)]
            for task in tasks:
                assert (await w.ended(task.task_id, seconds=4000)).status is COMPLETED


@schedule
async def a_worker_whose_clock_is_fast_finds_a_last_attempt() -> None:
    """Its message comes twice, and the second time to one who thinks the lease is over."""
    for skew in FAST:
        async with world(seconds=lambda _: 200.0) as w:
            service = w.service()
            w.adapter(service, deliveries=1)
            task = await on_its_last_attempt(w, service)
            w.adapter(w.service(), skew=skew)
            await w.queue.send(TaskMessage.of(task).to_body())
            await completed_last(w, task)
            await drained(w)


@schedule
async def a_worker_whose_clock_is_slow_is_in_its_last_attempt() -> None:
    """To everybody else its lease is over when it begins."""
    for skew in FAST:
        async with world(seconds=lambda _: 200.0) as w:
            service = w.service()
            w.adapter(service, deliveries=1, skew=-skew)
            task = await on_its_last_attempt(w, service)
            w.sweep(w.orchestrator())
            w.adapter(w.service())
            for line in (w.queue, w.letters):
                await line.send(TaskMessage.of(task).to_body())
            await completed_last(w, task)
            await drained(w)


@schedule
async def a_worker_whose_clock_is_fast_finds_a_deadline() -> None:
    """It has passed by that clock only, and a worker in time is not disturbed."""
    async with world(seconds=lambda _: 250.0) as w:
        w.adapter(w.service(), deliveries=1)
        task = await w.orchestrator().submit(deadline_seconds=300)
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(230)
        w.adapter(w.service(), skew=HARMLESS)
        await w.queue.send(TaskMessage.of(task).to_body())
        await completed_once(w, task.task_id)


@schedule
async def a_last_worker_dies() -> None:
    """Its task ends all the same, later by the margin: not by the clock that is fast, but by it
    at the latest when every clock says so."""
    for skew in (0.0, HARMLESS):
        async with world(seconds=lambda _: 200.0) as w:
            w.sweep(w.orchestrator(skew=skew))
            service = w.service()
            victim = w.adapter(service)
            task = await on_its_last_attempt(w, service)
            await asyncio.sleep(50)
            await victim.kill()
            killed = clock()
            w.adapter(w.service(), skew=skew)
            ended = await w.ended(task.task_id, seconds=LEASE + END_MARGIN_SECONDS + 10)
            assert ended.failure is not None
            assert (ended.status, ended.failure.code) == (FAILED, "attempts_exhausted")
            assert clock() - killed > LEASE / 2 + END_MARGIN_SECONDS - skew
            await drained(w)


# --- Orchestrators ------------------------------------------------------------------------


@schedule
async def a_sweeper_whose_clock_is_fast_disturbs_no_worker() -> None:
    async with world(seconds=lambda _: 200.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(w.orchestrator(skew=HARMLESS))
        service = w.service()
        w.adapter(service)
        w.adapter(service)
        task = await orchestrator.submit()
        await completed_once(w, task.task_id)


@schedule
async def an_undertaker_whose_clock_is_fast_finds_a_last_attempt() -> None:
    for skew in FAST:
        async with world(seconds=lambda _: 200.0) as w:
            service = w.service()
            w.adapter(service, deliveries=1)
            task = await on_its_last_attempt(w, service)
            w.sweep(w.orchestrator(skew=skew))
            await w.letters.send(TaskMessage.of(task).to_body())
            await completed_last(w, task)
            await asyncio.sleep(35)
            assert w.letters.messages == []


@schedule
async def an_undertaker_whose_clock_is_fast_finds_a_task_in_good_hands() -> None:
    """It takes no attempt from it either, however often its messages die."""
    for skew in FAST:
        async with world(seconds=lambda _: 200.0) as w:
            w.adapter(w.service(), deliveries=1)
            task = await w.orchestrator().submit()
            await w.until(lambda found: found.attempt == 1, task.task_id)
            w.sweep(w.orchestrator(skew=skew))
            for _ in range(5):
                await w.letters.send(TaskMessage.of(task).to_body())
                await asyncio.sleep(31)
            await completed_once(w, task.task_id)


@schedule
async def an_undertaker_buries_a_dead_worker() -> None:
    """Only when it must be dead by any clock."""
    async with world(seconds=lambda _: 200.0) as w:
        service = w.service()
        victim = w.adapter(service)
        task = await on_its_last_attempt(w, service)
        await victim.kill()
        w.queue.messages.clear()
        w.sweep(w.orchestrator())
        await w.letters.send(TaskMessage.of(task).to_body())
        await asyncio.sleep(LEASE + END_MARGIN_SECONDS / 2)
        assert not (await w.task(task.task_id)).status.is_terminal
        ended = await w.ended(task.task_id, seconds=END_MARGIN_SECONDS / 2 + 35)
        assert ended.failure is not None
        assert ended.failure.code == "dead_letter"
