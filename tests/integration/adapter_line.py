"""One lane on the embedded backend, with a service and as many consumers as a test starts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded.character_store import EmbeddedCharacterStore
from short_drama.backends.embedded.claiming_queue import EmbeddedClaimingQueue
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.consent_gate import ConsentGate
from short_drama.domain.audit import AuditLine
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.orchestrator.dead_letters import LaneQueues
from short_drama.orchestrator.sweeper import Sweeper
from short_drama.ports import TaskStore
from short_drama.sqs_adapter.attempt import LeaseTimes
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.decide import RetryPolicy
from short_drama.sqs_adapter.handler import Limits
from short_drama.sqs_adapter.job_client import PATIENCE_SECONDS, JobClient
from tests import patience
from tests.integration.fake_job_service import FakeJob, FakeService
from tests.samples import a_task

GPU = Lane.GPU
MAX_RECEIVES = 20
SOON = 1.0 * patience.factor()


async def eventually(happens: Callable[[], Awaitable[bool]]) -> None:
    """For what tells nobody that it has changed."""
    async with asyncio.timeout(patience.SOON):
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

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        await self.awake.wait()
        return await super().replace(task, line=line)

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        await self.awake.wait()
        return await super().wait_for_change(task_id, version, timeout=timeout)


class FailingStore(EmbeddedTaskStore):
    """A store that cannot be written while `broken`."""

    broken = False

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        if self.broken:
            raise Unavailable("no answer")
        return await super().replace(task, line=line)


class ForgetfulStore(EmbeddedTaskStore):
    """A store that writes, and then does not answer, so often as a test wants."""

    answers_to_lose = 0

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        stored = await super().replace(task, line=line)
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise Unavailable("no answer")
        return stored


@dataclass
class WorkedLine:
    """One lane: its backend, its service, and the consumers a test starts."""

    database: Database
    wakeups: Wakeups
    service: FakeService
    store: EmbeddedTaskStore = field(init=False)
    queue: EmbeddedClaimingQueue = field(init=False)
    apart: EmbeddedTaskQueue = field(init=False)
    """The same one, for a store of the test's own: it claims nothing past that."""
    dead_letters: EmbeddedTaskQueue = field(init=False)
    sweeper: Sweeper = field(init=False)
    opened: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = EmbeddedTaskStore(self.database, self.wakeups)
        limits: Any = {"dead_letter": GPU.dead_letter_queue, "max_receives": MAX_RECEIVES}
        self.queue = EmbeddedClaimingQueue(self.database, self.wakeups, GPU.queue, **limits)
        self.apart = EmbeddedTaskQueue(self.database, self.wakeups, GPU.queue, **limits)
        self.dead_letters = EmbeddedTaskQueue(self.database, self.wakeups, GPU.dead_letter_queue)
        lines = {GPU: LaneQueues(queue=self.queue, dead_letters=self.dead_letters)}
        self.sweeper = Sweeper(self.store, lines, every=0.05, dead_letters_every=0.05)

    async def consumer(
        self,
        name: str = "alice",
        *,
        lease: float = 60.0,
        visibility: float = 300.0,
        drain: float = 5.0,
        deliveries: int = 1,
        most_each: int = 0,
        poll: float = 0.02,
        patient_for: float = PATIENCE_SECONDS,
        progress: float = 0.03,
        store: TaskStore | None = None,
    ) -> tuple[Consumer, asyncio.Task[None]]:
        client = JobClient(self.service.url, poll=poll, patience=patient_for)
        jobs = await self.opened.enter_async_context(client)
        limits = Limits(
            deliveries=deliveries,
            most_each=most_each,
            wait=0.05,
            drain=drain,
            times=LeaseTimes(lease=lease, progress=progress, visibility=visibility),
            policy=RetryPolicy(base=0.005, cap=0.02),
        )
        consumer = Consumer(
            name,
            limits,
            queue=self.queue if store is None else self.apart,
            store=store or self.store,
            jobs=jobs,
            gate=ConsentGate(EmbeddedCharacterStore(self.database)),
        )
        run = asyncio.create_task(consumer.run())
        self.running.append(run)
        return consumer, run

    async def task(self, task_id: str = "t1", **changes: Any) -> Task:
        now = time.time()
        return await self.store.create(a_task(task_id, created_at=now, updated_at=now, **changes))

    async def until(
        self, wanted: Callable[[Task], bool], task_id: str = "t1", *, seconds: float = patience.SOON
    ) -> Task:
        """The task once it is as wanted."""
        async with asyncio.timeout(seconds):
            task = await self.store.get(task_id)
            while task is None or not wanted(task):
                version = task.version if task else 0
                task = await self.store.wait_for_change(task_id, version, timeout=1)
            return task

    async def ended(self, task_id: str = "t1", *, seconds: float = patience.SOON) -> Task:
        return await self.until(lambda task: task.status.is_terminal, task_id, seconds=seconds)

    async def receives(self) -> list[int]:
        """How often each message that is left has been received."""
        return await self.database.read(
            lambda db: [row[0] for row in db.execute("SELECT receives FROM messages")]
        )

    @contextlib.asynccontextmanager
    async def swept(self) -> AsyncIterator[None]:
        """With an orchestrator's sweeper at work."""
        sweeping = asyncio.create_task(self.sweeper.run())
        yield
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)

    async def idle(self) -> None:
        """Until no message is left."""

        async def empty() -> bool:
            depth = await self.queue.depth()
            return depth.waiting + depth.in_flight == 0

        await eventually(empty)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[WorkedLine]:
    async with (
        Database(tmp_path / "tasks.db") as database,
        Wakeups(tmp_path) as wakeups,
        FakeService().serving() as service,
    ):
        line = WorkedLine(database, wakeups, service)
        async with line.opened:
            yield line
            for run in line.running:
                run.cancel()
            await asyncio.gather(*line.running, return_exceptions=True)


async def held(job: FakeJob) -> None:
    """A job that stays in its engine until the test says otherwise."""
    job.tell(status="processing", stage="running")
