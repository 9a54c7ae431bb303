"""A cancelled job says so at once; its place is free when its threads have ended."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from short_drama.domain.kinds import FaceMaskRequest
from short_drama.domain.outcome import Outcome
from short_drama.jobs.runner import Job, JobOrder, JobRunner
from short_drama.jobs.threads import in_thread
from tests.patience import SOON
from tests.samples import NOW

AT_ONCE = {"prepare": 3, "make": 1, "publish": 3}
"""How many jobs of a runner with one engine are in each stage at a time."""


@dataclass
class Threads:
    """Work that computes in a thread in one of its stages, until it is let go."""

    stage: str
    engine: str = "threads"
    inside: int = 0
    most: int = 0
    entered: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    free: threading.Event = field(default_factory=threading.Event)

    async def prepare(self, job: Job) -> None:
        if self.stage == "prepare":
            await asyncio.to_thread(self._compute)

    async def make(self, job: Job, prepared: None) -> None:
        if self.stage == "make":
            await in_thread(self._compute)

    async def publish(self, job: Job, made: None) -> Outcome:
        if self.stage == "publish":
            await asyncio.to_thread(self._compute)
        return Outcome()

    def _compute(self) -> None:
        with self.changed:
            self.inside, self.entered = self.inside + 1, self.entered + 1
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
        self.free.wait(10)
        with self.changed:
            self.inside -= 1

    def computing(self, count: int) -> bool:
        """Waits until `count` threads have begun."""
        with self.changed:
            return self.changed.wait_for(lambda: self.entered >= count, SOON)


@pytest.fixture(params=AT_ONCE)
def work(request: pytest.FixtureRequest) -> Iterator[Threads]:
    work = Threads(request.param)
    yield work
    work.free.set()


def order(key: str) -> JobOrder:
    request = FaceMaskRequest(image_url="asset:k")
    return JobOrder(kind="face-mask", request=request, key=key, created_at=NOW)


async def test_cancelled_threads_keep_their_places_until_they_end(work: Threads) -> None:
    limit = AT_ONCE[work.stage]
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        cancelled = [runner.accept(order(f"early {number}")) for number in range(limit)]
        assert await asyncio.to_thread(work.computing, limit)
        for job in cancelled:
            runner.cancel(job)
            assert job.status == "cancelled"
        later = [runner.accept(order(f"late {number}")) for number in range(2 * limit)]
        await asyncio.sleep(0.05)
        assert work.entered == limit
        work.free.set()
        for job in later:
            while not job.ended:
                await runner.wait(job, since=job.version, timeout=10)
        assert [job.status for job in later] == ["completed"] * 2 * limit
        assert [job.status for job in cancelled] == ["cancelled"] * limit
        assert work.most == limit


async def test_what_a_cancelled_thread_ends_with_changes_nothing(work: Threads) -> None:
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        job = runner.accept(order("k"))
        assert await asyncio.to_thread(work.computing, 1)
        runner.cancel(job)
        version = job.version
        runner.cancel(job)
        assert runner.running == 1
        work.free.set()
        [run] = [task for task in asyncio.all_tasks() if task.get_name() == f"job {job.job_id}"]
        await asyncio.wait([run], timeout=10)
        assert (job.status, job.stage, job.version) == ("cancelled", "cancelled", version)
        assert job.outcome is None


async def test_closing_waits_for_the_engine_and_for_nothing_else(work: Threads) -> None:
    async def run() -> Job:
        async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
            job = runner.accept(order("k"))
            assert await asyncio.to_thread(work.computing, 1)
        return job

    running = asyncio.create_task(run())
    assert await asyncio.to_thread(work.computing, 1)
    done, _ = await asyncio.wait([running], timeout=0.2)
    assert bool(done) == (work.stage != "make")
    work.free.set()
    assert (await asyncio.wait_for(running, SOON)).status == "cancelled"
