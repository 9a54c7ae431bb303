"""What may go wrong from a submit until its message is on the queue, and stays there."""

import asyncio

from short_drama.domain.errors import IdempotencyKeyReused, Throttled, Unavailable
from short_drama.domain.task_state import TaskStatus
from tests.protocol.processes import Trouble
from tests.protocol.schedules import (
    COMPLETED,
    RECOVERY,
    completed_once,
    drained,
    drained_promptly,
    once,
    schedule,
)
from tests.protocol.world import LEASE, VISIBILITY, world

# --- Submit -------------------------------------------------------------------------------


@schedule
async def an_orchestrator_dies_between_record_and_message() -> None:
    async with world() as w:
        first = w.orchestrator()
        w.queue_trouble = lambda call: first.line.kill() if call == "send" else None
        submitting = asyncio.create_task(first.submit())
        await asyncio.sleep(1.0)
        submitting.cancel()
        w.queue_trouble = lambda _: None
        (task,) = w.store.tasks
        w.queue.messages.clear()
        assert task.outbox_due is not None
        w.adapter(w.service())
        w.sweep(w.orchestrator())
        await completed_once(w, task.task_id, seconds=45)


@schedule
async def the_answer_of_the_first_write_is_lost() -> None:
    """The client is told to try again, and its key finds the task."""
    async with world(store_trouble=once("create", "after")) as w:
        orchestrator = w.orchestrator()
        try:
            await orchestrator.submit(key="one")
            raise AssertionError("the client was told a lie")
        except Unavailable:
            task = await orchestrator.submit(key="one")
        w.adapter(w.service())
        w.sweep(orchestrator)
        await completed_once(w, task.task_id)
        assert len(w.store.history) == 1


@schedule
async def twenty_submits_at_once_with_one_key() -> None:
    async with world() as w:
        orchestrators = [w.orchestrator(), w.orchestrator()]
        tasks = await asyncio.gather(
            *(orchestrators[number % 2].submit(key="one") for number in range(20))
        )
        assert len({task.task_id for task in tasks}) == 1
        w.adapter(w.service())
        w.sweep(orchestrators[0])
        await completed_once(w, tasks[0].task_id)
        try:
            await orchestrators[0].submit(key="one", labels={"other": "body"})
            raise AssertionError("another body was taken under the same key")
        except IdempotencyKeyReused:
            pass


# --- Sending ------------------------------------------------------------------------------


@schedule
async def a_message_cannot_be_sent() -> None:
    async with world(queue_trouble=once("send", "before")) as w:
        orchestrator = w.orchestrator()
        task = await orchestrator.submit()
        w.adapter(w.service())
        w.sweep(orchestrator)
        await completed_once(w, task.task_id, seconds=45)


@schedule
async def the_answer_of_sending_is_lost() -> None:
    async with world(queue_trouble=once("send", "after")) as w:
        orchestrator = w.orchestrator()
        task = await orchestrator.submit()
        w.adapter(w.service())
        w.sweep(orchestrator)
        await completed_once(w, task.task_id)
        await asyncio.sleep(60)
        assert w.runs(task.task_id) == 1


@schedule
async def an_orchestrator_dies_between_message_and_record() -> None:
    async with world() as w:
        first = w.orchestrator()

        def die(call: str) -> Trouble:
            if call == "send":
                first.line.kill()
            return None

        w.queue_trouble = die
        submitting = asyncio.create_task(first.submit())
        await asyncio.sleep(1.0)
        submitting.cancel()
        w.queue_trouble = lambda _: None
        (task,) = w.store.tasks
        assert (len(w.queue.messages), task.status) == (1, TaskStatus.PENDING)
        w.sweep(w.orchestrator())
        await asyncio.sleep(20)
        assert len(w.queue.messages) == 2
        w.adapter(w.service())
        await completed_once(w, task.task_id)
        await drained(w)


@schedule
async def a_sender_is_overtaken_by_a_worker_that_dies() -> None:
    """What the sender then notes must not keep anybody from recovering the task."""
    async with world(seconds=lambda _: 100.0) as w:
        slow = w.orchestrator()

        def stall(call: str) -> Trouble:
            if call == "send":
                slow.line.stall()
            return None

        w.queue_trouble = stall
        victim = w.adapter(w.service())
        submitting = asyncio.create_task(slow.submit())
        await asyncio.sleep(5)
        w.queue_trouble = lambda _: None
        (task,) = w.store.tasks
        assert task.attempt == 1
        slow.line.wake()
        await submitting
        await victim.kill()
        w.sweep(w.orchestrator())
        w.adapter(w.service())
        await w.until(lambda found: found.attempt == 2, task.task_id, seconds=RECOVERY)
        assert (await w.ended(task.task_id)).status is COMPLETED


@schedule
async def two_sweepers_find_the_same_unsent_task() -> None:
    async with world(queue_trouble=once("send", "before")) as w:
        orchestrators = [w.orchestrator(), w.orchestrator()]
        await orchestrators[0].submit()
        for orchestrator in orchestrators:
            w.sweep(orchestrator)
        await asyncio.sleep(60)
        assert len(w.queue.messages) == 1


# --- Sending again ------------------------------------------------------------------------


@schedule
async def the_queue_is_purged() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        tasks = [await orchestrator.submit() for _ in range(5)]
        w.queue.messages.clear()
        w.adapter(w.service())
        w.sweep(orchestrator)
        for task in tasks:
            await completed_once(w, task.task_id, seconds=3 * VISIBILITY + 60)


@schedule
async def the_queue_is_purged_in_the_middle() -> None:
    """One task runs, one waits for its next attempt, and one for its first."""
    async with world(seconds=lambda _: 30.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        service = w.service()
        paused = await orchestrator.submit()
        service.failures[paused.task_id] = [Throttled("slow down", after=100.0)]
        w.adapter(service, deliveries=1)
        await w.until(lambda task: task.attempt == 1 and not task.lease_owner, paused.task_id)
        running, waiting = await orchestrator.submit(), await orchestrator.submit()
        await w.until(lambda task: task.attempt == 1, running.task_id)
        w.queue.messages.clear()
        await completed_once(w, running.task_id, seconds=35)
        for task in (paused, waiting):
            ended = await w.ended(task.task_id, seconds=3 * VISIBILITY + 60)
            assert ended.status is COMPLETED


@schedule
async def a_backlog_is_worked_off_without_being_flooded() -> None:
    async with world(seconds=lambda _: 20.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        tasks = [await orchestrator.submit() for _ in range(200)]
        w.adapter(w.service())
        for task in tasks:
            await completed_once(w, task.task_id, seconds=5000)
        await drained(w)


@schedule
async def nobody_works_for_three_hours() -> None:
    """What waits is sent again ever more rarely."""
    async with world() as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        await asyncio.sleep(3 * VISIBILITY - 1)
        assert len(w.queue.messages) == 1
        await asyncio.sleep(3 * 3600 - 3 * VISIBILITY)
        assert len(w.queue.messages) <= 5
        w.adapter(w.service())
        await completed_once(w, task.task_id)
        await asyncio.sleep(LEASE)
        await drained_promptly(w)


@schedule
async def nobody_takes_over_for_ten_minutes() -> None:
    async with world(seconds=lambda _: 100.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        victim = w.adapter(w.service())
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await victim.kill()
        await asyncio.sleep(600)
        assert len(w.queue.messages) == 2  # the dead worker's, and the sweeper's
        w.adapter(w.service())
        assert (await w.ended(task.task_id)).status is COMPLETED
