"""What an adapter's own port tells: whether it could work, and why not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI

from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.ports import Delivery
from short_drama.sqs_adapter.adapter_api import create_app
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.job_client import JobClient
from tests.figures import counted, figure
from tests.integration.adapter_line import StallingStore, WorkedLine, held
from tests.patience import SOON
from tests.unit.web.asgi import Answer, answered


@contextlib.asynccontextmanager
async def adapter(consumer: Consumer, url: str) -> AsyncIterator[FastAPI]:
    async with JobClient(url) as jobs:
        yield create_app(Lane.GPU, consumer, jobs)


async def until(app: FastAPI, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """/health, once it is as wanted."""
    async with asyncio.timeout(SOON):
        while True:
            health: dict[str, Any] = (await answered(app, "/health")).json
            if wanted(health):
                return health
            await asyncio.sleep(0.02)


async def ready(app: FastAPI) -> Answer:
    """/ready, which the gauge follows."""
    answer = await answered(app, "/ready")
    await app.state.look()
    assert figure("ready", service="gpu-adapter") == (answer.status == 200)
    return answer


async def test_it_is_as_ready_as_its_service_and_says_why_not(line: WorkedLine) -> None:
    consumer, _ = await line.consumer()
    async with adapter(consumer, line.service.url) as app:
        assert (await ready(app)).status == 200
        line.service.ready = False
        answer = await ready(app)
        assert answer.status == 503
        assert line.service.url in answer.json["detail"]
        health = await until(app, lambda found: True)
        assert (health["status"], health["api_service"]["ready"]) == ("unhealthy", False)
        line.service.ready = True
        assert (await ready(app)).status == 200
    async with adapter(consumer, "http://127.0.0.1:1") as app:
        answer = await ready(app)
        assert (answer.status, "127.0.0.1:1" in answer.json["detail"]) == (503, True)
        assert answer.json["fix"].startswith("Start it")


async def test_it_is_not_ready_while_its_queue_cannot_be_read(line: WorkedLine) -> None:
    receive, broken = line.apart.receive, asyncio.Event()

    async def breaks(*, wait: float, lease: float) -> Delivery | None:
        if broken.is_set():
            raise Unavailable("AWS sqs refuses ReceiveMessage", fix="Grant sqs:ReceiveMessage.")
        return await receive(wait=wait, lease=lease)

    line.apart.receive = breaks  # type: ignore[method-assign]
    consumer, _ = await line.consumer(store=line.store)
    async with adapter(consumer, line.service.url) as app:
        broken.set()
        health = await until(app, lambda found: not found["queue"]["readable"])
        assert (health["status"], health["fix"]) == ("unhealthy", "Grant sqs:ReceiveMessage.")
        assert (await ready(app)).status == 503
        broken.clear()
        health = await until(app, lambda found: bool(found["queue"]["readable"]))
        assert health["status"] == "ready"
        assert (await ready(app)).status == 200


async def test_it_tells_what_it_holds_and_what_was_taken_from_it(line: WorkedLine) -> None:
    store = StallingStore(line.database, line.wakeups)
    line.service.scripts = [held]
    await line.task()
    zombie, _ = await line.consumer("zombie", lease=0.3, store=store)
    async with adapter(zombie, line.service.url) as app:
        job = await line.service.posted()
        await until(app, lambda found: found["deliveries_held"] == 1)
        losses = counted("lease_losses_total", lane="gpu")
        refusals = counted("heartbeats_total", lane="gpu", outcome="refused")
        store.awake.clear()
        async with line.swept():
            await line.consumer("bob")
            await line.until(lambda task: task.attempt == 2)
        store.awake.set()
        health = await until(app, lambda found: found["deliveries_held"] == 0)
        assert health["lease_losses"] == 1
        job.complete()
        assert (await line.ended()).attempt == 2
    assert counted("lease_losses_total", lane="gpu") == losses + 1
    assert counted("heartbeats_total", lane="gpu", outcome="refused") == refusals + 1
