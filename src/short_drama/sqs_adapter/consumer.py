"""Take messages, run each task's attempt, settle the delivery; drain on stop."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from short_drama.domain.errors import (
    AttemptsExhausted,
    DeadlineExceeded,
    LeaseLost,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.kinds import Lane
from short_drama.domain.message import MalformedMessage, TaskMessage
from short_drama.domain.task import Task
from short_drama.ports import Delivery, TaskQueue, TaskStore, advance
from short_drama.sqs_adapter.attempt import Attempt, LeaseTimes
from short_drama.sqs_adapter.decide import (
    Abandon,
    Complete,
    Done,
    Expire,
    GiveUp,
    Retry,
    RetryPolicy,
    Verdict,
    after_attempt,
    refused_claim,
)
from short_drama.sqs_adapter.job_client import JobClient
from short_drama.web import metrics

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, except `concurrency`: deliveries held at a time."""

    concurrency: int = 1
    wait: float = 20.0
    drain: float = 30.0
    times: LeaseTimes = field(default_factory=LeaseTimes)
    policy: RetryPolicy = field(default_factory=RetryPolicy)


class Consumer:
    """One lane's consumer: `await run()`, and call `stop()` from a signal.

    Args:
        worker: names this process in leases; no two living processes share it.
    """

    def __init__(
        self,
        lane: Lane,
        worker: str,
        limits: Limits,
        *,
        queue: TaskQueue,
        store: TaskStore,
        jobs: JobClient,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lane, self._worker, self._limits = lane, worker, limits
        self._queue, self._store, self._jobs = queue, store, jobs
        self._clock, self._rng = clock, Random()  # noqa: S311 - spreads retries, keeps no secret
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more messages; `run` returns once the held ones are settled."""
        self._stopping.set()

    async def run(self) -> None:
        handling: set[asyncio.Task[None]] = set()
        try:
            while await self._free_slot():
                delivery = await self._receive()
                if delivery is None:
                    self._slots.release()
                    continue
                task = asyncio.create_task(self._handle(delivery))
                handling.add(task)
                task.add_done_callback(handling.discard)
            if handling:
                await asyncio.wait(handling, timeout=self._limits.drain)
        finally:
            for task in handling:
                task.cancel()  # what did not finish in time goes back on the queue
            await asyncio.gather(*handling, return_exceptions=True)

    async def _free_slot(self) -> bool:
        """True once a delivery may be taken, False when stopping comes first."""
        acquiring = asyncio.ensure_future(self._slots.acquire())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({acquiring, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return not self._stopping.is_set()
        finally:
            acquiring.cancel()
            stopping.cancel()

    async def _receive(self) -> Delivery | None:
        """Never cut short by `stop`: a half-read poll would hide a message for a whole lease."""
        try:
            return await self._queue.receive(wait=self._limits.wait, lease=self._limits.times.lease)
        except Unavailable as error:
            log.warning("the queue cannot be read: %s", error.detail)
            await asyncio.sleep(1.0)
            return None

    async def _handle(self, delivery: Delivery) -> None:
        """From claim to settlement. Whatever goes wrong here, the message comes back by itself."""
        try:
            task = await self._find(delivery)
            verdict: Verdict = Retry(0.0)
            if task is not None:
                task, verdict = await self._attempt(task, delivery)
            await self._settle(task, verdict, delivery)
        except (Unavailable, TimeoutError) as error:
            log.warning("a delivery could not be settled: %s", error)
        except Exception:
            log.exception("a delivery failed unexpectedly")
        finally:
            self._slots.release()

    async def _find(self, delivery: Delivery) -> Task | None:
        """None for a message that names no task: it goes the way of the dead-letter queue."""
        try:
            return await self._store.get(TaskMessage.from_body(delivery.body).task_id)
        except MalformedMessage:
            log.warning("a message is not ours; received %d times", delivery.receives)
            return None

    async def _attempt(self, task: Task, delivery: Delivery) -> tuple[Task, Verdict]:
        lease = self._limits.times.lease
        try:
            task = await advance(
                self._store,
                task,
                lambda found: found.claim(self._worker, now=self._clock(), lease=lease),
            )
        except (TaskConflict, LeaseLost, AttemptsExhausted, DeadlineExceeded) as refusal:
            return task, refused_claim(refusal, task, now=self._clock())
        attempt = Attempt(
            task, delivery, self._limits.times,
            queue=self._queue, store=self._store, jobs=self._jobs, clock=self._clock,
        )  # fmt: skip
        try:
            result = await attempt.run()
        except (TaskConflict, TaskNotFound):
            return task, Done()
        except LeaseLost:
            return task, Abandon()
        except asyncio.CancelledError:
            # Drained: the job may run on, and the next attempt joins it.
            await self._settle(attempt.task, Retry(0.0, refund=True), delivery)
            raise
        policy = self._limits.policy
        return attempt.task, after_attempt(result, attempt.task, policy=policy, rng=self._rng)

    # --- Settlement ------------------------------------------------------------------------

    async def _settle(self, task: Task | None, verdict: Verdict, delivery: Delivery) -> None:
        metrics.ATTEMPTS.labels(self._lane, type(verdict).__name__.lower()).inc()
        async with asyncio.timeout(_SETTLE_SECONDS):
            try:
                if task is not None:
                    await self._record(task, verdict)
            except TaskConflict:  # it ended otherwise meanwhile: its end stands
                verdict = Done()
            except LeaseLost:
                verdict = Abandon()
            match verdict:
                case Abandon(None):
                    pass
                case Abandon(float(delay)) | Retry(delay):
                    await self._queue.release(delivery, delay=delay)
                case _:
                    await self._queue.ack(delivery)

    async def _record(self, task: Task, verdict: Verdict) -> None:
        change = self._change(verdict, task.attempt, self._clock())
        if change is None:
            return
        ended = await advance(self._store, task, change)
        if ended.status.is_terminal:
            metrics.ENDED.labels(ended.kind, ended.status).inc()
            metrics.TASK_SECONDS.labels(ended.kind).observe(ended.updated_at - ended.created_at)

    def _change(self, verdict: Verdict, attempt: int, now: float) -> Callable[[Task], Task] | None:
        """How the verdict changes the record; None when it does not."""
        worker = self._worker
        match verdict:
            case Complete(outcome):
                return lambda task: task.complete(worker, attempt, outcome, now=now)
            case GiveUp(failure):
                return lambda task: task.fail(worker, attempt, failure, now=now)
            case Expire(failure):
                return lambda task: task.expire(failure, now=now)
            case Retry(_, refund):
                return lambda task: task.give_back(worker, attempt, now=now, refund=refund)
            case _:
                return None
