"""arq: the worker, `arq tests.bench.peers.theirs.arq_worker.WorkerSettings`."""

from typing import Any

from arq.connections import RedisSettings

from tests.bench.peers.theirs.place import AT_ONCE, Place
from tests.bench.peers.theirs.work import Worker

place = Place.here()
worker = Worker(place)


async def camera_angle(job: dict[str, Any], body: dict[str, Any]) -> None:
    await worker.do(job["job_id"], body)


async def begin(_: dict[str, Any]) -> None:
    await worker.open()


async def end(_: dict[str, Any]) -> None:
    await worker.close()


class WorkerSettings:
    functions = (camera_angle,)
    on_startup, on_shutdown = begin, end
    redis_settings = RedisSettings.from_dsn(place.broker)
    max_jobs = AT_ONCE
    poll_delay = 0.02
    """Of its own accord it looks every 0.5 s, which each task would wait for."""
