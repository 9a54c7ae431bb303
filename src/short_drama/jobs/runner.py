"""Accept a job once, run its three stages, a bounded number at a time, and report.

The stages overlap: while one job is in the engine, the next one's inputs are prepared and the
previous one's result is published, so that the engine never waits for I/O.

A cancelled job says so at once, but its stage keeps its place until nothing computes any more:
pixels in threads that nobody counts would add up.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from structlog.contextvars import bind_contextvars

from short_drama import metrics, tracing
from short_drama.domain.attempts import PREPARING, WAITING, job_id_for
from short_drama.domain.errors import (
    InternalError,
    JobCancelled,
    KindNotAvailable,
    ShortDramaError,
    Unavailable,
)
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.stage_times import PUBLISHING
from short_drama.images.signing import UNSIGNED, Manifests
from short_drama.images.visible_mark import VisibleMark
from short_drama.jobs.engine_time import EngineTime
from short_drama.jobs.job import Job, JobOrder, Work
from short_drama.jobs.offers import abandon, require_able, unready, weight
from short_drama.jobs.room import Room, usual_room
from short_drama.jobs.standings import Standing, Standings
from short_drama.jobs.threads import to_the_end
from short_drama.jobs.turns import FirstCome, Turns
from short_drama.logs.steps import Step, why

__all__ = ["Job", "JobOrder", "JobRunner", "Work"]

log = logging.getLogger(__name__)

Prepared = TypeVar("Prepared")
Made = TypeVar("Made")
Result = TypeVar("Result")

_AHEAD = 2
"""Jobs that may be prepared, and as many published, while the engine is busy; more would only hold
memory, where nothing is gained by choosing among them."""
_GATHER_SECONDS, _GATHER_PLACES_SECONDS = 0.2, 1.0
"""For how long changes are gathered: of a job that runs, and of one that only comes nearer to its
turn, as all that wait do at the same moment."""
_KEPT = 1000
"""Finished jobs that can still be asked about."""
_STORE_AGAIN_SECONDS = 1.0, 10.0
"""The first and the longest pause before what was made is stored again."""


class JobRunner:
    """Use with `async with`; leaving it ends what still runs.

    Args:
        service: the name in metrics.
        works: how each kind is done.
        parallel: jobs in the engine at a time.
        ahead: jobs prepared beside those.
        room: for the pixels that jobs hold.
        turns: who goes next into the engine; first come, first served, if not given.
        store: raises Unavailable while results cannot be stored: no job is begun then.
    """

    def __init__(
        self,
        service: str,
        works: Mapping[str, Work[Any, Any]],
        *,
        parallel: int,
        ahead: int = _AHEAD,
        room: Room | None = None,
        turns: Turns | None = None,
        store: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service, self._works, self._clock = service, works, clock
        self.manifests: Manifests = UNSIGNED
        self.mark: VisibleMark | None = None
        self._store = store or _stores
        self._room = room or Room(usual_room())
        self._preparing = asyncio.Semaphore(parallel + ahead)
        self._turns = turns or FirstCome(parallel)
        self._publishing = asyncio.Semaphore(parallel + _AHEAD)
        self._engine_time = EngineTime(service, clock)
        self._io: set[asyncio.Task[Any]] = set()
        self._jobs: dict[str, Job] = {}
        self._ended: deque[Job] = deque()
        self._by_key: dict[str, Job] = {}
        self._runs: dict[Job, asyncio.Task[None]] = {}
        self._standings = Standings(self._runs.keys(), self._turns, works)

    async def __aenter__(self) -> "JobRunner":
        return self

    async def __aexit__(self, *_: object) -> None:
        # Nobody has cancelled these jobs: an engine of its own may go on with them.
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        for stage in self._io:
            stage.cancel()  # no next job waits for its place
        await asyncio.gather(*runs, return_exceptions=True)

    @property
    def engines(self) -> dict[str, str]:
        """The engine of each kind."""
        return {kind: work.engine for kind, work in self._works.items()}

    @property
    def expected_seconds(self) -> dict[str, float]:
        """What a job of each kind takes in the engine, of those kinds that have had one."""
        paces = {kind: self._standings.pace.seen(kind) for kind in self._works}
        return {kind: round(pace, 1) for kind, pace in paces.items() if pace is not None}

    @property
    def running(self) -> int:
        return len(self._runs)

    @property
    def busy(self) -> bool:
        """Whether an engine is at work."""
        return self._engine_time.busy

    async def unready(self) -> dict[str, ShortDramaError]:
        """The kinds of which no job could be done now, and why."""
        return await unready(self._works)

    async def look(self) -> None:
        """For /metrics: which kinds could be done, and what the engine has worked."""
        self._engine_time.count()
        not_ready = await self.unready()
        for kind in self._works:
            metrics.KIND_READY.tell(kind not in not_ready, self._service, kind)

    async def check(self) -> None:
        """Raises why no job could be done now, or its result not be stored, when there is no kind
        of which one could."""
        await self._store()
        not_ready = await self.unready()
        if not_ready and len(not_ready) == len(self._works):
            raise next(iter(not_ready.values()))

    def accept(self, order: JobOrder) -> Job:
        """Start a job, or join the one that runs or succeeded under the same key.

        Raises IdempotencyKeyReused when that one was asked for something else, and KindNotAvailable
        for a kind that nobody here does.
        """
        if order.kind not in self._works:
            raise KindNotAvailable(
                f"this service does not do {order.kind[:80]!r}",
                fix="Start one of the release, and with the workflows, of the orchestrator.",
            )
        known = self._by_key.get(order.key)
        if known is not None and known.status not in ("failed", "cancelled"):
            known.require_same(order)
            known.join(order.attempt)
            log.info(Step.JOINED, extra=known.ids)
            return known
        job = Job(
            order, job_id_for(order.key, order.attempt), order.attempt,
            clock=self._clock, on_move=self._standings.moved, manifests=self.manifests,
            mark=self.mark,
        )  # fmt: skip
        while job.job_id in self._jobs:  # a client that retries without counting attempts
            job.job_id = job_id_for(job.job_id, order.attempt)
        self._jobs[job.job_id] = self._by_key[order.key] = job
        run = self._runs[job] = asyncio.create_task(self._carry_out(job), name=f"job {job.job_id}")
        run.add_done_callback(lambda _: self._runs.pop(job, None))
        self._standings.moved()
        return job

    def standing(self, job: Job) -> Standing | None:
        """Where the job stands, until it begins."""
        return self._standings.of(job)

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    async def wait(self, job: Job, *, since: int, timeout: float) -> None:
        """Until the job's version is not `since`, for at most `timeout` seconds.

        A change short of the end is told a moment later, together with those that follow it: a
        quick job is then followed with one request. While it waits, only its beginning is urgent.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while job.version == since and not job.ended:
                    await job.changed()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_GATHER_PLACES_SECONDS):
                        while not (job.has_begun or job.ended):
                            await job.changed()
                async with asyncio.timeout(_GATHER_SECONDS):
                    while not job.ended:
                        await job.changed()

    def cancel(self, job: Job, *, attempt: int | None = None) -> None:
        """Record that the job is cancelled, and stop it as soon as its stage lets go. Ended jobs
        stay as they are, and so do those that a later attempt than `attempt` has joined."""
        if job.ended or (attempt is not None and attempt < job.attempt):
            return
        self._end_cancelled(job)
        self._runs[job].cancel()

    # --- One run ---------------------------------------------------------------------------

    async def _carry_out(self, job: Job) -> None:
        bind_contextvars(**job.ids)
        order = job.order
        facts = {"task_id": order.key, "kind": order.kind, "attempt": order.attempt}
        with tracing.span("job", order.traceparent, job_id=job.job_id, **facts) as traced:
            await self._to_an_end(job)
            traced.tell(status=job.status, engine=self._works[order.kind].engine)

    async def _to_an_end(self, job: Job) -> None:
        try:
            outcome = await self._stages(job)
        except asyncio.CancelledError:
            self._end_cancelled(job)
            raise
        except ShortDramaError as error:
            self._end(job, "failed", failure=Failure.of(error))
        except Exception:
            log.exception("a job failed unexpectedly", extra=job.ids)
            bug = InternalError(f"an unexpected error; tell us the job id {job.job_id}")
            # It may be a rare one; the attempts' limit bounds how often it is tried.
            self._end(job, "failed", failure=replace(Failure.of(bug), retryable=True))
        else:
            self._end(job, "completed", outcome=outcome)

    async def _stages(self, job: Job) -> Outcome:
        work = self._works[job.order.kind]
        await require_able(work)
        await self._store()
        async with self._room.taken(await weight(work, job)):
            return await self._stages_in_memory(work, job)

    async def _stages_in_memory(self, work: Work[Any, Any], job: Job) -> Outcome:
        async with self._preparing:
            job.status = "processing"
            with self._stage(job, PREPARING):
                prepared = await self._prepare(work, job)
            log.info(Step.PREPARED, extra={"waited_seconds": round(job.waited, 3)})
            job.report(stage=WAITING)
            async with self._turn(work, job, prepared):
                with self._stage(job, "running"):
                    log.info(Step.ENGINE_BEGAN, extra={"engine": work.engine})
                    made, seconds = await self._make(work, job, prepared)
                log.info(Step.ENGINE_ENDED, extra={"engine_seconds": round(seconds, 3)})
                # Before the engine takes the next job, or results would pile up in between.
                await self._publishing.acquire()
        try:
            with self._stage(job, PUBLISHING):
                outcome = await self._publish(work, job, made)
        finally:
            self._publishing.release()
        if outcome.engine_seconds is not None:
            seconds = outcome.engine_seconds
        self._standings.pace.took(job.order.kind, seconds)
        log.info(Step.PUBLISHED, extra={"result_key": outcome.result_key})
        return replace(outcome, engine=work.engine, engine_seconds=round(seconds, 4))

    async def _prepare(self, work: Work[Prepared, Made], job: Job) -> Prepared:
        preparing = asyncio.create_task(self._uninterrupted(work.prepare(job)))
        try:
            return await to_the_end(preparing)
        except asyncio.CancelledError:
            if not preparing.cancelled() and preparing.exception() is None:
                await abandon(work, job, preparing.result())
            raise

    @contextlib.asynccontextmanager
    async def _turn(
        self, work: Work[Prepared, Made], job: Job, prepared: Prepared
    ) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as turn:
            try:
                with tracing.part(WAITING):
                    await turn.enter_async_context(self._turns.turn(job))
            except asyncio.CancelledError:
                await abandon(work, job, prepared)
                raise
            self._standings.called(job)
            turn.callback(self._standings.left, job)
            yield

    async def _make(
        self, work: Work[Prepared, Made], job: Job, prepared: Prepared
    ) -> tuple[Made, float]:
        """What the engine made, and its seconds: not those for which the job waited there."""
        running = metrics.JOBS_RUNNING.labels(self._service).track_inprogress()
        with running, self._engine_time.working(job):
            started = self._clock() - job.waited
            made = await work.make(job, prepared)
            return made, self._clock() - job.waited - started

    async def _publish(self, work: Work[Prepared, Made], job: Job, made: Made) -> Outcome:
        """For as long as the store is away or full: what an engine has made is not thrown away. No
        engine begins meanwhile what could not be stored either."""
        pause, longest = _STORE_AGAIN_SECONDS
        while True:
            try:
                return await self._uninterrupted(work.publish(job, made))
            except Unavailable as error:
                log.debug("a result is stored again: %s", error.detail)
                job.waits_for = Failure.of(error)
                job.report()
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _uninterrupted(self, stage: Coroutine[Any, Any, Result]) -> Result:
        """Short stages, whose threads and pixels we do not see, end by themselves."""
        task = asyncio.create_task(stage)
        self._io.add(task)
        task.add_done_callback(self._io.discard)
        return await to_the_end(task)

    @contextlib.contextmanager
    def _stage(self, job: Job, name: str) -> Iterator[None]:
        """One in which it does not wait, or waits only in between."""
        job.report(stage=name)
        with tracing.part(name), self._measured(job, name):
            yield

    @contextlib.contextmanager
    def _measured(self, job: Job, name: str) -> Iterator[None]:
        started = self._clock() - job.waited
        try:
            yield
        finally:
            seconds = self._clock() - job.waited - started
            metrics.JOB_SECONDS.labels(job.order.kind, name).observe(seconds)

    def _end_cancelled(self, job: Job) -> None:
        self._end(job, "cancelled", failure=Failure.of(JobCancelled("the job was cancelled")))

    def _end(
        self,
        job: Job,
        status: str,
        *,
        outcome: Outcome | None = None,
        failure: Failure | None = None,
    ) -> None:
        """Record how the job ended, unless that is known: a stage that was cancelled may still
        fail or finish."""
        if job.ended:
            return
        job.status, job.outcome, job.failure = status, outcome, failure
        if failure is not None:
            step = Step.JOB_CANCELLED if status == "cancelled" else Step.JOB_FAILED
            log.info(step, extra=job.ids | why(failure))
        job.report(stage=status, progress=1.0 if outcome else None)
        metrics.JOB_SECONDS.labels(job.order.kind, WAITING).observe(job.waited)
        self._ended.append(job)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._ended) > _KEPT:
            job = self._ended.popleft()
            del self._jobs[job.job_id]
            if self._by_key.get(job.order.key) is job:
                del self._by_key[job.order.key]


async def _stores() -> None:
    pass
