"""One attempt at one task: run its job, keep the lease meanwhile, and say how it ended."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from short_drama import metrics
from short_drama.domain.attempts import MAX_LOSSES, WAITING, is_spared
from short_drama.domain.errors import (
    EngineInterrupted,
    InternalError,
    JobNotFound,
    LeaseLost,
    NewerFormat,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.stage_times import StageTimes, account_of_stage, added, rounded
from short_drama.domain.task import Task
from short_drama.logs.steps import Step
from short_drama.newest import advance
from short_drama.ports import Delivery, TaskQueue, TaskStore
from short_drama.sqs_adapter.decide import (
    read_cost,
    read_failure,
    read_outcome,
    read_seconds,
    read_stage_times,
    read_text,
)
from short_drama.sqs_adapter.job_client import AcceptedJob, JobClient, JobRefused

log = logging.getLogger(__name__)

MAX_PREVIEW = 64 * 1024
"""Characters; a record has room for 400 KB in DynamoDB, and each of its writes is paid by size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """Seconds. A heartbeat is due each third of the lease; news of the job is written within
    `progress`, but no more often, and each write is a heartbeat as well. The message is hidden for
    `visibility`, and hidden again when half of that has passed."""

    lease: float = 60.0
    progress: float = 1.0
    visibility: float = 300.0


class Attempt:
    """Made for a task that was just claimed; `run` once."""

    def __init__(
        self,
        task: Task,
        delivery: Delivery,
        times: LeaseTimes,
        *,
        queue: TaskQueue,
        store: TaskStore,
        jobs: JobClient,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.task = task
        self._claimed = task
        self._worker, self._number = task.lease_owner or "", task.attempt
        self._delivery, self._queue, self._store = delivery, queue, store
        self._jobs, self._times, self._clock = jobs, times, clock
        self.job_id: str | None = None
        """The job's, once an API service has accepted it."""
        self._runs_on = False
        """Whether the job may do so, although nobody follows it any more."""
        self._posting: asyncio.Task[AcceptedJob] | None = None
        self._news: dict[str, Any] = {}
        self._unwritten = False
        self._written_at = self._hidden_at = self._seen_at = clock()
        self._losses = task.losses
        self._waited, self._stage_times = task.waited or 0.0, task.stage_times or {}
        self._stage: str | None = None
        """The task's seconds of waiting, and of everything, when its job was last seen, and its
        stage then."""
        self._expected_at: float | None = None
        self._cost = task.cost

    @property
    def claimed(self) -> Task:
        """The task as it was claimed, with what is known of the attempt by now."""
        return replace(
            self._claimed,
            api_job_id=self.job_id,
            waited=self._waited_by_now(),
            stage_times=self._stage_times_by_now(),
            losses=self._losses,
            cost=self._cost,
        )

    async def run(self) -> Outcome | Failure:
        """How the job ended. Raises LeaseLost or TaskConflict when the task is no longer ours,
        after stopping the job."""
        following = asyncio.create_task(self._follow_job())
        keeping = asyncio.create_task(self._keep_lease())
        try:
            await asyncio.wait({following, keeping}, return_when=asyncio.FIRST_COMPLETED)
            return await (following if following.done() else keeping)
        except (LeaseLost, TaskConflict, TaskNotFound, NewerFormat):
            await self._stop_job()
            raise
        finally:
            left = [task for task in (following, keeping, self._posting) if task is not None]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # --- The job ---------------------------------------------------------------------------

    async def _follow_job(self) -> Outcome | Failure:
        try:
            job = await self._post()
            async with contextlib.aclosing(self._jobs.follow(job)) as views:
                async for view in views:
                    self._time(view)
                    self._cost = read_cost(view) or self._cost
                    if (result := _ended(view)) is not None:
                        return result
                    self._note({"api_job_id": job.job_id, **_news(view)})
        except JobRefused as refused:
            return refused.failure
        except JobNotFound as error:  # it runs anew, so it is another attempt
            return self._left_alone(f"the API service has forgotten the job: {error.detail}")
        except (Unavailable, InternalError) as error:
            self._runs_on = True
            return self._left_alone(error.detail)
        self._runs_on = True
        return self._left_alone("the API service stopped telling of the job")

    def _left_alone(self, detail: str) -> Failure:
        """A job that only waited, when it was last heard of, has done its service no harm, nor has
        one that was never accepted; and what was paid for is not given up so soon. Their attempts
        do not count."""
        if self.job_id is None:
            return Failure.of(Unavailable(detail))
        spared = is_spared(self._news.get("stage"), self._cost)
        if not spared or self._losses >= MAX_LOSSES:
            return Failure.of(EngineInterrupted(detail))
        self._losses += 1
        return Failure.of(Unavailable(detail))

    async def _post(self) -> AcceptedJob:
        """Shielded: a job that is being accepted while we lose the task must be stopped, and for
        that its id must be known."""
        self._posting = asyncio.create_task(self._jobs.submit(self.task))
        job = await asyncio.shield(self._posting)
        self.job_id = job.job_id
        log.info(Step.ACCEPTED, extra={"job_id": job.job_id, "joined": job.version is None})
        if job.job_id != self.task.api_job_id:  # an earlier attempt's job runs on
            self._note({"api_job_id": job.job_id})
        return job

    async def stop_left_job(self) -> None:
        """For a task that is given up: the job must not run on for nobody."""
        if self._runs_on and self.job_id is not None:
            await self._jobs.cancel(self.job_id, self._number)

    async def _stop_job(self) -> None:
        if self._posting is not None:
            with contextlib.suppress(JobRefused, Unavailable, InternalError):
                job = await self._posting
                await self._jobs.cancel(job.job_id, self._number)

    def _note(self, news: dict[str, Any]) -> None:
        self._unwritten = self._unwritten or news != self._news
        self._news = news

    def _time(self, view: Mapping[str, Any]) -> None:
        """Times are no news: they change all the while, and ride on what is written anyway."""
        self._seen_at, self._stage = self._clock(), read_text(view.get("stage"))
        waited, eta = (
            read_seconds(view.get("queued_seconds")),
            read_seconds(view.get("eta_seconds")),
        )
        self._waited = (self._claimed.waited or 0.0) + (waited or 0.0)
        self._stage_times = added(self._claimed.stage_times or {}, read_stage_times(view))
        self._expected_at = None if eta is None else self._seen_at + eta

    def _waited_by_now(self) -> float:
        since = self._clock() - self._seen_at if self._stage == WAITING else 0.0
        return round(self._waited + since, 4)

    def _stage_times_by_now(self) -> StageTimes:
        account, since = account_of_stage(self._stage), self._clock() - self._seen_at
        return rounded(added(self._stage_times, {account: since} if account is not None else {}))

    # --- The lease -------------------------------------------------------------------------

    async def _keep_lease(self) -> NoReturn:
        """Beat in time, and soon for news of the job; look at once when somebody else writes the
        task (a cancel).

        A store that does not answer is not a refusal: the job runs on, past its lease if need be,
        because nobody else may have claimed the task, and the fence decides in the end.
        """
        while True:
            try:
                await self._watch()
                if self._clock() >= self._due or self.task.lease_owner != self._worker:
                    await self._beat()
            except Unavailable:
                await asyncio.sleep(self._times.lease / 60)

    @property
    def _due(self) -> float:
        beat = self._times.lease / 3
        return self._written_at + (min(self._times.progress, beat) if self._unwritten else beat)

    async def _watch(self) -> None:
        """Until a beat may be due or somebody else has written the task."""
        left = min(self._due - self._clock(), self._times.progress)
        current = await self._store.wait_for_change(
            self.task.task_id, self.task.version, timeout=max(left, 0.0)
        )
        if current is None:
            raise TaskNotFound(f"task {self.task.task_id} is gone")
        self.task = current

    async def _beat(self) -> None:
        """Record first, queue second: only the record's answer says whether we still hold it."""
        now, self._unwritten = self._clock(), False
        try:
            self.task = await advance(self._store, self.task, lambda task: self._beaten(task, now))
        except Unavailable:
            self._unwritten = True
            self._count("unanswered")
            raise
        except (LeaseLost, TaskConflict, TaskNotFound, NewerFormat):
            self._count("refused")
            raise
        self._written_at = now
        self._count("written")
        if now >= self._hidden_at + self._times.visibility / 2:
            await self._queue.extend(self._delivery, lease=self._times.visibility)
            self._hidden_at = now

    def _count(self, outcome: str) -> None:
        metrics.HEARTBEATS.labels(self.task.lane, outcome).inc()

    def _beaten(self, task: Task, now: float) -> Task:
        beaten = task.heartbeat(
            self._worker, self._number, now=now, lease=self._times.lease,
            waited=self._waited_by_now(), stage_times=self._stage_times_by_now(),
            expected_at=self._expected_at, **self._news,
        )  # fmt: skip
        return beaten if self._cost is None else beaten.with_cost(self._cost)


def _news(view: Mapping[str, Any]) -> dict[str, Any]:
    """What a running job's view tells of it, as far as it makes sense."""
    stage, progress, place = view.get("stage"), view.get("progress"), view.get("queue_position")
    waits_for = view.get("waiting_for")
    told = isinstance(progress, int | float) and 0 <= progress <= 1
    news = {
        "stage": stage if isinstance(stage, str) else _stage_by_status(view.get("status")),
        "progress": progress if told else None,
        "queue_position": place if isinstance(place, int) and place > 0 else None,
        "waits_for": Failure.from_json(waits_for) if isinstance(waits_for, dict) else None,
    }
    preview = view.get("preview")
    if isinstance(preview, str) and preview.startswith("data:image/"):
        return news if len(preview) > MAX_PREVIEW else {**news, "preview": preview}
    return news


def _stage_by_status(status: object) -> str | None:
    """For services that tell no stage: what they process runs, as far as anybody knows."""
    return "running" if status == "processing" else None


def _ended(view: Mapping[str, Any]) -> Outcome | Failure | None:
    match view.get("status"):
        case "completed":
            return read_outcome(view)
        case "failed" | "cancelled":
            return read_failure(view)
        case _:
            return None
