"""Accept a job once, run its three stages, a bounded number at a time, and report.

The stages overlap: while one job is in the engine, the next one's inputs are prepared and the
previous one's result is published, so that the engine never waits for I/O.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from short_drama.domain.errors import Failure, InternalError, JobCancelled, ShortDramaError
from short_drama.domain.task import Outcome, job_id_for
from short_drama.web import metrics

log = logging.getLogger(__name__)

Prepared = TypeVar("Prepared")
Made = TypeVar("Made")

_AHEAD = 2
"""Jobs that may be prepared while the engine is busy; more would only hold memory."""
_GATHER_SECONDS = 0.2
_KEPT = 1000
"""Finished jobs that can still be asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """What a client asks for. `key` makes it idempotent; `created_at` dates the result's key."""

    kind: str
    request: BaseModel
    key: str
    attempt: int = 1
    created_at: float


@dataclass(slots=True, eq=False)
class Job:
    """One run inside an API service."""

    order: JobOrder
    job_id: str
    attempt: int = 1
    """The latest attempt that asked for it; an earlier one has lost it."""
    status: str = "pending"
    stage: str = "queued"
    progress: float = 0.0
    version: int = 1
    outcome: Outcome | None = None
    failure: Failure | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def report(self, *, stage: str | None = None, progress: float | None = None) -> None:
        """Tell whoever follows the job; for engines as well."""
        self.stage = stage or self.stage
        self.progress = self.progress if progress is None else progress
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Until the next report."""
        await self._changed.wait()


class Work(Protocol, Generic[Prepared, Made]):
    """How one kind of job is done. Stages raise ShortDramaError to fail the job."""

    engine: str
    """What turns the pixels; named in every record."""

    async def prepare(self, job: Job) -> Prepared:
        """Everything before the engine: fetch, check, decode."""
        ...

    async def make(self, job: Job, prepared: Prepared) -> Made:
        """The engine's own time; it counts as engine_seconds."""
        ...

    async def publish(self, job: Job, made: Made) -> Outcome:
        """Encode, label, store."""
        ...


class JobRunner:
    """Use with `async with`; leaving it cancels what still runs.

    Args:
        service: the name in metrics.
        works: how each kind is done.
        parallel: jobs in the engine at a time.
    """

    def __init__(
        self,
        service: str,
        works: Mapping[str, Work[Any, Any]],
        *,
        parallel: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service, self._works, self._clock = service, works, clock
        self._preparing = asyncio.Semaphore(parallel + _AHEAD)
        self._engine = asyncio.Semaphore(parallel)
        self._jobs: dict[str, Job] = {}
        self._ended: deque[Job] = deque()
        self._by_key: dict[str, Job] = {}
        self._runs: dict[Job, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "JobRunner":
        return self

    async def __aexit__(self, *_: object) -> None:
        for job in list(self._runs):
            await self.cancel(job)

    @property
    def engines(self) -> dict[str, str]:
        """The engine of each kind."""
        return {kind: work.engine for kind, work in self._works.items()}

    @property
    def running(self) -> int:
        return len(self._runs)

    def accept(self, order: JobOrder) -> Job:
        """Start a job, or join the one that runs or succeeded under the same key."""
        known = self._by_key.get(order.key)
        if known is not None and known.status not in ("failed", "cancelled"):
            known.attempt = max(known.attempt, order.attempt)
            return known
        job = Job(order, job_id_for(order.key, order.attempt), order.attempt)
        while job.job_id in self._jobs:  # a client that retries without counting attempts
            job.job_id = job_id_for(job.job_id, order.attempt)
        self._jobs[job.job_id] = self._by_key[order.key] = job
        run = self._runs[job] = asyncio.create_task(self._carry_out(job), name=f"job {job.job_id}")
        run.add_done_callback(lambda _: self._runs.pop(job, None))
        return job

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    async def wait(self, job: Job, *, since: int, timeout: float) -> None:
        """Until the job's version is not `since`, for at most `timeout` seconds.

        A change short of the end is told a moment later, together with those that follow it: a
        quick job is then followed with one request.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while job.version == since and not job.ended:
                    await job.changed()
                async with asyncio.timeout(_GATHER_SECONDS):
                    while not job.ended:
                        await job.changed()

    async def cancel(self, job: Job, *, attempt: int | None = None) -> None:
        """Stop the job; its end is recorded when this returns. Ended jobs stay as they are, and
        so do those that a later attempt than `attempt` has joined."""
        if attempt is not None and attempt < job.attempt:
            return
        if run := self._runs.get(job):
            run.cancel()
            await asyncio.wait([run])
            if not job.ended:  # it had not taken its first step
                self._end_cancelled(job)

    # --- One run ---------------------------------------------------------------------------

    async def _carry_out(self, job: Job) -> None:
        try:
            outcome = await self._stages(job)
        except asyncio.CancelledError:
            self._end_cancelled(job)
            raise
        except ShortDramaError as error:
            self._end(job, "failed", failure=Failure.of(error))
        except Exception:
            log.exception("a job failed unexpectedly", extra={"job_id": job.job_id})
            bug = InternalError(f"an unexpected error; tell us the job id {job.job_id}")
            # It may be a rare one; the attempts' limit bounds how often it is tried.
            self._end(job, "failed", failure=replace(Failure.of(bug), retryable=True))
        else:
            self._end(job, "completed", outcome=outcome)

    async def _stages(self, job: Job) -> Outcome:
        work = self._works[job.order.kind]
        async with self._preparing:
            job.status = "processing"
            async with self._stage(job, "preparing"):
                prepared = await work.prepare(job)
            busy = metrics.JOBS_RUNNING.labels(self._service).track_inprogress()
            async with self._engine, self._stage(job, "running"):
                with busy:
                    started = time.perf_counter()
                    made = await work.make(job, prepared)
                    seconds = time.perf_counter() - started
        async with self._stage(job, "publishing"):
            outcome = await work.publish(job, made)
        return replace(outcome, engine=work.engine, engine_seconds=round(seconds, 4))

    @contextlib.asynccontextmanager
    async def _stage(self, job: Job, name: str) -> AsyncIterator[None]:
        job.report(stage=name)
        with metrics.JOB_SECONDS.labels(job.order.kind, name).time():
            yield

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
        job.status, job.outcome, job.failure = status, outcome, failure
        job.report(stage=status, progress=1.0 if outcome else None)
        self._ended.append(job)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._ended) > _KEPT:
            job = self._ended.popleft()
            del self._jobs[job.job_id]
            if self._by_key.get(job.order.key) is job:
                del self._by_key[job.order.key]
