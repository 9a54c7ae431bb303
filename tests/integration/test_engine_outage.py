"""An engine that goes away for a while: tasks wait for it, and none fails."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import KINDS, Lane
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore
from short_drama.sdk.models import Problem, TaskView
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from short_drama.wiring.engines import Engines
from tests.noop_engine import NOOP, NoopWork
from tests.patience import SOON
from tests.samples import png
from tests.stack import RunningStack, running_stack

TASKS = 8
DOWN_SECONDS = 10.0


@dataclass
class Engine:
    """Does one job at a time, at an address it keeps; `paused`, it begins them and no more."""

    port: int
    working: int = 0
    most_working: int = 0
    done: int = 0
    began: asyncio.Event = field(default_factory=asyncio.Event)
    going: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/", self._ready)
        app.router.add_post("/", self._work)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _work(self, request: web.Request) -> web.Response:
        self.working += 1
        self.most_working = max(self.most_working, self.working)
        self.began.set()
        try:
            await self.going.wait()
            self.done += 1
            return web.Response(body=await request.read())
        finally:
            self.working -= 1


class RemoteWork(NoopWork):
    """Sends its pixels to an engine elsewhere."""

    engine = "remote"

    def __init__(self, assets: AssetStore, url: str) -> None:
        super().__init__(assets)
        self._url = url

    async def check(self) -> None:
        await self._call("GET")

    async def make(self, job: Job, prepared: bytes) -> bytes:
        return await self._call("POST", prepared[:1024])

    async def _call(self, method: str, data: bytes | None = None) -> bytes:
        try:
            async with aiohttp.request(method, self._url, data=data) as answer:
                return await answer.read()
        except aiohttp.ClientError as error:
            raise Unavailable("the engine does not answer", fix="Start it.") from error


def engines(url: str) -> Mapping[Lane, Engines]:
    def works(
        settings: Settings, sources: ImageSources, assets: AssetStore
    ) -> Mapping[str, Work[Any, Any]]:
        return dict.fromkeys(KINDS, RemoteWork(assets, url))

    return {**NOOP, Lane.GPU: works}


@pytest.fixture
def engine() -> Engine:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Engine(free.getsockname()[1])


async def submitted(stack: RunningStack) -> list[str]:
    """Where to follow as many tasks as this test needs."""
    url, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
    async with stack.http.post(url, data=png(), headers=headers) as answer:
        body = {"image_url": (await answer.json())["image_url"], "zoom": 1}
    found = []
    for _ in range(TASKS):
        async with stack.http.post(f"{stack.gpu}/api/v1/camera-angle/tasks", json=body) as answer:
            found.append((await answer.json())["urls"]["self"])
    return found


async def ended(stack: RunningStack, url: str) -> TaskView:
    while True:
        async with stack.http.get(url, params={"wait": 20}) as answer:
            task = TaskView.model_validate(await answer.json())
        if task.ended:
            return task


async def readiness(stack: RunningStack, path: str = "/ready") -> tuple[int, dict[str, Any]]:
    async with stack.http.get(stack.urls[Component.COMFYUI_API] + path) as answer:
        return answer.status, await answer.json()


async def test_tasks_outlive_an_outage_of_their_engine(engine: Engine, tmp_path: Path) -> None:
    async with running_stack(tmp_path, engines(engine.url), poll_seconds=0.1) as stack:
        async with engine.up():
            assert (await readiness(stack))[0] == 200
            urls = await submitted(stack)
            await asyncio.wait_for(engine.began.wait(), SOON)
        assert engine.done == 0
        status, document = await readiness(stack)
        problem = Problem.model_validate(document)
        assert (status, problem.code, problem.fix) == (503, "unavailable", "Start it.")
        status, health = await readiness(stack, "/health")
        assert (status, health["status"]) == (200, "unhealthy")
        await asyncio.sleep(DOWN_SECONDS)
        engine.going.set()
        async with asyncio.timeout(SOON), engine.up():
            tasks = await asyncio.gather(*(ended(stack, url) for url in urls))
    assert [task.status for task in tasks] == ["completed"] * TASKS
    assert (engine.done, engine.most_working) == (TASKS, 1)
    # Nobody takes a message for an engine that is away: only those in hand had tried.
    assert sorted(task.attempts for task in tasks)[:-2] == [1] * (TASKS - 2)
    assert max(task.attempts for task in tasks) <= 2
