"""Take messages while there is somebody to work on them; drain on stop."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random

from structlog.contextvars import bind_contextvars

from short_drama.consent_gate import ConsentGate
from short_drama.domain.errors import TaskConflict, Unavailable
from short_drama.domain.task import Task
from short_drama.ports import Claim, ClaimingQueue, Delivery, TaskQueue, TaskStore
from short_drama.sqs_adapter.handler import Handler, Limits
from short_drama.sqs_adapter.job_client import JobClient

log = logging.getLogger(__name__)

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 10.0
"""Before asking again what did not answer; each refusal of the queue doubles it, up to the second,
within which a lane that was mended works again."""
_BELIEVED_SECONDS = 2.0
"""For which a service that said it takes work is taken at its word."""


@dataclass(frozen=True, slots=True)
class _Taken:
    delivery: Delivery
    worker: str
    claim: Claim | None = None


class Consumer:
    """One lane's consumer: `await run()`, and call `stop()` from a signal.

    Args:
        name: names this process in leases; no two living processes share it.
        queue: one that can claim what it gives, which is one write less for each task.
        gate: that characters' faces go through when a task is begun.
        check: raises Unavailable while no task could be claimed: no message is taken then.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        *,
        queue: TaskQueue,
        store: TaskStore,
        jobs: JobClient,
        gate: ConsentGate,
        check: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._check = check
        self._limits, self._queue, self._jobs = limits, queue, jobs
        self.about: Mapping[str, str] = {}
        """What each of its lines in the log tells."""
        rng = Random()  # noqa: S311 - spreads retries, keeps no secret
        self._handler = Handler(
            limits, queue=queue, store=store, jobs=jobs, gate=gate, clock=clock, rng=rng
        )
        # A worker is one delivery's: a claim whose answer was lost is then known to be its own.
        self._workers = (f"{name}/{number}" for number in itertools.count(1))
        self._slots = asyncio.Semaphore(limits.deliveries)
        self._all_taken = asyncio.Event()
        self._owners: Counter[str] = Counter()
        """Of the tasks in our hands, as far as they were claimed when they were received."""
        self._stopping = asyncio.Event()
        self._ready_until = 0.0
        self._pause_seconds = _PAUSE_SECONDS
        self._handling: set[asyncio.Task[None]] = set()
        self.trouble: Unavailable | None = None
        """Why the queue could not be read when it was last asked."""

    @property
    def held(self) -> int:
        """Deliveries in our hands."""
        return len(self._handling)

    @property
    def lease_losses(self) -> int:
        """Tasks that were taken from us while we held them."""
        return self._handler.lease_losses

    def stop(self) -> None:
        """Take no more messages; `run` returns once the held ones are settled."""
        self._stopping.set()

    async def run(self) -> None:
        bind_contextvars(**self.about)
        handling = self._handling
        guests = asyncio.create_task(self._receive_guests())
        try:
            await self._receive_any()
            await guests
            if handling:
                await asyncio.wait(handling, timeout=self._limits.drain)
        finally:
            for task in (guests, *handling):
                task.cancel()  # what did not finish in time goes back on the queue
            await asyncio.gather(guests, *handling, return_exceptions=True)

    async def _receive_any(self) -> None:
        while await self._free_slot():
            taken = await self._receive()
            if taken is None:
                self._give_up_slot()
            else:
                self._begin(taken).add_done_callback(lambda _: self._give_up_slot())
                if self._slots.locked():
                    self._all_taken.set()

    async def _receive_guests(self) -> None:
        """One place more, for somebody of whom we hold nothing while others have all the rest: the
        service, which is fair, then has theirs to choose as soon as its engine is free."""
        if not isinstance(self._queue, ClaimingQueue):
            return
        while await self._until(self._all_taken.wait()):
            taken = await self._receive(but=frozenset(self._owners))
            if taken is not None:
                await self._until(self._begin(taken))

    def _begin(self, taken: _Taken) -> asyncio.Task[None]:
        task = asyncio.create_task(self._handle(taken))
        self._handling.add(task)
        owners = Counter([] if taken.claim is None else [taken.claim.task.owner])
        self._owners += owners

        def ended(_: object) -> None:
            self._handling.discard(task)
            self._owners -= owners

        task.add_done_callback(ended)
        return task

    async def _free_slot(self) -> bool:
        """True once a delivery may be taken, False when stopping comes first."""
        acquiring = asyncio.ensure_future(self._slots.acquire())
        try:
            return await self._until(acquiring)
        finally:
            acquiring.cancel()

    def _give_up_slot(self) -> None:
        self._all_taken.clear()
        self._slots.release()

    async def _until(self, moment: Awaitable[object]) -> bool:
        """True when that has come, False when stopping comes first; a task is not cut short."""
        coming = asyncio.ensure_future(moment)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return not self._stopping.is_set()
        finally:
            stopping.cancel()
            if coming is not moment:
                coming.cancel()

    async def _receive(self, but: Collection[str] = ()) -> _Taken | None:
        """Never cut short by `stop`: a half-read poll would hide a message for a long time."""
        try:
            # Each receive brings a message nearer to the dead-letter queue: none is spent while
            # nobody could work on it.
            if not await self._service_ready():
                await self._pause(_PAUSE_SECONDS)
                return None
            if self._check is not None:
                await self._check()
            taken = await self._take(next(self._workers), but)
            self.trouble = None
            self._pause_seconds = _PAUSE_SECONDS
            if taken is None or taken.claim is not None or not self._stopping.is_set():
                return taken
            await self._queue.release(taken.delivery, delay=0)
        except Unavailable as error:
            self.trouble = error
            log.debug("the queue cannot be read: %s", error.detail)
            await self._pause(self._pause_seconds)
            self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        return None

    async def _take(self, worker: str, but: Collection[str]) -> _Taken | None:
        wait, lease = self._limits.wait, self._limits.times.visibility
        if isinstance(self._queue, ClaimingQueue):
            received = await self._queue.receive_and_claim(
                lambda found: self._claimed(found, worker), wait=wait, lease=lease, but=but
            )
            return None if received is None else _Taken(received[0], worker, received[1])
        delivery = await self._queue.receive(wait=wait, lease=lease)
        return None if delivery is None else _Taken(delivery, worker)

    def _claimed(self, found: Task, worker: str) -> Task:
        if self._stopping.is_set():
            raise TaskConflict("nobody is here any more to work on it")
        return self._handler.claimed(found, worker)

    async def _service_ready(self) -> bool:
        """Asked again now and then: it may have begun to wait for its store, for example."""
        now = asyncio.get_running_loop().time()
        if now >= self._ready_until and await self._jobs.ready():
            self._ready_until = now + _BELIEVED_SECONDS
        return now < self._ready_until

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _handle(self, taken: _Taken) -> None:
        """Whatever goes wrong here, the message comes back by itself."""
        try:
            reached = await self._handler.handle(taken.delivery, taken.worker, taken.claim)
            if not reached:
                self._ready_until = 0.0
        except Unavailable as error:
            log.debug("a delivery could not be settled: %s", error.detail)
        except Exception:
            log.exception("a delivery failed unexpectedly")
