"""What a task may have to wait for that is nobody's fault: it costs neither attempts nor receives,
however long it lasts."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from unittest.mock import patch

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.errors import ProviderPaused, ShortDramaError, Throttled
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.sqs_adapter import consumer
from tests.protocol.processes import Trouble
from tests.protocol.schedules import COMPLETED, drained, schedule
from tests.protocol.world import Orchestrator, World, world

TASKS = 200
HOUR = 3600.0
DAY = 24 * HOUR
_LOOK_SECONDS = 60.0
"""Between two passes of a sweeper, and two looks of an adapter at its service: they are the most of
what such a long time costs."""


async def many(w: World) -> tuple[Orchestrator, Sequence[Task]]:
    orchestrator = w.orchestrator(sweep_every=_LOOK_SECONDS)
    w.sweep(orchestrator)
    return orchestrator, [await orchestrator.submit() for _ in range(TASKS)]


async def all_complete(w: World, tasks: Sequence[Task]) -> None:
    """None failed, none was done twice, and none has lost an attempt, or a message."""
    for task in tasks:
        ended = await w.ended(task.task_id, seconds=DAY)
        assert ended.status is COMPLETED, ended.failure
        assert (w.successes(task.task_id), ended.attempts_left) == (1, MAX_ATTEMPTS - 1)
        assert not any(version.dead_letters for version in w.store.history[task.task_id])
    await drained(w)


@contextlib.contextmanager
def looked_at_rarely() -> Iterator[None]:
    with patch.object(consumer, "_PAUSE_SECONDS", _LOOK_SECONDS):
        yield


async def refused(refusal: ShortDramaError, *, seconds: float) -> None:
    """By the provider, all the while."""
    async with world(seconds=lambda _: 5.0) as w:
        service = w.service()
        service.engine.refusal = refusal
        _, tasks = await many(w)
        w.adapter(service)
        with looked_at_rarely():
            await asyncio.sleep(seconds)
        waiting = [await w.task(task.task_id) for task in tasks]
        told = [task.waits_for.code for task in waiting if task.waits_for is not None]
        assert set(told) == {refusal.code}
        service.engine.refusal = None
        await all_complete(w, tasks)


# --- Providers ----------------------------------------------------------------------------


@schedule
async def a_provider_is_paused_for_a_week() -> None:
    await refused(ProviderPaused("the key is refused", after=600.0), seconds=7 * DAY)


@schedule
async def a_provider_asks_to_slow_down_for_a_day() -> None:
    await refused(Throttled("too many requests", after=HOUR), seconds=DAY)


# --- Engines ------------------------------------------------------------------------------


@schedule
async def an_engine_is_away_for_a_day() -> None:
    """But for a moment now and then, in which it gets work that it cannot take."""
    async with world(seconds=lambda _: 5.0) as w:
        service = w.service()
        service.engine.up, service.engine.upload_seconds = False, 2 * _LOOK_SECONDS
        _, tasks = await many(w)
        w.adapter(service)
        with looked_at_rarely():
            for _ in range(24 * 12):
                await asyncio.sleep(300 - _LOOK_SECONDS)
                service.engine.up = True
                await asyncio.sleep(_LOOK_SECONDS)
                service.engine.up = False
        assert not any(w.successes(task.task_id) for task in tasks)
        service.engine.up, service.engine.upload_seconds = True, 0.0
        await all_complete(w, tasks)


# --- Stores -------------------------------------------------------------------------------


@schedule
async def the_disk_is_full_for_an_hour() -> None:
    """It holds tasks, queues and assets: all can be read, and nothing can be written."""
    async with world(seconds=lambda _: 5.0) as w:
        _, tasks = await many(w)
        w.adapter(w.service(), deliveries=4)
        await asyncio.sleep(62)
        w.asset_trouble = lambda call: "before" if call == "put" else None
        w.store_trouble = lambda call: "before" if call in ("create", "replace") else None
        w.queue_trouble = lambda _: "before"
        await asyncio.sleep(HOUR)
        w.asset_trouble = w.store_trouble = w.queue_trouble = lambda _: None
        await all_complete(w, tasks)


@schedule
async def results_cannot_be_stored_for_an_hour() -> None:
    """What an engine made in the beginning is stored in the end, and made once."""
    async with world(seconds=lambda _: 5.0) as w:
        _, tasks = await many(w)
        w.asset_trouble = lambda call: "before" if call == "put" else None
        w.adapter(w.service())
        await asyncio.sleep(HOUR)
        w.asset_trouble = lambda _: None
        await all_complete(w, tasks)
        assert all(w.runs(task.task_id) == 1 for task in tasks)


@schedule
async def the_table_is_away_for_an_hour() -> None:
    """Messages can be received all the while, and none is for nothing."""
    async with world(seconds=lambda _: 5.0, visibility=100.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        tasks = [await orchestrator.submit() for _ in range(3)]
        w.store_trouble = lambda _: "before"
        w.adapter(w.service())
        await asyncio.sleep(HOUR)
        assert w.letters.messages == []
        w.store_trouble = lambda _: None
        await all_complete(w, tasks)


# --- Messages -----------------------------------------------------------------------------


@schedule
async def a_task_that_waits_has_a_second_message() -> None:
    """It is forgotten: the task is not tried before its time, and then once."""
    async with world(seconds=lambda _: 5.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        task = await orchestrator.submit()
        service.failures[task.task_id] = [Throttled("slow down", after=100.0)]
        w.adapter(service)
        parked = await w.until(lambda found: found.parked, task.task_id)
        for _ in range(3):
            await w.queue.send(TaskMessage.of(task).to_body())
        await asyncio.sleep(90)
        assert (await w.task(task.task_id), w.queue.messages) == (parked, [])
        await all_complete(w, [task])
        assert w.runs(task.task_id) == 2


@schedule
async def a_sender_is_late_to_say_that_it_has_sent() -> None:
    """The task has been tried by then, and waits for another message."""
    async with world(seconds=lambda _: 5.0) as w:
        w.sweep(w.orchestrator())
        service = w.service()
        w.adapter(service)
        late = w.orchestrator()

        def stall(call: str) -> Trouble:
            if call == "send":
                service.failures[w.store.tasks[0].task_id] = [Throttled("slow down", after=100.0)]
                w.queue_trouble = lambda _: None
                late.line.stall()
            return None

        w.queue_trouble = stall
        submitting = asyncio.create_task(late.submit())
        await asyncio.sleep(20)
        task_id = w.store.tasks[0].task_id
        assert (await w.task(task_id)).parked
        late.line.wake()
        await submitting
        ended = await w.ended(task_id, seconds=120)
        assert (ended.status, ended.attempt) == (COMPLETED, 2)


@schedule
async def a_short_wait_is_short() -> None:
    """However the passes of the sweeper fall."""
    for moment in range(8):
        async with world(seconds=lambda _: 0.1) as w:
            orchestrator = w.orchestrator()
            w.sweep(orchestrator)
            service = w.service()
            w.adapter(service)
            await asyncio.sleep(moment / 4)
            task = await orchestrator.submit()
            service.failures[task.task_id] = [Throttled("slow down", after=2.0)]
            ended = await w.ended(task.task_id, seconds=3.0)
            assert (ended.status, ended.attempt) == (COMPLETED, 2)
