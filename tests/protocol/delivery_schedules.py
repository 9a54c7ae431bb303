"""What may go wrong on the way of a message: copies, answers that get lost, and ports that keep no
more than they promise."""

import asyncio
import json

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.errors import Throttled
from short_drama.domain.message import TaskMessage
from tests.protocol.schedules import (
    COMPLETED,
    RECOVERY,
    completed_once,
    drained,
    drained_promptly,
    once,
    schedule,
)
from tests.protocol.unkind import CarelessQueue, DoublingQueue, LaggingStore
from tests.protocol.virtual_time import clock
from tests.protocol.world import LEASE, world

# --- Messages -----------------------------------------------------------------------------


@schedule
async def every_message_comes_twice() -> None:
    async with world(seconds=lambda _: 30.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        for _ in range(2):
            w.adapter(w.service())
        tasks = [await orchestrator.submit() for _ in range(4)]
        for task in tasks:
            await w.queue.send(TaskMessage.of(task).to_body())
        for task in tasks:
            await completed_once(w, task.task_id)
        await drained(w)


@schedule
async def an_acknowledgement_is_lost() -> None:
    for trouble in ("before", "after"):
        async with world(queue_trouble=once("ack", trouble)) as w:
            orchestrator = w.orchestrator()
            task = await orchestrator.submit()
            w.adapter(w.service())
            await completed_once(w, task.task_id)
            await drained(w)


@schedule
async def a_message_is_received_again_after_its_task_has_ended() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        task = await orchestrator.submit()
        w.adapter(w.service())
        await completed_once(w, task.task_id)
        await w.queue.send(TaskMessage.of(task).to_body())
        await drained(w)
        assert w.runs(task.task_id) == 1


@schedule
async def messages_are_not_ours() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        w.adapter(w.service())
        unknown = {"task_id": "nobody's", "task_type": "x", "api_path": "/x"}
        for body in ("", "{", "[]", '{"task_id": 5}', "\ud83d", json.dumps(unknown)):
            await w.queue.send(body)
        task = await orchestrator.submit()
        await completed_once(w, task.task_id)
        await drained(w)
        await asyncio.sleep(100)
        assert len(w.letters.messages) == 6


# --- Answers that get lost ----------------------------------------------------------------


@schedule
async def the_answer_of_a_claim_is_lost() -> None:
    """The worker knows its own claim again."""
    async with world() as w:
        task = await w.orchestrator().submit()
        w.store_trouble = once("replace", "after")
        w.adapter(w.service())
        await completed_once(w, task.task_id, seconds=15)


@schedule
async def the_answer_of_giving_back_is_lost() -> None:
    async with world(seconds=lambda _: 1.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        service = w.service()
        service.failures[task.task_id] = [Throttled("slow down", after=10.0)]
        w.adapter(service)
        await w.until(lambda found: found.attempt == 1, task.task_id)
        w.store_trouble = once("replace", "after")
        ended = await w.ended(task.task_id, seconds=30)
        assert (ended.status, ended.attempts_left) == (COMPLETED, MAX_ATTEMPTS - 1)


@schedule
async def the_answer_of_completing_is_lost() -> None:
    async with world(seconds=lambda _: 5.0) as w:
        task = await w.orchestrator().submit()
        w.adapter(w.service())
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(4)
        w.store_trouble = once("replace", "after")
        await completed_once(w, task.task_id, seconds=5)
        await drained_promptly(w)


@schedule
async def the_way_to_a_service_is_cut_for_a_while() -> None:
    """Its job runs on, and the next attempt joins it."""
    async with world(seconds=lambda _: 100.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        w.adapter(service)
        task = await orchestrator.submit()
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await asyncio.sleep(10)
        service.up = False
        await asyncio.sleep(40)
        service.up = True
        ended = await w.ended(task.task_id, seconds=55)
        assert (ended.status, w.runs(task.task_id)) == (COMPLETED, 1)
        assert ended.attempts_left == MAX_ATTEMPTS - 2  # the cut one, and the one that finished


# --- Ports that keep no more than they promise --------------------------------------------


@schedule
async def every_delivery_is_doubled() -> None:
    async with world(seconds=lambda _: 30.0) as w:
        w.queue = DoublingQueue(clock, dead_letters=w.letters)
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        for _ in range(2):
            w.adapter(w.service())
        tasks = [await orchestrator.submit() for _ in range(6)]
        for task in tasks:
            await completed_once(w, task.task_id)
        await drained(w)
        assert w.letters.messages == []


@schedule
async def a_receipt_is_stale() -> None:
    """The message is another's by now: giving it back, or forgetting it, changes nothing."""
    async with world(seconds=lambda _: 200.0, visibility=90.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        zombie = w.adapter(w.service())
        await w.until(lambda found: found.attempt == 1, task.task_id)
        zombie.line.stall()
        w.adapter(w.service())
        await w.until(lambda found: found.attempt == 2, task.task_id, seconds=RECOVERY)
        await asyncio.sleep(90)
        assert max(message.receives for message in w.queue.messages) >= 2
        zombie.line.wake()
        ended = await w.ended(task.task_id)
        assert (ended.status, ended.attempt) == (COMPLETED, 2)
        await drained(w)


@schedule
async def a_stale_receipt_is_obeyed() -> None:
    """The message is gone though its task is not, and the record brings it back."""
    async with world(seconds=lambda _: 5.0, visibility=90.0) as w:
        w.queue = queue = CarelessQueue(clock, dead_letters=w.letters)
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        stale = await queue.receive(wait=0.0, lease=1.0)
        assert stale is not None
        await asyncio.sleep(2)
        victim = w.adapter(w.service())
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await queue.ack(stale)
        assert queue.messages == []
        await victim.kill()
        w.adapter(w.service())
        ended = await w.ended(task.task_id, seconds=RECOVERY + 10)
        assert (ended.status, ended.attempt) == (COMPLETED, 2)


@schedule
async def the_list_of_due_tasks_lags() -> None:
    """It names what was mended long ago: nothing is sent or ended twice for that."""
    async with world(seconds=lambda _: 3.0) as w:
        w.store = LaggingStore(clock, lag=30.0)
        orchestrators = [w.orchestrator(), w.orchestrator()]
        w.queue_trouble = lambda call: "before" if call == "send" else None
        tasks = [await orchestrators[0].submit() for _ in range(5)]
        w.queue_trouble = lambda _: None
        for orchestrator in orchestrators:
            w.sweep(orchestrator)
        await asyncio.sleep(120)
        assert len(w.queue.messages) == len(tasks)
        w.adapter(w.service())
        for task in tasks:
            await completed_once(w, task.task_id)


@schedule
async def the_list_of_due_tasks_lags_after_a_worker_has_died() -> None:
    async with world(seconds=lambda _: 100.0) as w:
        w.store = LaggingStore(clock, lag=30.0)
        orchestrators = [w.orchestrator(), w.orchestrator()]
        for orchestrator in orchestrators:
            w.sweep(orchestrator)
        victim = w.adapter(w.service())
        task = await orchestrators[0].submit()
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await victim.kill()
        await asyncio.sleep(LEASE + 60)
        assert len(w.queue.messages) == 2  # the dead worker's, and one more
        w.adapter(w.service())
        assert (await w.ended(task.task_id)).status is COMPLETED
