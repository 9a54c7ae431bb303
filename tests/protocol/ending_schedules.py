"""What may go wrong at the end of a task: cancels, deadlines and failures."""

import asyncio

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.errors import EngineOutOfMemory, TaskConflict
from tests.protocol.schedules import (
    COMPLETED,
    FAILED,
    PROMPTLY,
    completed_once,
    drained,
    drained_promptly,
    schedule,
)
from tests.protocol.world import world

# --- Cancels ------------------------------------------------------------------------------


@schedule
async def a_cancel_at_any_moment() -> None:
    for moment in range(0, 80, 2):
        async with world(seconds=lambda _: 0.2) as w:
            orchestrator = w.orchestrator()
            w.sweep(orchestrator)
            w.adapter(w.service())
            task = await orchestrator.submit()
            await asyncio.sleep(moment * 0.005)
            try:
                ended = await w.cancel(task.task_id)
            except TaskConflict:  # it was quicker
                ended = await w.task(task.task_id)
            await asyncio.sleep(400)
            assert await w.task(task.task_id) == ended
            await drained(w)


@schedule
async def a_cancel_stops_the_engine() -> None:
    async with world(seconds=lambda _: 1000.0) as w:
        orchestrator = w.orchestrator()
        service = w.service()
        w.adapter(service)
        task = await orchestrator.submit()
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(10)
        await w.cancel(task.task_id)
        w.seconds = lambda _: 1.0
        following = await orchestrator.submit()
        await completed_once(w, following.task_id, seconds=25)


@schedule
async def a_cancel_stops_the_engine_at_once() -> None:
    async with world(seconds=lambda _: 1000.0) as w:
        service = w.service()
        w.adapter(service)
        task = await w.orchestrator().submit()
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(10)
        assert service.running == 1
        await w.cancel(task.task_id)
        await asyncio.sleep(1)
        assert service.running == 0
        await drained_promptly(w)


@schedule
async def a_cancel_while_its_job_is_being_accepted() -> None:
    async with world(seconds=lambda _: 1000.0) as w:
        service = w.service()
        service.accept_seconds = 4.0
        w.adapter(service)
        task = await w.orchestrator().submit()
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(2)
        await w.cancel(task.task_id)
        await asyncio.sleep(5)
        assert (service.running, w.runs(task.task_id)) == (0, 1)
        await drained_promptly(w)


# --- Deadlines ----------------------------------------------------------------------------


@schedule
async def a_deadline_passes() -> None:
    async with world(seconds=lambda _: 1000.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        running = await orchestrator.submit(deadline_seconds=50)
        waiting = await orchestrator.submit(deadline_seconds=60)
        w.adapter(w.service(), deliveries=1)
        for task, seconds in ((running, 55), (waiting, 15)):
            ended = await w.ended(task.task_id, seconds=seconds)
            assert ended.failure is not None
            assert ended.failure.code == "deadline_exceeded"


@schedule
async def a_deadline_passes_while_no_orchestrator_is_up() -> None:
    async with world() as w:
        task = await w.orchestrator().submit(deadline_seconds=60)
        await asyncio.sleep(61)
        w.adapter(w.service())
        ended = await w.ended(task.task_id, seconds=PROMPTLY)
        assert ended.failure is not None
        assert (ended.failure.code, w.runs(task.task_id)) == ("deadline_exceeded", 0)


@schedule
async def more_is_asked_for_than_can_be_done_in_time() -> None:
    async with world(seconds=lambda _: 5.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        tasks = [await orchestrator.submit(deadline_seconds=60) for _ in range(40)]
        w.adapter(w.service())
        await asyncio.sleep(65)
        ended = [await w.task(task.task_id) for task in tasks]
        assert all(task.status.is_terminal for task in ended)
        assert sum(task.status is COMPLETED for task in ended) >= 10
        assert sum(len(service.runs) for service in w.services) <= 13
        await drained_promptly(w)


# --- Failures -----------------------------------------------------------------------------


@schedule
async def a_service_fails_every_time() -> None:
    """The last failure is told, not that there were too many."""
    async with world(seconds=lambda _: 1.0) as w:
        task = await w.orchestrator().submit()
        service = w.service()
        service.failures[task.task_id] = [EngineOutOfMemory("no memory left") for _ in range(9)]
        w.adapter(service)
        ended = await w.ended(task.task_id)
        assert ended.failure is not None
        assert (ended.status, ended.failure.message) == (FAILED, "no memory left")
        assert (ended.attempt, w.runs(task.task_id)) == (MAX_ATTEMPTS, MAX_ATTEMPTS)
        await drained_promptly(w)
