"""arq: submits and statuses."""

from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job, JobStatus

from tests.bench.peers.theirs.front import create_front
from tests.bench.peers.theirs.place import Place

_WORDS = {
    JobStatus.deferred: "pending",
    JobStatus.queued: "pending",
    JobStatus.in_progress: "processing",
}


class ArqQueue:
    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._redis = await create_pool(RedisSettings.from_dsn(self._url))

    async def close(self) -> None:
        await self._redis.aclose()

    async def enqueue(self, body: dict[str, Any]) -> str:
        job = await self._redis.enqueue_job("camera_angle", body)
        assert job is not None, "its id is new"
        return str(job.job_id)

    async def status(self, task_id: str) -> str | None:
        job = Job(task_id, self._redis)
        status = await job.status()
        if status is not JobStatus.complete:
            return _WORDS.get(status)
        ended = await job.result_info()
        return "completed" if ended is not None and ended.success else "failed"


place = Place.here()
app = create_front(ArqQueue(place.broker), place)
