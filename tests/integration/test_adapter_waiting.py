"""What the adapter writes of a job that waits in its service."""

import asyncio
import time

import pytest

from short_drama.domain.task_state import TaskStatus
from tests.integration.adapter_line import SOON, WorkedLine
from tests.integration.fake_job_service import FakeJob


async def waiting(job: FakeJob) -> None:
    """A job that waits in its service until the test says otherwise."""
    job.tell(status="processing", stage="queued", queue_position=3, eta_seconds=30.0)


async def test_a_place_in_the_service_reaches_the_record_and_goes_when_the_job_begins(
    line: WorkedLine,
) -> None:
    line.service.scripts = [waiting]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    task = await line.until(lambda task: task.queue_position == 3, seconds=SOON)
    assert (task.status, task.stage) == (TaskStatus.PROCESSING, "queued")
    assert task.expected_at == pytest.approx(time.time() + 30, abs=SOON)
    job.tell(queue_position=1, eta_seconds=10.0)
    await line.until(lambda task: task.queue_position == 1, seconds=SOON)
    job.tell(stage="running", queue_position=None, eta_seconds=None)
    task = await line.until(lambda task: task.stage == "running", seconds=SOON)
    assert (task.queue_position, task.expected_at) == (None, None)


async def test_times_are_written_with_something_else_only(line: WorkedLine) -> None:
    line.service.scripts = [waiting]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    before = await line.until(lambda task: task.queue_position == 3, seconds=SOON)
    for seconds in range(10):
        job.tell(eta_seconds=29.0 - seconds, queued_seconds=1.0 + seconds)
        await asyncio.sleep(0.05)
    after = await line.store.get("t1")
    assert after == before
    job.tell(queue_position=2)
    task = await line.until(lambda task: task.queue_position == 2, seconds=SOON)
    assert task.version == before.version + 1
    assert task.waited is not None
    assert task.waited > 10.0


async def test_places_ride_on_heartbeats_where_writes_are_paid_for(line: WorkedLine) -> None:
    line.service.scripts = [waiting]
    await line.task()
    await line.consumer(lease=1.5, progress=20.0)
    job = await line.service.posted()
    before = await line.until(lambda task: task.queue_position == 3)
    for place in range(60, 10, -1):
        job.tell(queue_position=place)
        await asyncio.sleep(0.03)
    after = await line.until(lambda task: task.queue_position == 11)
    assert after.version - before.version <= 5
    assert after.attempt == 1


async def test_what_was_waited_is_in_the_record_at_the_end(line: WorkedLine) -> None:
    async def told_at_the_end(job: FakeJob) -> None:
        job.queued_seconds = 70.0
        job.complete()

    line.service.scripts = [told_at_the_end]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert task.waited == pytest.approx(70.0, abs=SOON)
    assert (task.queue_position, task.expected_at) == (None, None)


async def test_each_attempt_adds_what_it_waited(line: WorkedLine) -> None:
    async def first(job: FakeJob) -> None:
        job.queued_seconds = 30.0
        job.fail("engine_interrupted", retryable=True)

    async def second(job: FakeJob) -> None:
        job.queued_seconds = 5.0
        job.complete()

    line.service.scripts = [first, second]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert task.attempt == 2
    assert task.waited == pytest.approx(35.0, abs=SOON)


async def test_what_each_attempt_was_at_is_in_the_record_of_a_failed_task(line: WorkedLine) -> None:
    async def broken_off(job: FakeJob) -> None:
        job.stage_seconds = {"in_lane": 30.0, "preparing": 1.0, "engine": 4.0, "rest": 9.0}
        job.fail("engine_interrupted", retryable=True)

    async def failed(job: FakeJob) -> None:
        job.stage_seconds = {"in_lane": -3.0, "engine": 2.5, "publishing": "long"}  # type: ignore[dict-item]
        job.fail()

    line.service.scripts = [broken_off, failed]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert task.attempt == 2
    assert task.stage_times is not None
    told = ("in_lane", "preparing", "engine", "publishing")
    times = [task.stage_times[account] for account in told]
    assert times == pytest.approx([30.0, 1.0, 6.5, 0.0], abs=SOON)
    assert set(task.stage_times) == {"queued", "waiting:retry", *told}


async def test_what_is_given_back_while_it_waits_has_waited_all_the_while(line: WorkedLine) -> None:
    line.service.scripts = [waiting]
    await line.task()
    consumer, run = await line.consumer(drain=0.05)
    await line.until(lambda task: task.stage == "queued")
    started = time.monotonic()
    await asyncio.sleep(0.6)
    consumer.stop()
    await run
    task = await line.until(lambda task: task.status is TaskStatus.PENDING)
    assert task.waited is not None
    assert task.waited >= time.monotonic() - started - 0.3


async def test_what_an_older_service_processes_runs(line: WorkedLine) -> None:
    """It tells no stage, and so no place either."""
    line.service.old = True

    async def processing(job: FakeJob) -> None:
        job.tell(status="processing")

    line.service.scripts = [processing]
    await line.task()
    await line.consumer()
    task = await line.until(lambda task: task.stage is not None, seconds=SOON)
    assert (task.stage, task.queue_position, task.is_waiting) == ("running", None, False)
