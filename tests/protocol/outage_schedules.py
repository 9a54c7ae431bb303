"""What may go wrong while services and AWS come and go."""

import asyncio
from random import Random

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.errors import EngineFailed, Throttled, Unavailable
from tests.protocol.schedules import (
    COMPLETED,
    FAILED,
    completed_once,
    drained,
    once,
    schedule,
    sometimes,
)
from tests.protocol.world import world


@schedule
async def a_service_restarts_in_the_middle() -> None:
    async with world(seconds=lambda _: 60.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        w.adapter(service)
        task = await orchestrator.submit()
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(30)
        service.up = False
        await service.restart()
        await asyncio.sleep(10)
        service.up = True
        ended = await w.ended(task.task_id)
        assert (ended.status, w.runs(task.task_id)) == (COMPLETED, 2)
        assert ended.attempts_left == MAX_ATTEMPTS - 2


@schedule
async def a_service_is_down_for_ten_minutes() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        w.adapter(service)
        w.adapter(service)
        first = await orchestrator.submit()
        await completed_once(w, first.task_id)
        service.up = False
        tasks = [await orchestrator.submit() for _ in range(8)]
        await asyncio.sleep(600)
        assert max([(await w.task(task.task_id)).attempt for task in tasks]) <= 2
        service.up = True
        for task in tasks:
            ended = await w.ended(task.task_id)
            assert (ended.status, w.runs(task.task_id)) == (COMPLETED, 1)
            assert ended.attempts_left == MAX_ATTEMPTS - 1


@schedule
async def a_provider_asks_to_slow_down() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        service = w.service()
        service.failures[task.task_id] = [Throttled("slow down", after=90.0) for _ in range(6)]
        w.adapter(service)
        ended = await w.ended(task.task_id, seconds=2000)
        assert (ended.status, ended.attempt) == (COMPLETED, 7)
        assert ended.attempts_left == MAX_ATTEMPTS - 1
        assert (ended.started_at or 0.0) - ended.created_at >= 6 * 90


@schedule
async def an_engine_fails_for_good() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        task = await orchestrator.submit()
        service = w.service()
        service.failures[task.task_id] = [EngineFailed("out of memory")]
        w.adapter(service)
        ended = await w.ended(task.task_id)
        assert (ended.status, w.runs(task.task_id)) == (FAILED, 1)


@schedule
async def a_result_cannot_be_stored() -> None:
    """Whether or not it was stored in truth, it is stored again, and not made again."""
    for trouble in ("before", "after"):
        async with world(asset_trouble=once("put", trouble)) as w:
            orchestrator = w.orchestrator()
            task = await orchestrator.submit()
            w.adapter(w.service())
            await completed_once(w, task.task_id)


@schedule
async def aws_is_away_for_a_minute() -> None:
    """Longer than the lease; the job that runs meanwhile is not run again."""
    async with world(seconds=lambda _: 50.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        w.adapter(w.service())
        tasks = [await orchestrator.submit() for _ in range(4)]
        await w.until(lambda found: found.attempt == 1, tasks[0].task_id)
        w.store_trouble = w.queue_trouble = lambda _: "before"
        await asyncio.sleep(62)
        try:
            await orchestrator.submit()
            raise AssertionError("a task was accepted that nobody keeps")
        except Unavailable:
            pass
        w.store_trouble = w.queue_trouble = lambda _: None
        for task in tasks:
            await completed_once(w, task.task_id)
        await drained(w)


@schedule
async def a_third_of_all_calls_fail() -> None:
    for seed in range(5):
        async with world(seconds=lambda _: 20.0) as w:
            orchestrator = w.orchestrator()
            w.sweep(orchestrator)
            tasks = [await orchestrator.submit() for _ in range(10)]
            w.store_trouble = w.queue_trouble = sometimes(Random(seed), 0.3)
            for _ in range(2):
                w.adapter(w.service())
            for task in tasks:
                assert (await w.ended(task.task_id, seconds=4000)).status is COMPLETED
            w.store_trouble = w.queue_trouble = lambda _: None
            await drained(w)
