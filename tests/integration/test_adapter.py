"""The adapter against API services of every temper, on the embedded backend."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.task import MAX_ATTEMPTS, Task, TaskStatus
from short_drama.orchestrator.sweeper import Lines, Sweeper
from short_drama.ports import TaskStore, advance
from short_drama.sqs_adapter.attempt import LeaseTimes
from short_drama.sqs_adapter.consumer import Consumer, Limits
from short_drama.sqs_adapter.decide import RetryPolicy
from short_drama.sqs_adapter.job_client import JobClient
from tests.integration.fake_job_service import FakeJob, FakeService
from tests.samples import a_task

GPU = Lane.GPU
MAX_RECEIVES = 20
SOON = 1.0


async def eventually(happens: Callable[[], Awaitable[bool]]) -> None:
    """For what tells nobody that it has changed."""
    async with asyncio.timeout(10):
        while True:
            if await happens():
                return
            await asyncio.sleep(0.01)


class StallingStore(EmbeddedTaskStore):
    """The store of a worker that can be made to hang: nothing it writes or waits for goes on."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        super().__init__(database, wakeups)
        self.awake = asyncio.Event()
        self.awake.set()

    async def replace(self, task: Task) -> Task:
        await self.awake.wait()
        return await super().replace(task)

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        await self.awake.wait()
        return await super().wait_for_change(task_id, version, timeout=timeout)


class FailingStore(EmbeddedTaskStore):
    """A store that cannot be written while `broken`."""

    broken = False

    async def replace(self, task: Task) -> Task:
        if self.broken:
            raise Unavailable("no answer")
        return await super().replace(task)


@dataclass
class Line:
    """One lane: its backend, its service, and the consumers a test starts."""

    database: Database
    wakeups: Wakeups
    service: FakeService
    store: EmbeddedTaskStore = field(init=False)
    queue: EmbeddedTaskQueue = field(init=False)
    dead_letters: EmbeddedTaskQueue = field(init=False)
    sweeper: Sweeper = field(init=False)
    opened: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = EmbeddedTaskStore(self.database, self.wakeups)
        self.queue = EmbeddedTaskQueue(
            self.database,
            self.wakeups,
            GPU.queue,
            dead_letter=GPU.dead_letter_queue,
            max_receives=MAX_RECEIVES,
        )
        self.dead_letters = EmbeddedTaskQueue(self.database, self.wakeups, GPU.dead_letter_queue)
        lines = {GPU: Lines(queue=self.queue, dead_letters=self.dead_letters)}
        self.sweeper = Sweeper(self.store, lines)

    async def consumer(
        self,
        name: str = "alice",
        *,
        lease: float = 60.0,
        drain: float = 5.0,
        concurrency: int = 1,
        poll: float = 0.02,
        store: TaskStore | None = None,
    ) -> tuple[Consumer, asyncio.Task[None]]:
        jobs = await self.opened.enter_async_context(JobClient(self.service.url, poll=poll))
        limits = Limits(
            concurrency=concurrency,
            wait=0.05,
            drain=drain,
            times=LeaseTimes(lease=lease, progress=0.03),
            policy=RetryPolicy(base=0.005, cap=0.02),
        )
        consumer = Consumer(
            GPU, name, limits, queue=self.queue, store=store or self.store, jobs=jobs
        )
        run = asyncio.create_task(consumer.run())
        self.running.append(run)
        return consumer, run

    async def task(self, task_id: str = "t1", **changes: Any) -> Task:
        now = time.time()
        return await self.store.create(a_task(task_id, created_at=now, updated_at=now, **changes))

    async def until(
        self, wanted: Callable[[Task], bool], task_id: str = "t1", *, seconds: float = 10.0
    ) -> Task:
        """The task once it is as wanted."""
        async with asyncio.timeout(seconds):
            task = await self.store.get(task_id)
            while task is None or not wanted(task):
                version = task.version if task else 0
                task = await self.store.wait_for_change(task_id, version, timeout=1)
            return task

    async def ended(self, task_id: str = "t1", *, seconds: float = 10.0) -> Task:
        return await self.until(lambda task: task.status.is_terminal, task_id, seconds=seconds)

    async def receives(self) -> list[int]:
        """How often each message that is left has been received."""
        return await self.database.read(
            lambda db: [row[0] for row in db.execute("SELECT receives FROM messages")]
        )

    async def idle(self) -> None:
        """Until no message is left."""

        async def empty() -> bool:
            depth = await self.queue.depth()
            return depth.waiting + depth.in_flight == 0

        await eventually(empty)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with (
        Database(tmp_path / "tasks.db") as database,
        Wakeups(tmp_path) as wakeups,
        FakeService().serving() as service,
    ):
        line = Line(database, wakeups, service)
        async with line.opened:
            yield line
            for run in line.running:
                run.cancel()
            await asyncio.gather(*line.running, return_exceptions=True)


async def held(job: FakeJob) -> None:
    """A job that stays in its engine until the test says otherwise."""
    job.tell(status="processing", stage="running")


# --- How jobs end -------------------------------------------------------------------------


async def test_a_job_is_posted_under_its_tasks_name_and_its_result_recorded(line: Line) -> None:
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert line.service.posts == [("t1", 1)]
    assert line.service.jobs[0].request == dict(task.request)
    assert task.status is TaskStatus.COMPLETED
    assert task.outcome is not None
    assert (task.outcome.result_key, task.outcome.engine) == ("images/job-1.png", "fake")
    assert task.api_job_id == "job-1"
    await line.idle()


async def test_a_retryable_failure_is_tried_again(line: Line) -> None:
    async def flaky(job: FakeJob) -> None:
        job.fail(retryable=True)

    line.service.scripts.insert(0, flaky)
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt, task.attempts_left) == (
        TaskStatus.COMPLETED,
        2,
        MAX_ATTEMPTS - 2,
    )
    assert line.service.posts == [("t1", 1), ("t1", 2)]


async def test_a_failure_that_never_stops_ends_the_task_with_its_own_reason(line: Line) -> None:
    async def flaky(job: FakeJob) -> None:
        job.fail("engine_failed", retryable=True)

    line.service.scripts = [flaky]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.FAILED, MAX_ATTEMPTS)
    assert task.failure is not None
    assert (task.failure.code, task.failure.message) == ("engine_failed", "it broke")
    await line.idle()


async def test_a_permanent_failure_is_final_at_once(line: Line) -> None:
    async def broken(job: FakeJob) -> None:
        job.fail("no_face_found")

    line.service.scripts = [broken]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.FAILED, 1)
    assert task.failure is not None
    assert task.failure.code == "no_face_found"
    await line.idle()


async def test_a_job_that_is_refused_fails_the_task_with_field_and_fix(line: Line) -> None:
    problem = {"code": "invalid_request", "detail": "zoom: no", "field": "zoom", "fix": "do"}
    line.service.answers = [lambda: web.json_response(problem, status=422)]
    await line.task()
    await line.consumer()
    failure = (await line.ended()).failure
    assert failure is not None
    assert failure.to_json() == {
        "code": "invalid_request",
        "message": "zoom: no",
        "retryable": False,
        "field": "zoom",
        "fix": "do",
    }


# --- Services that come and go ------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.json_response({"code": "unavailable", "retryable": True}, status=503),
        lambda: web.json_response({"detail": "slow down"}, status=503),
        lambda: web.Response(text="<html>Bad Gateway</html>", status=502),
        lambda: web.Response(status=500),
        lambda: web.json_response(["what"], status=202),
        lambda: web.json_response({"status": "pending"}, status=202),
        lambda: web.Response(body=b"\xff\xfe", status=202),
    ],
    ids=["503", "bare 503", "502 page", "500 empty", "a list", "no job id", "not UTF-8"],
)
async def test_an_answer_that_makes_no_sense_is_not_held_against_the_task(
    line: Line, answer: Callable[[], web.StreamResponse]
) -> None:
    line.service.answers = [answer, answer]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 3)
    assert task.attempts_left == MAX_ATTEMPTS - 1


async def test_a_service_that_is_down_is_waited_for_and_costs_no_attempt(line: Line) -> None:
    line.service.down = True
    await line.task()
    await line.consumer()
    tries = MAX_ATTEMPTS + 2
    await line.service.tried(tries)
    waiting = await line.store.get("t1")
    assert waiting is not None
    assert not waiting.status.is_terminal
    line.service.down = False
    task = await line.ended()
    assert task.status is TaskStatus.COMPLETED
    assert task.attempt > tries
    assert task.attempts_left == MAX_ATTEMPTS - 1


async def test_a_connection_lost_while_following_joins_the_same_job_again(line: Line) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    line.service.down = True
    job.tell(progress=0.1)  # the long poll is answered, the next one is not
    await line.until(lambda task: task.attempt >= 2)
    line.service.down = False
    job.complete()
    task = await line.ended()
    assert (task.status, len(line.service.jobs)) == (TaskStatus.COMPLETED, 1)
    assert task.attempts_left == MAX_ATTEMPTS - 1


async def test_a_service_that_forgot_the_job_is_given_it_again(line: Line) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    await line.service.posted()
    line.service.scripts = [held]
    line.service.forget()
    job = await line.service.posted(2)
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert line.service.posts == [("t1", 1), ("t1", 1)]
    assert task.api_job_id == job.job_id


async def test_a_service_without_long_polls_is_asked_again_and_again(line: Line) -> None:
    line.service.old = True
    line.service.scripts = [held]
    await line.task()
    await line.consumer(poll=0.02)
    job = await line.service.posted()
    await asyncio.sleep(0.1)
    looks = line.service.looks
    job.complete()
    task = await line.ended(seconds=SOON)
    assert 2 <= looks <= 8
    assert task.outcome is not None
    assert task.outcome.result_url == "http://old/images/job-1.png"
    assert task.outcome.result_key is None


async def test_an_older_services_failure_is_a_sentence(line: Line) -> None:
    async def broken(job: FakeJob) -> None:
        job.fail()

    line.service.old = True
    line.service.scripts = [broken]
    await line.task()
    await line.consumer()
    failure = (await line.ended()).failure
    assert failure is not None
    assert (failure.code, failure.message) == ("engine_failed", "it broke")


async def test_a_service_with_long_polls_is_not_asked_in_between(line: Line) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer(poll=0.001)
    job = await line.service.posted()
    await asyncio.sleep(0.15)
    assert line.service.looks <= 3
    job.complete()
    await line.ended(seconds=SOON)


# --- Progress -----------------------------------------------------------------------------


async def test_progress_reaches_the_record(line: Line) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    for share in (0.2, 0.6):
        job.tell(progress=share)
        found = share
        task = await line.until(lambda task: task.progress == found, seconds=SOON)  # noqa: B023
        assert (task.stage, task.attempt) == ("running", 1)
        assert task.lease_until is not None
        assert task.lease_until > time.time() + 55


async def test_news_that_comes_once_and_early_is_written_soon_nevertheless(line: Line) -> None:
    async def early(job: FakeJob) -> None:
        job.tell(status="processing", stage="running", progress=0.5)

    line.service.scripts = [early]
    await line.task()
    await line.consumer()
    task = await line.until(lambda task: task.progress == 0.5, seconds=SOON)
    assert task.stage == "running"


async def test_much_progress_is_few_writes(line: Line) -> None:
    async def chatty(job: FakeJob) -> None:
        job.tell(status="processing", stage="running")
        for step in range(100):
            job.tell(progress=step / 100)
            await asyncio.sleep(0.001)
        job.complete()

    line.service.scripts = [chatty]
    await line.task()
    await line.consumer()
    assert (await line.ended()).version < 30


async def test_progress_that_makes_no_sense_is_not_passed_on(line: Line) -> None:
    async def odd(job: FakeJob) -> None:
        job.tell(status="processing", stage=["?"], progress="50 %")
        await asyncio.sleep(0.1)
        job.tell(progress=50)
        await asyncio.sleep(0.1)
        job.tell(stage="running", progress=0.5)

    line.service.scripts = [odd]
    await line.task()
    await line.consumer()
    task = await line.until(lambda task: task.progress is not None)
    assert (task.stage, task.progress) == ("running", 0.5)


# --- Cancel and deadline ------------------------------------------------------------------


async def test_cancelling_a_task_stops_its_job_within_a_second(line: Line) -> None:
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


async def test_a_task_cancelled_while_it_waits_is_never_posted(line: Line) -> None:
    task = await line.task()
    await line.store.replace(task.cancel(now=time.time()))
    await line.consumer()
    await line.idle()
    assert line.service.posts == []


async def test_a_result_that_comes_after_the_cancel_is_refused(line: Line) -> None:
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


async def test_a_deadline_ends_a_running_task_and_its_job(line: Line) -> None:
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


async def test_a_task_past_its_deadline_never_starts(line: Line) -> None:
    await line.task(deadline=time.time() - 1)
    await line.consumer()
    task = await line.ended()
    assert task.failure is not None
    assert task.failure.code == "deadline_exceeded"
    assert line.service.posts == []
    await line.idle()


# --- Leases -------------------------------------------------------------------------------


async def test_a_task_longer_than_three_leases_runs_once(line: Line) -> None:
    line.service.scripts = [held]
    await line.task()
    lease = 0.6
    for name in ("alice", "bob"):
        await line.consumer(name, lease=lease)
    job = await line.service.posted()
    await asyncio.sleep(3.2 * lease)
    assert await line.receives() == [1]
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert line.service.posts == [("t1", 1)]
    await line.idle()


async def test_a_worker_that_slept_cannot_finish_what_another_has_taken(line: Line) -> None:
    """It wakes with the result in its hands, after another worker has recorded the end."""
    store = StallingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    await line.consumer("zombie", lease=0.3, store=store)
    job = await line.service.posted()
    store.awake.clear()
    job.complete()
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


async def test_a_worker_that_slept_does_not_stop_the_job_another_has_joined(line: Line) -> None:
    store = StallingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    await line.consumer("zombie", lease=0.3, store=store)
    job = await line.service.posted()
    store.awake.clear()
    await line.consumer("bob")
    await line.service.posted(2)
    await line.until(lambda task: task.attempt == 2 and task.api_job_id == job.job_id)
    store.awake.set()
    await line.service.deleted.wait()
    assert line.service.deletes == [(job.job_id, 1)]
    assert not job.ended
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt, len(line.service.jobs)) == (TaskStatus.COMPLETED, 2, 1)


async def test_a_worker_that_cannot_renew_its_lease_in_time_stops_its_job(line: Line) -> None:
    store = FailingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    await line.consumer(lease=0.4, store=store)
    job = await line.service.posted()
    store.broken = True
    async with asyncio.timeout(2):
        await line.service.deleted.wait()
    assert (job.status, line.service.deletes) == ("cancelled", [(job.job_id, 1)])
    store.broken = False
    (await line.service.posted(2)).complete()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)


async def test_a_store_that_fails_for_less_than_a_lease_disturbs_nothing(line: Line) -> None:
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


async def test_a_second_message_of_a_running_task_waits_for_the_lease(line: Line) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer(concurrency=2)
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


async def test_stopping_an_idle_consumer_is_quick(line: Line) -> None:
    consumer, run = await line.consumer()
    consumer.stop()
    await asyncio.wait_for(run, SOON)


async def test_stopping_finishes_what_is_held_and_takes_nothing_new(line: Line) -> None:
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


async def test_the_lease_is_kept_while_draining(line: Line) -> None:
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


async def test_what_does_not_finish_in_time_is_given_back_and_joined(line: Line) -> None:
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


async def test_no_more_is_held_than_may_run(line: Line) -> None:
    line.service.scripts = [held]
    for number in range(5):
        await line.task(f"t{number}")
    await line.consumer(concurrency=2)
    await line.service.posted(2)
    await asyncio.sleep(0.1)
    depth = await line.queue.depth()
    assert (depth.in_flight, len(line.service.posts)) == (2, 2)
    line.service.jobs[0].complete()
    await line.service.posted(3)


# --- Dead letters and the sweeper ---------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["not ours", "{}", json.dumps({"task_id": "gone", "task_type": "k", "api_path": "/p"})],
)
async def test_a_message_that_names_no_task_ends_as_a_dead_letter_and_is_dropped(
    line: Line, body: str
) -> None:
    await line.queue.send(body)
    await line.consumer()
    await line.idle()
    assert (await line.dead_letters.depth()).waiting == 1
    await line.sweeper.sweep()
    depth = await line.dead_letters.depth()
    assert (depth.waiting, depth.in_flight) == (0, 0)
    await line.task()
    assert (await line.ended()).status is TaskStatus.COMPLETED


async def bury(line: Line, task: Task) -> None:
    delivery = await line.queue.receive(wait=1, lease=60)
    assert delivery is not None
    await line.queue.ack(delivery)
    await line.dead_letters.send(delivery.body)
    await line.sweeper.sweep()


async def test_a_dead_letters_task_has_failed(line: Line) -> None:
    await bury(line, await line.task())
    task = await line.ended()
    assert task.failure is not None
    assert task.failure.code == "dead_letter"
    assert (await line.dead_letters.depth()).in_flight == 0


async def test_a_dead_letter_of_a_task_somebody_works_on_is_left(line: Line) -> None:
    task = await line.task()
    claimed = await line.store.replace(task.claim("alice", now=time.time(), lease=60))
    await bury(line, claimed)
    assert await line.store.get("t1") == claimed
    assert (await line.dead_letters.depth()).in_flight == 1


async def test_a_dead_letter_of_an_ended_task_is_dropped(line: Line) -> None:
    task = await line.task()
    ended = await line.store.replace(task.cancel(now=time.time()))
    await bury(line, ended)
    assert await line.store.get("t1") == ended
    assert (await line.dead_letters.depth()).in_flight == 0


async def lose_message(line: Line) -> None:
    delivery = await line.queue.receive(wait=1, lease=60)
    assert delivery is not None
    await line.queue.ack(delivery)


async def test_a_message_that_was_never_sent_is_sent_once_by_many_sweepers(line: Line) -> None:
    task = await line.task()
    await lose_message(line)
    await line.store.replace(task.sent(resend_at=time.time() - 1))
    await asyncio.gather(*(line.sweeper.sweep() for _ in range(5)))
    assert (await line.queue.depth()).waiting == 1
    await line.consumer()
    assert (await line.ended()).status is TaskStatus.COMPLETED


async def test_a_dead_workers_lost_message_is_sent_again(line: Line) -> None:
    task = await line.task()
    await lose_message(line)
    await line.store.replace(task.claim("dead", now=time.time() - 100, lease=60))
    await line.sweeper.sweep()
    await line.sweeper.sweep()
    assert (await line.queue.depth()).waiting == 1
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
