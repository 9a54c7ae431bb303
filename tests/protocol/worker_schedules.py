"""What may go wrong with those who work: they die, stall, wake and are stopped."""

import asyncio

from short_drama.domain.attempts import MAX_ATTEMPTS, MAX_DEAD_LETTERS, MAX_RECEIVES
from short_drama.domain.task_state import TaskStatus
from tests.protocol.schedules import (
    COMPLETED,
    PROMPTLY,
    RECOVERY,
    completed_once,
    drained,
    drained_promptly,
    schedule,
)
from tests.protocol.virtual_time import clock
from tests.protocol.world import VISIBILITY, world

# --- Dying --------------------------------------------------------------------------------


@schedule
async def an_adapter_is_killed() -> None:
    async with world(seconds=lambda _: 100.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        victim = w.adapter(w.service())
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(30)
        await victim.kill()
        held = await w.task(task.task_id)
        assert held.lease_until is not None
        killed = clock()
        w.adapter(w.service())
        await w.until(lambda found: found.attempt == 2, task.task_id, seconds=RECOVERY)
        assert clock() - killed <= held.lease_until - killed + 5.0
        assert (await w.ended(task.task_id)).status is COMPLETED


@schedule
async def an_adapter_is_killed_at_any_moment() -> None:
    for moment in range(0, 60, 2):
        async with world(seconds=lambda _: 0.1, latency=0.005) as w:
            orchestrator = w.orchestrator()
            w.sweep(orchestrator)
            task = await orchestrator.submit()
            victim = w.adapter(w.service())
            await asyncio.sleep(moment * 0.005)
            await victim.kill()
            w.adapter(w.service())
            ended = await w.ended(task.task_id, seconds=VISIBILITY + RECOVERY)
            assert ended.status is COMPLETED
            await drained(w)


@schedule
async def an_adapter_is_killed_while_no_orchestrator_is_up() -> None:
    """The message comes back by itself."""
    for moment in range(60):
        async with world(seconds=lambda _: 0.1, latency=0.005) as w:
            task = await w.orchestrator().submit()
            victim = w.adapter(w.service())
            await asyncio.sleep(moment * 0.005 + 0.001)
            await victim.kill()
            w.adapter(w.service())
            ended = await w.ended(task.task_id, seconds=VISIBILITY + PROMPTLY)
            assert ended.status is COMPLETED


@schedule
async def a_task_kills_its_worker_every_time() -> None:
    async with world(seconds=lambda _: 100.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        for attempt in range(1, MAX_ATTEMPTS + 1):
            victim = w.adapter(w.service())
            number = attempt
            await w.until(
                lambda found: found.attempt == number,  # noqa: B023
                task.task_id, seconds=VISIBILITY + RECOVERY,
            )  # fmt: skip
            await victim.kill()
        w.adapter(w.service())
        ended = await w.ended(task.task_id, seconds=VISIBILITY + RECOVERY)
        assert ended.failure is not None
        assert ended.failure.code == "attempts_exhausted"


# --- Living on ----------------------------------------------------------------------------


@schedule
async def an_adapter_stalls_and_wakes_as_a_zombie() -> None:
    """It wakes with its result in hand, while another works, and after that one has finished."""
    for wakes_after in (0.0, 60.0, 200.0):
        async with world(seconds=lambda _: 50.0) as w:
            orchestrator = w.orchestrator()
            w.sweep(orchestrator)
            task = await orchestrator.submit()
            zombie = w.adapter(w.service())
            await w.until(lambda found: found.attempt == 1, task.task_id)
            zombie.line.stall()
            w.adapter(w.service())
            await w.until(lambda found: found.attempt == 2, task.task_id, seconds=RECOVERY)
            await asyncio.sleep(wakes_after)
            zombie.line.wake()
            assert (await w.ended(task.task_id)).status is COMPLETED
            await asyncio.sleep(300)


@schedule
async def two_machines_finish_the_same_task() -> None:
    """The first one's result is there when the second's comes: neither is taken for the other."""
    async with world(seconds=lambda _: 80.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        cut_off = w.adapter(w.service())
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(1)
        await cut_off.kill()  # its service works on
        w.adapter(w.service())
        ended = await w.ended(task.task_id)
        assert (ended.status, ended.attempt) == (COMPLETED, 2)
        assert [len(service.runs) for service in w.services] == [1, 1]


@schedule
async def a_job_takes_longer_than_three_visibilities() -> None:
    async with world(seconds=lambda _: 3.2 * VISIBILITY) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        for _ in range(2):
            w.adapter(service)
        task = await orchestrator.submit()
        await completed_once(w, task.task_id, seconds=2000)
        assert w.letters.messages == []


# --- Stopping -----------------------------------------------------------------------------


@schedule
async def an_adapter_is_stopped_while_it_works() -> None:
    async with world(seconds=lambda _: 100.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        task = await orchestrator.submit()
        first = w.adapter(service, drain=5.0)
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await first.drain()
        back = await w.task(task.task_id)
        assert (back.status, back.attempts_left) == (TaskStatus.PENDING, MAX_ATTEMPTS)
        w.adapter(service)
        ended = await w.ended(task.task_id)
        assert (ended.status, ended.attempt, w.runs(task.task_id)) == (COMPLETED, 2, 1)


@schedule
async def an_adapter_is_stopped_while_it_waits_for_a_message() -> None:
    """What its last poll brings goes to another at once, not when its visibility is over."""
    async with world() as w:
        first = w.adapter(w.service())
        await asyncio.sleep(5)
        stopping = asyncio.create_task(first.drain())
        await asyncio.sleep(1)
        task = await w.orchestrator().submit()
        w.adapter(w.service())
        await completed_once(w, task.task_id, seconds=15)
        await stopping


@schedule
async def adapters_are_replaced_more_often_than_a_message_may_be_received() -> None:
    """Its dead letters are about the message."""
    async with world(seconds=lambda _: 3600.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        task = await orchestrator.submit()
        for _ in range(MAX_RECEIVES * (MAX_DEAD_LETTERS + 2)):
            adapter = w.adapter(service, drain=1.0)
            await asyncio.sleep(4)
            await adapter.drain()
        w.adapter(service)
        ended = await w.ended(task.task_id, seconds=4000)
        assert (ended.status, w.runs(task.task_id)) == (COMPLETED, 1)
        assert ended.attempts_left == MAX_ATTEMPTS - 1


@schedule
async def adapters_are_replaced_one_by_one_under_load() -> None:
    """A deployment costs no task an attempt."""
    async with world(seconds=lambda _: 12.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        tasks = [await orchestrator.submit() for _ in range(20)]
        adapter = w.adapter(service, drain=3.0)
        for _ in range(8):
            await asyncio.sleep(17)
            await adapter.drain()
            adapter = w.adapter(service, drain=3.0)
        for task in tasks:
            ended = await w.ended(task.task_id)
            assert (ended.status, w.runs(task.task_id)) == (COMPLETED, 1)
            assert ended.attempts_left == MAX_ATTEMPTS - 1
        await drained_promptly(w)


@schedule
async def an_adapter_is_stopped_while_aws_is_away() -> None:
    """Nothing can be given back; it stops all the same, and the task is recovered."""
    async with world(seconds=lambda _: 100.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        task = await orchestrator.submit()
        first = w.adapter(service, drain=5.0)
        await w.until(lambda found: found.attempt == 1, task.task_id)
        w.store_trouble = w.queue_trouble = lambda _: "before"
        async with asyncio.timeout(35):  # a poll, the drain, and the try to give back
            await first.drain()
        w.store_trouble = w.queue_trouble = lambda _: None
        w.adapter(service)
        await w.until(lambda found: found.attempt == 2, task.task_id, seconds=RECOVERY)
        ended = await w.ended(task.task_id)
        assert (ended.status, w.runs(task.task_id)) == (COMPLETED, 1)
