"""One delivery, from claim to settlement."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from structlog.contextvars import bound_contextvars

from short_drama import metrics, tracing
from short_drama.consent_gate import ConsentGate
from short_drama.domain.errors import (
    AttemptsExhausted,
    ConsentMissing,
    DeadlineExceeded,
    LeaseLost,
    NewerFormat,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.failure import Failure
from short_drama.domain.message import MalformedMessage, TaskMessage
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.logs.steps import Step, ids_of, why
from short_drama.newest import advance
from short_drama.ports import Claim, Delivery, TaskFilter, TaskQueue, TaskStore
from short_drama.sqs_adapter.attempt import Attempt, LeaseTimes
from short_drama.sqs_adapter.decide import (
    Abandon,
    Complete,
    Done,
    Expire,
    GiveUp,
    Park,
    Postpone,
    Retry,
    RetryPolicy,
    Verdict,
    after_attempt,
    postponed,
    refused_claim,
)
from short_drama.sqs_adapter.job_client import JobClient
from short_drama.sqs_adapter.told import told

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_INSIST_SECONDS = 0.2, 5.0
"""The first and the longest pause before a call that was not answered is repeated."""
_PUT_OFF_SECONDS = 60.0
"""Until a message is looked at again that we cannot read, unless it comes to somebody who can."""
_GIVE_BACK_SECONDS = 5.0
"""For giving a task back while the process stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, except `deliveries`, how many are held at a time, and `most_each`, how many tasks of
    one owner may run in the lane: 0 is no limit."""

    deliveries: int = 1
    most_each: int = 0
    wait: float = 20.0
    drain: float = 30.0
    times: LeaseTimes = field(default_factory=LeaseTimes)
    policy: RetryPolicy = field(default_factory=RetryPolicy)


class Handler:
    def __init__(
        self,
        limits: Limits,
        *,
        queue: TaskQueue,
        store: TaskStore,
        jobs: JobClient,
        gate: ConsentGate,
        clock: Callable[[], float],
        rng: Random,
    ) -> None:
        self._limits, self._queue, self._store, self._jobs = limits, queue, store, jobs
        self._gate = gate
        self._clock, self._rng = clock, rng
        self.lease_losses = 0
        """Tasks that somebody else had when we still worked on them."""

    async def handle(self, delivery: Delivery, worker: str, claim: Claim | None = None) -> bool:
        """Is the service known to take more work? Raises Unavailable when the queue did not answer
        for too long: the message then comes back by itself.

        `claim`: the worker's, if it was made as the message was received.
        """
        try:
            return await self._handle(delivery, worker, claim)
        except NewerFormat as error:
            log.info(Step.PUT_OFF, extra={"reason": error.detail})
            await self._put_off(delivery)
            return True

    async def _put_off(self, delivery: Delivery) -> None:
        """For somebody of a newer release. A message of its own, as this one may be received only
        so often; should it go twice, the claim lets only one through."""
        metrics.PUT_OFF.inc()
        await self._insist(lambda: self._queue.send(delivery.body, delay=_PUT_OFF_SECONDS))
        await self._insist(lambda: self._queue.ack(delivery))

    async def _handle(self, delivery: Delivery, worker: str, claim: Claim | None) -> bool:
        if claim is not None:
            with bound_contextvars(**ids_of(claim.found)):
                return await self._work_out(claim, delivery, worker)
        found = await self._insist(lambda: self._find(delivery), hiding=delivery)
        if found is None:  # on its way to the dead-letter queue
            await self._insist(lambda: self._queue.release(delivery, delay=0))
            return True
        with bound_contextvars(**ids_of(found)):
            return await self._work_on(found, delivery, worker)

    async def _work_on(self, found: Task, delivery: Delivery, worker: str) -> bool:
        most = self._limits.most_each
        if most and await self._insist(lambda: self._must_wait(found, most), hiding=delivery):
            verdict = postponed(found, most=most, rng=self._rng)
            await self._settle(found, verdict, delivery, newest=found)
            return True
        try:
            claimed = await self._insist(lambda: self._claim(found, worker), hiding=delivery)
        except (TaskConflict, LeaseLost, AttemptsExhausted, DeadlineExceeded) as refusal:
            log.info(Step.NOT_CLAIMED, extra={"reason": refusal.detail})
            refused = refused_claim(refusal, found, now=self._clock())
            await self._settle(found, refused, delivery, newest=found)
            await self._stop_what_is_left(found, refused)
            return True
        return await self._work_out(Claim(found, claimed), delivery, worker)

    async def _must_wait(self, found: Task, most: int) -> bool:
        """Whether so many of the owner's run; adapters that look at once let in a few more."""
        if found.status is not TaskStatus.PENDING or found.parked:
            return False
        where = TaskFilter(owner=found.owner, lane=found.lane, statuses=(TaskStatus.PROCESSING,))
        running = await self._store.list(where, cursor=None, limit=most)
        return len(running.tasks) >= most

    async def _work_out(self, claim: Claim, delivery: Delivery, worker: str) -> bool:
        claimed = claim.task
        _trace_the_queue(claim.found, self._clock())
        with (
            bound_contextvars(**ids_of(claimed)),
            tracing.span("attempt", claimed.traceparent, **_facts(claimed)) as traced,
        ):
            log.info(Step.CLAIMED, extra={"worker": worker, "received": delivery.receives})
            reached, verdict = await self._attempt(claimed, delivery)
            traced.tell(verdict=type(verdict).__name__.lower())
        return reached

    async def _find(self, delivery: Delivery) -> Task | None:
        try:
            message = TaskMessage.from_body(delivery.body)
            message.require_known()
            return await self._store.get(message.task_id)
        except MalformedMessage:
            log.warning("a message is not ours; received %d times", delivery.receives)
            return None

    def claimed(self, found: Task, worker: str) -> Task:
        """Raises as `Task.claim`."""
        return found.claim(worker, now=self._clock(), lease=self._limits.times.lease)

    async def _claim(self, task: Task, worker: str) -> Task:
        return await advance(self._store, task, lambda found: self.claimed(found, worker))

    async def _attempt(self, claimed: Task, delivery: Delivery) -> tuple[bool, Verdict]:
        """Is the service known to take more work, and what became of the attempt."""
        limits = self._limits
        attempt = Attempt(
            claimed, delivery, limits.times,
            queue=self._queue, store=self._store, jobs=self._jobs, clock=self._clock,
        )  # fmt: skip
        verdict: Verdict
        reached = True
        try:
            result = await self._ran(attempt, claimed, delivery)
            reached = not (isinstance(result, Failure) and result.retryable)
            accepted = attempt.job_id is not None
            verdict = after_attempt(
                result, claimed, accepted=accepted, policy=limits.policy, rng=self._rng
            )
            if isinstance(result, Failure) and isinstance(verdict, Retry):
                log.info(Step.ATTEMPT_FAILED, extra=why(result))
        except (TaskConflict, TaskNotFound) as ended:
            log.info(Step.STOPPED, extra={"reason": ended.detail})
            verdict = Done()
        except LeaseLost as lost:
            self._note_loss(claimed, lost)
            verdict = Abandon()
        except asyncio.CancelledError:
            # Drained: the job may run on, and the next attempt joins it.
            with contextlib.suppress(TimeoutError, Unavailable):
                async with asyncio.timeout(_GIVE_BACK_SECONDS):
                    verdict = Retry(0.0, refund=True)
                    await self._settle(attempt.claimed, verdict, delivery, newest=attempt.task)
            raise
        await self._settle(attempt.claimed, verdict, delivery, newest=attempt.task)
        if isinstance(verdict, GiveUp):
            await attempt.stop_left_job()
        return reached, verdict

    async def _ran(self, attempt: Attempt, claimed: Task, delivery: Delivery) -> Outcome | Failure:
        """Faces need a consent when the work is begun, and still when there is a result."""
        if (refusal := await self._refusal(claimed, delivery)) is not None:
            return refusal
        result = await attempt.run()
        if isinstance(result, Outcome):
            return await self._refusal(claimed, delivery) or result
        return result

    async def _refusal(self, claimed: Task, delivery: Delivery) -> Failure | None:
        try:
            await self._insist(lambda: self._gate.require(claimed), hiding=delivery)
        except ConsentMissing as missing:
            return Failure.of(missing)
        return None

    async def _stop_what_is_left(self, found: Task, verdict: Verdict) -> None:
        """The job of an attempt that was lost, of a task that has ended or may not start again."""
        over = isinstance(verdict, Done | Expire) and found.status is not TaskStatus.COMPLETED
        if over and found.api_job_id is not None:
            await self._jobs.cancel(found.api_job_id, found.attempt)

    # --- Settlement ------------------------------------------------------------------------

    async def _settle(
        self, claimed: Task, verdict: Verdict, delivery: Delivery, *, newest: Task
    ) -> None:
        """Record, then queue. `claimed` is the fence to write under and what its holder knows,
        `newest` what is written over, which may be another's by now."""
        metrics.ATTEMPTS.labels(claimed.lane, type(verdict).__name__.lower()).inc()
        if isinstance(verdict, Park | Postpone) and verdict.reason is not None:
            metrics.PARKED.labels(claimed.lane, metrics.known_code(verdict.reason.code)).inc()
        try:
            await self._insist(lambda: self._record(verdict, claimed, newest), hiding=delivery)
        except (TaskConflict, TaskNotFound) as ended:  # it ended otherwise: its end stands
            log.info(Step.STOPPED, extra={"reason": ended.detail})
            verdict = Done()
        except LeaseLost as lost:
            self._note_loss(claimed, lost)
            # Perhaps to ourselves, in a write whose answer was lost: a message given back too
            # often does no harm, one forgotten would.
            verdict = Retry(verdict.delay) if isinstance(verdict, Retry | Park) else Abandon()
        await self._dismiss(delivery, verdict)

    def _note_loss(self, claimed: Task, lost: LeaseLost) -> None:
        log.warning(Step.LEASE_LOST, extra={"reason": lost.detail})
        self.lease_losses += 1
        metrics.LEASE_LOSSES.labels(claimed.lane).inc()

    async def _dismiss(self, delivery: Delivery, verdict: Verdict) -> None:
        """Forget the message, unless the verdict wants it back."""
        match verdict:
            case Abandon(None):
                pass
            case Abandon(float(delay)) | Retry(delay):
                await self._insist(lambda: self._queue.release(delivery, delay=delay))
            case _:
                await self._insist(lambda: self._queue.ack(delivery))

    async def _record(self, verdict: Verdict, claimed: Task, newest: Task) -> None:
        change = _change(verdict, claimed, self._clock())
        if change is None:
            return
        ended = await advance(self._store, newest, change)
        step, facts = told(verdict, ended)
        log.info(step, extra=facts)
        if ended.status.is_terminal:
            metrics.ended(ended)

    async def _insist(
        self, call: Callable[[], Awaitable[Answer]], *, hiding: Delivery | None = None
    ) -> Answer:
        """Ask until answered, for as long as the message is sure to stay hidden.

        For the store, however long it takes: a message that is kept `hiding` is not received for
        nothing while nobody could work on it.
        """
        pause, longest = _INSIST_SECONDS
        visibility = self._limits.times.visibility
        until = self._clock() + visibility / 2
        while True:
            try:
                return await call()
            except Unavailable as error:
                if self._clock() >= until:
                    if hiding is None:
                        raise
                    until = self._clock() + visibility / 2
                    with contextlib.suppress(Unavailable):
                        await self._queue.extend(hiding, lease=visibility)
                log.debug("asked again: %s", error.detail)
            await asyncio.sleep(self._rng.uniform(pause / 2, pause))
            pause = min(2 * pause, longest)


def _trace_the_queue(found: Task, now: float) -> None:
    """What the claim has ended: the time since the submit, or since the attempt before."""
    since = found.updated_at if found.attempt else found.created_at
    tracing.passed("queue", found.traceparent, since, now, task_id=found.task_id)


def _facts(claimed: Task) -> dict[str, str | int | None]:
    return {
        "task_id": claimed.task_id,
        "kind": claimed.kind,
        "lane": claimed.lane,
        "attempt": claimed.attempt,
        "job_id": claimed.api_job_id,
    }


def _change(verdict: Verdict, claimed: Task, now: float) -> Callable[[Task], Task] | None:
    """How the verdict changes the record; None when it does not."""
    worker, attempt = claimed.lease_owner or "", claimed.attempt

    def heard(found: Task) -> Task:
        last = found.last_heard(
            worker,
            attempt,
            api_job_id=claimed.api_job_id,
            waited=claimed.waited,
            stage_times=claimed.stage_times,
            losses=claimed.losses,
        )
        return last if claimed.cost is None else last.with_cost(claimed.cost)

    match verdict:
        case Complete(outcome):
            return lambda found: heard(found).complete(worker, attempt, outcome, now=now)
        case GiveUp(failure):
            return lambda found: heard(found).fail(worker, attempt, failure, now=now)
        case Expire() | Postpone():
            return lambda found: _unclaimed(verdict, found, now)
        case Retry(_, refund):
            return lambda found: heard(found).give_back(worker, attempt, now=now, refund=refund)
        case Park(delay, reason):
            return lambda found: heard(found).park(
                worker, attempt, reason, now=now, until=now + delay
            )
        case _:
            return None


def _unclaimed(verdict: Expire | Postpone, found: Task, now: float) -> Task:
    """How the verdict changes the record of a task that nobody holds."""
    if isinstance(verdict, Expire):
        return found.expire(verdict.failure, now=now)
    return found.postpone(verdict.reason, now=now, until=now + verdict.delay)
