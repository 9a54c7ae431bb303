"""What may go wrong, one schedule each: exact, and in milliseconds whatever time they span."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random

from short_drama.domain.errors import (
    EngineFailed,
    IdempotencyKeyReused,
    TaskConflict,
    Throttled,
    Unavailable,
)
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import MAX_ATTEMPTS, MAX_DEAD_LETTERS, TaskStatus
from short_drama.orchestrator.outbox import send
from short_drama.ports import advance
from tests.protocol.virtual_time import clock
from tests.protocol.world import LEASE, VISIBILITY, Trouble, World, world

Schedule = Callable[[], Awaitable[None]]
SCHEDULES: dict[str, Schedule] = {}

RECOVERY = LEASE + 5.0
COMPLETED, FAILED = TaskStatus.COMPLETED, TaskStatus.FAILED


def schedule(function: Schedule) -> Schedule:
    SCHEDULES[function.__name__] = function
    return function


def once(call: str, trouble: Trouble) -> Callable[[str], Trouble]:
    """The first such call has the trouble, no other has."""
    left = [call]

    def decide(name: str) -> Trouble:
        if name in left:
            left.remove(name)
            return trouble
        return None

    return decide


async def completed_once(w: World, task_id: str, *, seconds: float = 600.0) -> None:
    task = await w.ended(task_id, seconds=seconds)
    assert task.status is COMPLETED, task.failure
    assert (task.attempt, w.runs(task_id)) == (1, 1)


async def drained(w: World) -> None:
    """Until no message is left."""
    for _ in range(3000):
        if not w.queue.messages:
            return
        await asyncio.sleep(1.0)
    raise AssertionError(f"{len(w.queue.messages)} messages are left")


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
async def a_backlog_is_worked_off_without_being_flooded() -> None:
    async with world(seconds=lambda _: 20.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(orchestrator)
        tasks = [await orchestrator.submit() for _ in range(200)]
        w.adapter(w.service())
        for task in tasks:
            await completed_once(w, task.task_id, seconds=5000)
        await drained(w)


# --- Workers that die, stall and wake -----------------------------------------------------


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
async def a_worker_whose_clock_is_wrong() -> None:
    """Ninety seconds fast or slow: work may be done twice, but nothing is harmed."""
    for skew in (-90.0, 90.0):
        async with world(seconds=lambda _: 100.0) as w:
            orchestrator = w.orchestrator()
            w.sweep(orchestrator)
            w.adapter(w.service())
            w.adapter(w.service(), skew=skew)
            tasks = [await orchestrator.submit() for _ in range(6)]
            for task in tasks:
                assert (await w.ended(task.task_id, seconds=4000)).status is COMPLETED


@schedule
async def a_sweeper_whose_clock_is_fast_disturbs_no_worker() -> None:
    async with world(seconds=lambda _: 200.0) as w:
        orchestrator = w.orchestrator()
        w.sweep(w.orchestrator(skew=90.0))
        service = w.service()
        w.adapter(service)
        w.adapter(service)
        task = await orchestrator.submit()
        await completed_once(w, task.task_id)


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


# --- Dead letters -------------------------------------------------------------------------


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
        service.failures[task.task_id] = [Throttled("slow down", after=100.0)]
        w.adapter(service)
        await w.until(lambda found: found.attempt == 1 and not found.lease_owner, task.task_id)
        await w.letters.send(TaskMessage.of(task).to_body())
        ended = await w.ended(task.task_id)
        assert (ended.status, ended.dead_letters) == (COMPLETED, 1)
        assert w.letters.messages == []


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


# --- Cancel and deadline ------------------------------------------------------------------


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


# --- Services and AWS that come and go ----------------------------------------------------


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
        assert max(message.receives for message in w.queue.messages) <= 2
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
    """Whether or not it was stored in truth, it is made anew and stored under a name of its own."""
    for trouble in ("before", "after"):
        async with world(asset_trouble=once("put", trouble)) as w:
            orchestrator = w.orchestrator()
            task = await orchestrator.submit()
            w.adapter(w.service())
            ended = await w.ended(task.task_id)
            assert (ended.status, ended.attempt, w.runs(task.task_id)) == (COMPLETED, 2, 2)


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


def sometimes(rng: Random, share: float) -> Callable[[str], Trouble]:
    def decide(_: str) -> Trouble:
        if rng.random() >= share:
            return None
        return "before" if rng.random() < 0.5 else "after"

    return decide
