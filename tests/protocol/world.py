"""Everything the protocol is about, on virtual time: clients, orchestrators, adapters, services.

Orchestrators and adapters are the real classes; queue, store and the way to the services are in
memory and fail when told to. What happened is checked against `violations`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any, cast
from unittest.mock import patch

from short_drama.domain.errors import JobCancelled
from short_drama.domain.kinds import Lane
from short_drama.domain.sizes import Size
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.images.sources import Held, ImageSources
from short_drama.newest import advance
from short_drama.orchestrator.dead_letter_office import DeadLetterOffice
from short_drama.orchestrator.dead_letters import LaneQueues
from short_drama.orchestrator.submit import Submitter
from short_drama.orchestrator.sweeper import Sweeper
from short_drama.sqs_adapter import consumer as consumer_module
from short_drama.sqs_adapter.attempt import LeaseTimes
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.handler import Limits
from short_drama.sqs_adapter.job_client import JobClient
from tests.protocol import invariants
from tests.protocol.memory import MemoryAssets, MemoryQueue, MemoryStore, an_open_gate
from tests.protocol.processes import (
    KIND,
    Lifeline,
    Reached,
    ReachedService,
    Service,
    SignedStore,
    Trouble,
)
from tests.protocol.virtual_time import clock

LEASE, VISIBILITY = 60.0, 300.0


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

    async def take_in(self, reference: str, *, owner: str, field: str) -> Held:
        return Held(reference, Size(640, 480))


class Bugs(logging.Handler):
    """Collects what the real classes only log, because their work goes on all the same."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.found.append(f"{record.getMessage()}: {error!r}")


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
    bugs: Bugs = field(default_factory=Bugs)
    writers: dict[tuple[str, int], str] = field(default_factory=dict)
    """The adapter that wrote a task's version."""
    skews: dict[str, float] = field(default_factory=dict)
    """How fast each adapter's clock is, in seconds."""

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock)
        self.letters = MemoryQueue(clock)
        self.queue = MemoryQueue(clock, dead_letters=self.letters)
        logging.getLogger("short_drama").addHandler(self.bugs)

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
        self.skews[name] = skew
        limits = Limits(
            deliveries=deliveries,
            wait=20.0,
            drain=drain,
            times=LeaseTimes(lease=LEASE, progress=20.0, visibility=self.visibility),
        )
        jobs = ReachedService(service, line, self._service_trouble, self.latency)
        store = SignedStore(self.store, name, self.writers)
        chance = Random(len(self.adapters))
        with patch.object(consumer_module, "Random", lambda: chance):  # each run draws the same
            consumer = Consumer(
                name,
                limits,
                queue=self.reached(self.queue, line, self._queue_trouble),
                store=self.reached(store, line, self._store_trouble),
                jobs=cast("JobClient", jobs),
                gate=an_open_gate(),
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

    def orchestrator(self, *, skew: float = 0.0, sweep_every: float = 2.0) -> "Orchestrator":
        line = self.line()
        store = self.reached(self.store, line, self._store_trouble)
        queue = self.reached(self.queue, line, self._queue_trouble)
        letters = self.reached(self.letters, line, self._queue_trouble)

        def now() -> float:
            return clock() + skew

        sources = cast("ImageSources", TakenIn())
        submitter = Submitter(
            store, {Lane.GPU: queue}, sources, secret=b"s" * 32, gate=an_open_gate(), clock=now
        )
        gpu = LaneQueues(queue=queue, dead_letters=letters)
        sweeper = Sweeper(store, {Lane.GPU: gpu}, every=sweep_every, clock=now)
        office = DeadLetterOffice(store, gpu, clock=now)
        return Orchestrator(line, submitter, sweeper, office)

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
        logging.getLogger("short_drama").removeHandler(self.bugs)

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

    def successes(self, task_id: str) -> int:
        """How often one of its jobs has run to success."""
        made = [runs for service in self.services for runs in service.made.values()]
        return sum(data.startswith(task_id.encode()) for runs in made for data in runs)

    def runs(self, task_id: str) -> int:
        return sum(run[0] == task_id for service in self.services for run in service.runs)

    def violations(self) -> list[str]:
        """Of what has to hold whatever happened."""
        return self.bugs.found + [
            f"{task_id}: {what}"
            for task_id, versions in self.store.history.items()
            for what in [
                *(what for pair in pairwise(versions) for what in self._of_change(*pair)),
                *self._of_result(versions[-1]),
            ]
        ]

    def _of_change(self, before: Task, after: Task) -> list[str]:
        found = [what for rule in invariants.OF_CHANGES for what in rule(before, after)]
        writer = self.writers.get((after.task_id, after.version))
        if writer is not None and not invariants.may_write(writer, before, after):
            found.append(f"{writer} wrote without holding attempt {before.attempt}")
        written_at = self.store.written_at[after.task_id, after.version]
        skew = self.skews.get((before.lease_owner or "").partition("/")[0], 0.0)
        if invariants.is_taken_from_good_hands(before, after, written_at + skew):
            found.append(f"others failed or revived it while attempt {before.attempt} held it")
        return found

    def _of_result(self, task: Task) -> list[str]:
        found = []
        if task.failure is not None and task.failure.code == JobCancelled.code:
            found.append("failed for a cancel that nobody asked for")
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
    office: DeadLetterOffice

    async def submit(self, key: str | None = None, **options: Any) -> Task:
        body = {"image_url": "asset:uploads/local/x.png", "zoom": 1, **options}
        request = KIND.task_request.model_validate(body)
        return await self.submitter.submit(KIND, request, owner="local", key=key)

    async def redrive(self) -> None:
        """As the operator's command does."""
        async with contextlib.aclosing(self.office.redrive(lambda _: True)) as handled:
            async for _ in handled:
                pass


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
