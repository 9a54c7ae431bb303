"""Processes of the world: they stall and die, reach their ports badly, and serve jobs."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Literal

from short_drama.domain.audit import AuditLine
from short_drama.domain.errors import (
    EngineUnavailable,
    JobNotFound,
    ProviderPaused,
    ShortDramaError,
    Unavailable,
)
from short_drama.domain.kinds import KINDS, CameraAngleRequest, Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import Size
from short_drama.domain.task import Task
from short_drama.jobs.job_api import job_view
from short_drama.jobs.results import publish_once
from short_drama.jobs.runner import Job, JobOrder, JobRunner
from short_drama.sqs_adapter.job_client import AcceptedJob
from tests.protocol.memory import MemoryAssets, MemoryStore
from tests.protocol.virtual_time import clock

KIND = KINDS["camera-angle"]

Trouble = Literal["before", "after"] | None
"""A call fails before it takes effect, or after."""


class Lifeline:
    """A process: while it stalls its calls wait; once it is dead they never return."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()
        self._awake.set()
        self._dead: asyncio.Future[None] | None = None

    def stall(self) -> None:
        self._awake.clear()

    def wake(self) -> None:
        self._awake.set()

    def kill(self) -> None:
        self._dead = asyncio.get_running_loop().create_future()

    def bury(self) -> None:
        """Let even what a dead process would have tidied up come to its end."""
        self._awake.set()
        self._dead = self._dead or asyncio.get_running_loop().create_future()
        self._dead.cancel()

    async def breathe(self) -> None:
        await self._awake.wait()
        if self._dead is not None:
            await self._dead


class Reached:
    """A port as one process reaches it: each call takes a moment, and may fail either way."""

    def __init__(
        self, port: object, line: Lifeline, trouble: Callable[[str], Trouble], latency: float
    ) -> None:
        self._port, self._line, self._trouble, self._latency = port, line, trouble, latency

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._line.breathe()
            await asyncio.sleep(self._latency)
            trouble = self._trouble(name)
            if trouble == "before":
                raise Unavailable(f"{name} was not heard")
            answer = await method(*args, **kwargs)
            await self._line.breathe()
            if trouble == "after":
                raise Unavailable(f"the answer of {name} was lost")
            return answer

        return call


class SignedStore:
    """The store as one process writes it; `writers` tells whose each version is."""

    def __init__(self, store: MemoryStore, name: str, writers: dict[tuple[str, int], str]) -> None:
        self._store, self._name, self._writers = store, name, writers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        written = await self._store.replace(task, line=line)
        self._writers[written.task_id, written.version] = self._name
        return written


class Engine:
    """What does a service's work: on its machine, or at a provider."""

    def __init__(self) -> None:
        self.up = True
        self.upload_seconds = 0.0
        """Until it has a job's picture."""
        self.refusal: ShortDramaError | None = None
        """What a provider answers to every call."""
        self.calls = 0
        self._paused_until = 0.0

    def check(self) -> None:
        if not self.up:
            raise EngineUnavailable("the engine does not answer")
        if self.refusal is not None and clock() < self._paused_until:
            raise ProviderPaused("the key is refused", after=self._paused_until - clock())

    async def prepare(self) -> None:
        self.check()
        await asyncio.sleep(self.upload_seconds)
        self.check()

    def call(self) -> None:
        """After a refusal that needs a person nobody asks for as long as that one says."""
        self.check()
        self.calls += 1
        if isinstance(self.refusal, ProviderPaused):
            self._paused_until = clock() + (self.refusal.after or 0.0)
        if self.refusal is not None:
            raise self.refusal


class PacedWork:
    """Each run makes bytes of its own; `seconds` says how long a task's run takes."""

    engine = "paced"

    def __init__(self, service: "Service") -> None:
        self._service = service

    async def check(self) -> None:
        self._service.engine.check()

    async def prepare(self, job: Job) -> None:
        await self._service.engine.prepare()

    async def make(self, job: Job, _: None) -> bytes:
        self._service.engine.call()
        return await self._service.run(job)

    async def publish(self, job: Job, made: bytes) -> Outcome:
        key = f"images/{job.job_id}.png"
        stored = await publish_once(
            self._service.assets, key, made, content_type="image/png", size=Size(1, 1), metadata={}
        )
        return stored.outcome({})


class Service:
    """One machine's API service: the real job runner, which a restart empties."""

    def __init__(
        self,
        assets: MemoryAssets,
        seconds: Callable[[str], float],
        trouble: Callable[[str], Trouble],
    ) -> None:
        self.assets: Any = Reached(assets, Lifeline(), trouble, 0.005)
        self._seconds, self._shown = seconds, assets
        self.runs: list[tuple[str, str]] = []
        """Task and job of every start of the engine."""
        self.made: dict[str, list[bytes]] = {}
        self.failures: dict[str, list[Exception]] = {}
        """What a task's next runs raise."""
        self.up = True
        self.engine = Engine()
        self.accept_seconds = 0.0
        """From taking a job on until the adapter hears of it."""
        self._runner = self._fresh()

    def _fresh(self) -> JobRunner:
        return JobRunner("paced", {KIND.name: PacedWork(self)}, parallel=1)

    async def run(self, job: Job) -> bytes:
        task_id = job.order.key
        self.runs.append((task_id, job.job_id))
        made = f"{task_id} run {id(self)}-{len(self.runs)}".encode()
        await asyncio.sleep(self._seconds(task_id))
        if self.failures.get(task_id):
            raise self.failures[task_id].pop(0)
        self.made.setdefault(job.job_id, []).append(made)
        return made

    @property
    def running(self) -> int:
        return self._runner.running

    async def restart(self) -> None:
        """Nobody hears of the jobs that end with it: the way to it is closed first."""
        was_up, self.up = self.up, False
        await self._runner.__aexit__(None, None, None)
        self._runner, self.up = self._fresh(), was_up

    # --- As an adapter's JobClient sees it -------------------------------------------------

    async def ready(self) -> bool:
        try:
            await self._runner.check()
        except ShortDramaError:
            return False
        return self.up

    async def submit(self, task: Task) -> AcceptedJob:
        self._require_up()
        order = JobOrder(
            kind=task.kind,
            request=CameraAngleRequest(image_url="asset:uploads/x.png", zoom=1),
            key=task.task_id,
            attempt=task.attempt,
            created_at=task.created_at,
        )
        job = self._runner.accept(order)
        await asyncio.sleep(self.accept_seconds)
        return AcceptedJob(job.job_id, job.version if job.status == "pending" else None)

    async def look(self, job_id: str, version: int | None) -> Mapping[str, Any]:
        self._require_up()
        job = self._find(job_id)
        if version is not None:
            await self._runner.wait(job, since=version, timeout=20.0)
        self._require_up()
        self._find(job_id)
        return job_view(job, self._runner.standing(job), self._shown, Lane.GPU)

    async def cancel(self, job_id: str, attempt: int) -> None:
        with contextlib.suppress(Unavailable, JobNotFound):
            self._require_up()
            self._runner.cancel(self._find(job_id), attempt=attempt)

    def _require_up(self) -> None:
        if not self.up:
            raise Unavailable("the service is down")

    def _find(self, job_id: str) -> Job:
        job = self._runner.get(job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job


class ReachedService(Reached):
    """What a JobClient is to the adapter."""

    async def follow(self, job: AcceptedJob) -> AsyncGenerator[Mapping[str, Any], None]:
        version = job.version
        while True:
            view = await self.look(job.job_id, version)
            yield view
            if view["status"] in ("completed", "failed", "cancelled"):
                return
            version = view["version"]
