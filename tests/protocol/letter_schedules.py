"""What may go wrong with dead letters: messages that were received too often without an end."""

import asyncio

from short_drama.domain.attempts import MAX_ATTEMPTS, MAX_DEAD_LETTERS
from short_drama.domain.errors import EngineInterrupted, Throttled
from short_drama.domain.message import TaskMessage
from short_drama.domain.task_state import END_MARGIN_SECONDS
from short_drama.newest import advance
from short_drama.orchestrator.outbox import send
from tests.protocol.processes import Trouble
from tests.protocol.schedules import COMPLETED, PROMPTLY, completed_once, schedule
from tests.protocol.virtual_time import clock
from tests.protocol.world import LEASE, world

# --- Of tasks with which nothing is wrong -------------------------------------------------


@schedule
async def a_dead_letter_of_a_task_that_is_worked_on() -> None:
    async with world(seconds=lambda _: 200.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        w.adapter(w.service())
        await w.until(lambda found: found.attempt == 1, task.task_id)
        await w.letters.send(TaskMessage.of(task).to_body())
        await completed_once(w, task.task_id)
        await asyncio.sleep(100)
        assert w.letters.messages == []


@schedule
async def a_dead_letter_of_a_task_between_two_attempts() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        service = w.service()
        service.failures[task.task_id] = [EngineInterrupted("begin again", after=100.0)]
        w.adapter(service)
        await w.until(lambda found: found.attempt == 1 and not found.lease_owner, task.task_id)
        await w.letters.send(TaskMessage.of(task).to_body())
        ended = await w.ended(task.task_id)
        assert (ended.status, ended.attempts_left) == (COMPLETED, MAX_ATTEMPTS - 2)
        assert w.letters.messages == []


@schedule
async def dead_letters_of_a_task_that_waits() -> None:
    """However many: they say nothing of a task whose message is the sweeper's to send."""
    async with world() as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        service = w.service()
        service.failures[task.task_id] = [Throttled("slow down", after=300.0)]
        w.adapter(service)
        await w.until(lambda found: found.parked, task.task_id)
        for _ in range(MAX_DEAD_LETTERS + 1):
            await w.letters.send(TaskMessage.of(task).to_body())
            await asyncio.sleep(31)
        assert (await w.task(task.task_id)).attempt == 1
        assert w.letters.messages == []
        ended = await w.ended(task.task_id)
        assert (ended.status, ended.attempts_left) == (COMPLETED, MAX_ATTEMPTS - 1)


@schedule
async def two_undertakers_find_the_same_letter() -> None:
    async with world() as w:
        orchestrators = [w.orchestrator(), w.orchestrator()]
        task = await orchestrators[0].submit()
        w.queue.messages.clear()
        await w.letters.send(TaskMessage.of(task).to_body())
        for orchestrator in orchestrators:
            w.sweep(orchestrator)
        await asyncio.sleep(100)
        revived = await w.task(task.task_id)
        assert 1 <= revived.dead_letters < MAX_DEAD_LETTERS
        assert len(w.queue.messages) == 1
        w.adapter(w.service())
        await completed_once(w, task.task_id)


# --- Of tasks that they end ---------------------------------------------------------------


@schedule
async def a_message_keeps_dying_and_an_operator_redrives_it() -> None:
    async with world() as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        for _ in range(MAX_DEAD_LETTERS + 1):
            w.queue.messages.clear()
            await w.letters.send(TaskMessage.of(task).to_body())
            await asyncio.sleep(31)
        dead = await w.task(task.task_id)
        assert dead.failure is not None
        assert dead.failure.code == "dead_letter"
        assert len(w.letters.messages) == 1

        alive = await advance(w.store, dead, lambda found: found.redrive(now=clock()))
        await send(alive, now=clock(), queue=w.queue, store=w.store)
        w.adapter(w.service())
        assert (await w.ended(task.task_id)).status is COMPLETED
        await asyncio.sleep(100)
        assert w.letters.messages == []


@schedule
async def a_message_kills_its_receiver_every_time() -> None:
    """Before it can claim, so that no attempt counts: the dead-letter queue sees the end of it."""
    async with world(visibility=90.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        task = await orchestrator.submit()
        service = w.service()

        def die(call: str) -> Trouble:
            if call == "get":
                w.adapters[-1].line.kill()
            return None

        for _ in range(60):
            w.store_trouble = die
            victim = w.adapter(service, deliveries=1)
            await asyncio.sleep(91)
            await victim.kill()
        w.store_trouble = lambda _: None
        dead = await w.task(task.task_id)
        assert dead.failure is not None
        assert (dead.failure.code, dead.attempt) == ("dead_letter", 0)
        assert w.runs(task.task_id) == 0
        await asyncio.sleep(100)
        assert w.letters.messages, "nothing is left for the operator"


@schedule
async def a_dead_letter_whose_task_has_no_attempt_left() -> None:
    """It fails at once instead of being sent again, and an operator's redrive is a new start."""
    async with world(seconds=lambda _: 100.0) as w:
        orchestrator = w.orchestrator()
        task = await orchestrator.submit()
        for number in range(1, MAX_ATTEMPTS + 1):
            w.queue.messages.clear()
            await w.queue.send(TaskMessage.of(task).to_body())
            victim = w.adapter(w.service())
            await asyncio.sleep(5)
            assert (await w.task(task.task_id)).attempt == number
            await victim.kill()
            await asyncio.sleep(LEASE + END_MARGIN_SECONDS + 1)
        w.queue.messages.clear()
        await w.letters.send(TaskMessage.of(task).to_body())
        w.sweep(orchestrator)
        dead = await w.ended(task.task_id, seconds=PROMPTLY)
        assert dead.failure is not None
        assert (dead.failure.code, dead.dead_letters) == ("dead_letter", 0)
        await asyncio.sleep(100)
        assert len(w.letters.messages) == 1  # stays for the operator

        alive = await advance(w.store, dead, lambda found: found.redrive(now=clock()))
        await send(alive, now=clock(), queue=w.queue, store=w.store)
        w.adapter(w.service())
        ended = await w.ended(task.task_id)
        assert (ended.status, ended.attempt) == (COMPLETED, MAX_ATTEMPTS + 1)
