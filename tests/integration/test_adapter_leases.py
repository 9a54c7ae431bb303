"""Who holds a task: cancel, leases that lapse, workers that sleep, stops."""

import asyncio
import contextlib
import json
import time

import pytest

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.task_state import TaskStatus
from short_drama.newest import advance
from short_drama.ports import Delivery
from tests.integration.adapter_line import (
    SOON,
    FailingStore,
    ForgetfulStore,
    StallingStore,
    WorkedLine,
    eventually,
    held,
)
from tests.integration.fake_job_service import FakeJob

# --- Cancel and deadline ------------------------------------------------------------------


async def test_cancelling_a_task_stops_its_job_within_a_second(line: WorkedLine) -> None:
    line.service.scripts = [held]
    task = await line.task()
    await line.consumer()
    job = await line.service.posted()
    running = await line.until(lambda found: found.stage == "running")
    await advance(line.store, task, lambda found: found.cancel(now=time.time()))
    async with asyncio.timeout(SOON):
        while not job.ended:
            await job.changed.wait()
    assert line.service.deletes == [(job.job_id, 1)]
    await line.idle()
    final = await line.store.get("t1")
    assert final is not None
    assert (final.status, final.version) == (TaskStatus.CANCELLED, running.version + 1)


async def test_cancelling_a_task_whose_job_is_just_being_accepted_stops_the_job(
    line: WorkedLine,
) -> None:
    line.service.scripts = [held]
    line.service.posting.clear()
    task = await line.task()
    await line.consumer()
    job = await line.service.posted()
    await advance(line.store, task, lambda found: found.cancel(now=time.time()))
    await asyncio.sleep(0.3)
    line.service.posting.set()
    async with asyncio.timeout(SOON):
        while not job.ended:
            await job.changed.wait()
    assert line.service.deletes == [(job.job_id, 1)]
    await line.idle()


async def test_a_task_cancelled_while_it_waits_is_never_posted(line: WorkedLine) -> None:
    task = await line.task()
    await line.store.replace(task.cancel(now=time.time()))
    await line.consumer()
    await line.idle()
    assert line.service.posts == []


async def test_a_result_that_comes_after_the_cancel_is_refused(line: WorkedLine) -> None:
    line.service.scripts = [held]
    task = await line.task()
    await line.consumer()
    job = await line.service.posted()
    job.complete()
    with contextlib.suppress(Exception):  # either may be first; the first one stands
        await advance(line.store, task, lambda found: found.cancel(now=time.time()))
    first = await line.ended()
    await line.idle()
    assert await line.store.get("t1") == first


async def test_a_deadline_ends_a_running_task_and_its_job(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task(deadline=time.time() + 0.3)
    await line.consumer()
    job = await line.service.posted()
    await line.sweeper.sweep()
    early = await line.store.get("t1")
    assert early is not None
    assert early.status is TaskStatus.PROCESSING
    await asyncio.sleep(0.3)
    await line.sweeper.sweep()
    task = await line.ended(seconds=SOON)
    assert task.failure is not None
    assert task.failure.code == "deadline_exceeded"
    async with asyncio.timeout(SOON):
        while not job.ended:
            await job.changed.wait()
    await line.idle()


async def test_a_task_past_its_deadline_never_starts(line: WorkedLine) -> None:
    await line.task(deadline=time.time() - 1)
    await line.consumer()
    task = await line.ended()
    assert task.failure is not None
    assert task.failure.code == "deadline_exceeded"
    assert line.service.posts == []
    await line.idle()


# --- Leases -------------------------------------------------------------------------------


async def test_a_task_longer_than_three_leases_and_visibilities_runs_once(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    lease = 0.6
    for name in ("alice", "bob"):
        await line.consumer(name, lease=lease, visibility=lease)
    async with line.swept():
        job = await line.service.posted()
        await asyncio.sleep(3.2 * lease)
        assert await line.receives() == [1]
        job.complete()
        task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert line.service.posts == [("t1", 1)]
    await line.idle()


async def test_a_message_is_hidden_again_only_when_half_its_visibility_has_passed(
    line: WorkedLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time costs a request; heartbeats come more often than that."""
    extended: list[float] = []

    async def extend(delivery: Delivery, *, lease: float) -> None:
        extended.append(time.monotonic())

    monkeypatch.setattr(line.queue, "extend", extend)
    line.service.scripts = [held]
    await line.task()
    await line.consumer(lease=0.3, visibility=1.0)
    started = time.monotonic()
    job = await line.service.posted()
    await asyncio.sleep(1.3)
    job.complete()
    task = await line.ended()
    assert task.version > 8
    assert 1 <= len(extended) <= 3
    assert extended[0] - started >= 0.5


async def test_a_worker_that_slept_cannot_finish_what_another_has_taken(line: WorkedLine) -> None:
    """It wakes with the result in its hands, after another worker has recorded the end."""
    store = StallingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    await line.consumer("zombie", lease=0.3, store=store)
    job = await line.service.posted()
    store.awake.clear()
    job.complete()
    async with line.swept():
        await line.consumer("bob")
        task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
    store.awake.set()
    await line.task("t2")  # the sleeper works on as if nothing had happened
    job = await line.service.posted(3)
    job.complete()
    await line.ended("t2")
    assert await line.store.get("t1") == task
    await line.idle()


async def test_a_sleeping_workers_task_is_taken_up_within_its_lease_and_five_seconds(
    line: WorkedLine,
) -> None:
    """Though its message stays hidden for five minutes more; and when the sleeper wakes, it does
    not stop the job that another has joined."""
    store = StallingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    await line.consumer("zombie", lease=1.0, visibility=300.0, store=store)
    job = await line.service.posted()
    store.awake.clear()
    async with line.swept():
        await line.consumer("bob")
        await line.service.posted(2)
        await line.until(
            lambda task: task.attempt == 2 and task.api_job_id == job.job_id, seconds=1.0 + 5.0
        )
    store.awake.set()
    await line.service.deleted.wait()
    assert line.service.deletes == [(job.job_id, 1)]
    assert not job.ended
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt, len(line.service.jobs)) == (TaskStatus.COMPLETED, 2, 1)


async def test_a_store_that_does_not_answer_for_longer_than_a_lease_costs_no_work(
    line: WorkedLine,
) -> None:
    """Nobody was able to claim the task meanwhile, so its job may as well finish."""
    store = FailingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    await line.consumer(lease=0.3, store=store)
    job = await line.service.posted()
    store.broken = True
    await asyncio.sleep(0.8)
    job.complete()
    await asyncio.sleep(0.2)
    store.broken = False
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert (line.service.deletes, len(line.service.posts)) == ([], 1)
    await line.idle()


async def test_a_store_that_fails_for_a_moment_disturbs_nothing(line: WorkedLine) -> None:
    store = FailingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    await line.consumer(lease=1.0, store=store)
    job = await line.service.posted()
    before = await line.until(lambda task: task.stage == "running")
    store.broken = True
    job.tell(progress=0.5)
    await asyncio.sleep(0.4)
    store.broken = False
    await line.until(lambda task: task.progress == 0.5, seconds=SOON)
    job.complete()
    task = await line.ended()
    assert (task.attempt, task.started_at) == (1, before.started_at)
    assert line.service.deletes == []


async def test_a_claim_whose_answer_was_lost_is_known_again(line: WorkedLine) -> None:
    store = ForgetfulStore(line.database, line.wakeups)
    store.answers_to_lose = 1
    await line.task()
    await line.consumer(store=store)
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    await line.idle()


async def test_a_giving_back_whose_answer_was_lost_gives_the_message_back_too(
    line: WorkedLine,
) -> None:
    async def flaky(job: FakeJob) -> None:
        store.answers_to_lose = 1
        job.fail(retryable=True)

    store = ForgetfulStore(line.database, line.wakeups)
    line.service.scripts.insert(0, flaky)
    await line.task()
    await line.consumer(store=store)
    task = await line.ended(seconds=5)
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)


async def test_an_end_whose_answer_was_lost_is_acknowledged(line: WorkedLine) -> None:
    async def quick(job: FakeJob) -> None:
        store.answers_to_lose = 1
        job.complete()

    store = ForgetfulStore(line.database, line.wakeups)
    line.service.scripts = [quick]
    await line.task()
    await line.consumer(store=store)
    assert (await line.ended()).status is TaskStatus.COMPLETED
    await line.idle()


async def test_a_second_message_of_a_running_task_waits_for_the_lease(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer(deliveries=2)
    job = await line.service.posted()
    await line.queue.send(json.dumps({"task_id": "t1", "task_type": "k", "api_path": "/p"}))

    async def both_taken() -> bool:
        return (await line.queue.depth()).in_flight == 2

    await eventually(both_taken)
    await asyncio.sleep(0.1)
    assert (await line.queue.depth()).in_flight == 2
    assert line.service.posts == [("t1", 1)]
    job.complete()
    assert (await line.ended()).attempt == 1


# --- Stop ---------------------------------------------------------------------------------


async def test_stopping_an_idle_consumer_is_quick(line: WorkedLine) -> None:
    consumer, run = await line.consumer()
    consumer.stop()
    await asyncio.wait_for(run, SOON)


async def test_stopping_finishes_what_is_held_and_takes_nothing_new(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task("t1")
    await line.task("t2")
    consumer, run = await line.consumer(drain=5)
    job = await line.service.posted()
    consumer.stop()
    await asyncio.sleep(0.1)
    assert not run.done()
    job.complete()
    await asyncio.wait_for(run, SOON)
    assert (await line.ended("t1")).status is TaskStatus.COMPLETED
    waiting = await line.store.get("t2")
    assert waiting is not None
    assert (waiting.status, waiting.attempt) == (TaskStatus.PENDING, 0)
    assert len(line.service.posts) == 1


async def test_the_lease_is_kept_while_draining(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    lease = 0.4
    consumer, run = await line.consumer(lease=lease, drain=5)
    job = await line.service.posted()
    consumer.stop()
    await line.consumer("bob", lease=lease)
    await asyncio.sleep(2.5 * lease)
    job.complete()
    await asyncio.wait_for(run, SOON)
    assert (await line.ended()).attempt == 1
    assert len(line.service.posts) == 1


async def test_what_does_not_finish_in_time_is_given_back_and_joined(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    consumer, run = await line.consumer(drain=0.1)
    job = await line.service.posted()
    await line.until(lambda task: task.stage == "running")
    consumer.stop()
    await asyncio.wait_for(run, SOON)
    back = await line.store.get("t1")
    assert back is not None
    assert (back.status, back.attempts_left) == (TaskStatus.PENDING, MAX_ATTEMPTS)
    assert (await line.queue.depth()).waiting == 1
    assert line.service.deletes == []

    await line.consumer("bob")
    await line.service.posted(2)
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt, len(line.service.jobs)) == (TaskStatus.COMPLETED, 2, 1)


async def test_no_more_is_held_than_may_run(line: WorkedLine) -> None:
    line.service.scripts = [held]
    for number in range(5):
        await line.task(f"t{number}")
    await line.consumer(deliveries=2)
    await line.service.posted(2)
    await asyncio.sleep(0.1)
    depth = await line.queue.depth()
    assert (depth.in_flight, len(line.service.posts)) == (2, 2)
    line.service.jobs[0].complete()
    await line.service.posted(3)
