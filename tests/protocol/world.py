"""Everything the protocol is about, on virtual time: clients, orchestrators, adapters, services.

Orchestrators and adapters are the real classes; queue, store and the way to the services are in
memory and fail when told to. What happened is checked against `violations`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, cast

from short_drama.domain.errors import JobNotFound, Unavailable
from short_drama.domain.kinds import KINDS, CameraAngleRequest, Lane
from short_drama.domain.task import Outcome, Task, TaskStatus
from short_drama.images.sources import ImageSources
from short_drama.jobs.job_api import job_view
from short_drama.jobs.results import publish_once
from short_drama.jobs.runner import Job, JobOrder, JobRunner
from short_drama.orchestrator.dead_letters import Line
from short_drama.orchestrator.submit import Submitter
from short_drama.orchestrator.sweeper import Sweeper
from short_drama.ports import advance
from short_drama.sqs_adapter.attempt import LeaseTimes
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.handler import Limits
from short_drama.sqs_adapter.job_client import AcceptedJob, JobClient
from tests.protocol.memory import MemoryAssets, MemoryQueue, MemoryStore
from tests.protocol.virtual_time import clock

LEASE, VISIBILITY = 60.0, 300.0
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


class PacedWork:
    """Each run makes bytes of its own; `seconds` says how long a task's run takes."""

    engine = "paced"

    def __init__(self, service: "Service") -> None:
        self._service = service

    async def prepare(self, job: Job) -> None:
        pass

    async def make(self, job: Job, _: None) -> bytes:
        return await self._service.run(job)

    async def publish(self, job: Job, made: bytes) -> Outcome:
        key = f"images/{job.job_id}.png"
        await publish_once(self._service.assets, key, made, content_type="image/png", metadata={})
        return Outcome(result_key=key)


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

    async def restart(self) -> None:
        await self._runner.__aexit__(None, None, None)
        self._runner = self._fresh()

    # --- As an adapter's JobClient sees it -------------------------------------------------

    async def ready(self) -> bool:
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
        return AcceptedJob(job.job_id, job.version if job.status == "pending" else None)

    async def look(self, job_id: str, version: int | None) -> Mapping[str, Any]:
        self._require_up()
        job = self._find(job_id)
        if version is not None:
            await self._runner.wait(job, since=version, timeout=20.0)
        self._require_up()
        self._find(job_id)
        return job_view(job, self._shown)

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


@dataclass
class Adapter:
    """A GPU adapter process: the real consumer."""

    name: str
    line: Lifeline
    consumer: Consumer
    running: asyncio.Task[None]

    async def kill(self) -> None:
        """As kill -9: nothing is given back."""
        self.line.kill()
        self.running.cancel()
        await asyncio.sleep(0)

    async def drain(self) -> None:
        self.consumer.stop()
        await self.running


class TakenIn:
    """Image sources that have every picture."""

    async def take_in(self, reference: str, *, owner: str, field: str) -> str:
        return reference


@dataclass
class World:
    seconds: Callable[[str], float] = lambda _: 5.0
    store_trouble: Callable[[str], Trouble] = lambda _: None
    queue_trouble: Callable[[str], Trouble] = lambda _: None
    service_trouble: Callable[[str], Trouble] = lambda _: None
    asset_trouble: Callable[[str], Trouble] = lambda _: None
    latency: float = 0.005
    visibility: float = VISIBILITY
    store: MemoryStore = field(init=False)
    queue: MemoryQueue = field(init=False)
    letters: MemoryQueue = field(init=False)
    assets: MemoryAssets = field(default_factory=MemoryAssets)
    services: list[Service] = field(default_factory=list)
    adapters: list[Adapter] = field(default_factory=list)
    background: set[asyncio.Task[None]] = field(default_factory=set)
    lines: list[Lifeline] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock)
        self.letters = MemoryQueue(clock)
        self.queue = MemoryQueue(clock, dead_letters=self.letters)

    # --- Processes -------------------------------------------------------------------------

    def service(self) -> Service:
        service = Service(self.assets, self._seconds_of, self._asset_trouble)
        self.services.append(service)
        return service

    def line(self) -> Lifeline:
        line = Lifeline()
        self.lines.append(line)
        return line

    def adapter(
        self, service: Service, *, deliveries: int = 2, skew: float = 0.0, drain: float = 20.0
    ) -> Adapter:
        line, name = self.line(), f"adapter-{len(self.adapters)}"
        limits = Limits(
            deliveries=deliveries,
            wait=20.0,
            drain=drain,
            times=LeaseTimes(lease=LEASE, progress=20.0, visibility=self.visibility),
        )
        jobs = ReachedService(service, line, self._service_trouble, self.latency)
        consumer = Consumer(
            name,
            limits,
            queue=self.reached(self.queue, line, self._queue_trouble),
            store=self.reached(self.store, line, self._store_trouble),
            jobs=cast("JobClient", jobs),
            clock=lambda: clock() + skew,
        )
        adapter = Adapter(name, line, consumer, asyncio.create_task(consumer.run()))
        self.adapters.append(adapter)
        return adapter

    # Asked at each call: a schedule may change what happens at any moment.

    def _seconds_of(self, task_id: str) -> float:
        return self.seconds(task_id)

    def _store_trouble(self, call: str) -> Trouble:
        return self.store_trouble(call)

    def _queue_trouble(self, call: str) -> Trouble:
        return self.queue_trouble(call)

    def _asset_trouble(self, call: str) -> Trouble:
        return self.asset_trouble(call)

    def _service_trouble(self, call: str) -> Trouble:
        return self.service_trouble(call)

    def reached(self, port: object, line: Lifeline, trouble: Callable[[str], Trouble]) -> Any:
        return Reached(port, line, trouble, self.latency)

    def orchestrator(self, *, skew: float = 0.0) -> "Orchestrator":
        line = self.line()
        store = self.reached(self.store, line, self._store_trouble)
        queue = self.reached(self.queue, line, self._queue_trouble)
        letters = self.reached(self.letters, line, self._queue_trouble)

        def now() -> float:
            return clock() + skew

        sources = cast("ImageSources", TakenIn())
        submitter = Submitter(store, {Lane.GPU: queue}, sources, secret=b"s" * 32, clock=now)
        lanes = {Lane.GPU: Line(queue=queue, dead_letters=letters)}
        sweeper = Sweeper(store, lanes, clock=now)
        return Orchestrator(line, submitter, sweeper)

    def sweep(self, orchestrator: "Orchestrator") -> None:
        """From now on, in the background."""
        task = asyncio.create_task(orchestrator.sweeper.run())
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def stop(self) -> None:
        for line in self.lines:
            line.bury()
        for adapter in self.adapters:
            adapter.running.cancel()
        for task in self.background:
            task.cancel()
        everything = [*(adapter.running for adapter in self.adapters), *self.background]
        await asyncio.gather(*everything, return_exceptions=True)
        for service in self.services:
            await service.restart()

    # --- What clients and operators do -----------------------------------------------------

    async def task(self, task_id: str) -> Task:
        task = await self.store.get(task_id)
        assert task is not None
        return task

    async def until(
        self, wanted: Callable[[Task], bool], task_id: str, *, seconds: float = 600.0
    ) -> Task:
        """The task once it is as wanted; AssertionError when that takes too long."""
        until = clock() + seconds
        task = await self.task(task_id)
        while not wanted(task):
            assert clock() < until, f"still {task.status} after {seconds} s, attempt {task.attempt}"
            await self.store.wait_for_change(task_id, task.version, timeout=until - clock())
            task = await self.task(task_id)
        return task

    async def ended(self, task_id: str, *, seconds: float = 600.0) -> Task:
        return await self.until(lambda task: task.status.is_terminal, task_id, seconds=seconds)

    async def cancel(self, task_id: str) -> Task:
        task = await self.task(task_id)
        return await advance(self.store, task, lambda found: found.cancel(now=clock()))

    # --- What must be true -----------------------------------------------------------------

    def runs(self, task_id: str) -> int:
        return sum(run[0] == task_id for service in self.services for run in service.runs)

    def violations(self) -> list[str]:
        """Of what has to hold whatever happened."""
        return [
            f"{task_id}: {what}"
            for task_id, versions in self.store.history.items()
            for what in [*_of_history(versions), *self._of_result(versions[-1])]
        ]

    def _of_result(self, task: Task) -> list[str]:
        found = []
        if self.runs(task.task_id) > task.attempt:
            found.append(f"{self.runs(task.task_id)} engine runs in {task.attempt} attempts")
        if task.status is TaskStatus.COMPLETED:
            key = task.outcome and task.outcome.result_key
            data = self.assets.assets[key or ""][0]
            made = [service.made.get(task.api_job_id or "", []) for service in self.services]
            if not any(data in runs for runs in made):
                found.append("its result is not what its job made")
            if sum(bool(runs) for runs in made) > 1:
                found.append("two machines made a result under one job's name")
        return found


@dataclass(frozen=True)
class Orchestrator:
    line: Lifeline
    submitter: Submitter
    sweeper: Sweeper

    async def submit(self, key: str | None = None, **options: Any) -> Task:
        body = {"image_url": "asset:uploads/local/x.png", "zoom": 1, **options}
        request = KIND.task_request.model_validate(body)
        return await self.submitter.submit(KIND, request, owner="local", key=key)


def _of_history(versions: list[Task]) -> list[str]:
    found = []
    for before, after in pairwise(versions):
        redriven = before.failure is not None and before.failure.code == "dead_letter"
        if before.status.is_terminal and not redriven:
            found.append(f"{before.status} was overwritten by {after.status}")
        if not before.attempt <= after.attempt <= before.attempt + 1:
            found.append(f"attempt {before.attempt} was followed by {after.attempt}")
        if after.status is TaskStatus.PROCESSING and after.lease_owner is None:
            found.append("nobody holds a task in progress")
    ends = Counter(task.status for task in versions if task.status.is_terminal)
    if sum(ends.values()) > 1 and "dead_letter" not in {
        task.failure.code for task in versions if task.failure is not None
    }:
        found.append(f"ended {sum(ends.values())} times")
    return found


@contextlib.asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[World]:
    """A world that is checked at its end."""
    made = World(**settings)
    try:
        yield made
    finally:
        await made.stop()
    found = made.violations()
    assert not found, "; ".join(found)
