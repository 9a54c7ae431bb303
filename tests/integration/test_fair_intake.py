"""What one client sends costs that client: another one is served meanwhile, and memory stays."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web
from PIL import Image

from tests.noop_engine import NOOP
from tests.samples import png
from tests.stack import RunningStack, running_stack

MIB = 2**20
ASSETS, CAMERA = "/api/v1/assets", "/api/v1/camera-angle/tasks"


def bomb(number: int) -> bytes:
    """40 megapixels of one colour in a few kilobytes; each another picture."""
    out = io.BytesIO()
    if number % 6 == 0:
        Image.new("RGBA", (8000, 5000), (number, 0, 0, 9)).save(out, "WEBP", lossless=True)
    else:
        Image.new("1", (8000, 4000 + number)).save(out, "PNG")
    return out.getvalue()


class Memory:
    """The most that this process, and so the service in it, has held since then; no child's."""

    def __init__(self) -> None:
        self._before = self.now()
        self._most = 0

    @staticmethod
    def now() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    async def watch(self) -> None:
        while True:
            self._most = max(self._most, self.now())
            await asyncio.sleep(0.01)

    @property
    def growth(self) -> int:
        return self._most - self._before


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    allowed = (ip_network("127.0.0.0/8"),)
    async with running_stack(tmp_path, NOOP, fetch_allow=allowed) as running:
        yield running


async def sent(stack: RunningStack, path: str, **body: Any) -> int:
    async with stack.http.post(stack.gpu + path, **body) as answer:
        await answer.read()
        return answer.status


async def stopped(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_small_files_that_are_large_pictures_keep_nobody_waiting(
    stack: RunningStack,
) -> None:
    image = {"Content-Type": "image/png"}
    bombs = [await asyncio.to_thread(bomb, number) for number in range(12)]
    memory = Memory()
    watching = asyncio.create_task(memory.watch())
    hostile = [asyncio.create_task(sent(stack, ASSETS, data=data, headers=image)) for data in bombs]
    await asyncio.sleep(0.2)
    assert await sent(stack, ASSETS, data=png(), headers=image) == 201
    assert sum(task.done() for task in hostile) < len(hostile) / 2
    for done in asyncio.as_completed(hostile):
        assert await done in (201, 503)  # they are pictures, after all
        if sum(task.done() for task in hostile) > 4:
            break
    await stopped(watching, *hostile)
    assert memory.growth < 150 * MIB


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[tuple[str, str]]:
    """URLs at one that never answers, and at one that has a picture."""
    connected: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=png())

    app = web.Application()
    app.router.add_get("/still.png", picture)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        port = silent.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/still.png", f"http://127.0.0.1:{_port(runner)}/still.png"
    finally:
        silent.close()
        for writer in connected:
            writer.close()
        await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])


async def test_servers_that_are_silent_keep_nobody_waiting(stack: RunningStack) -> None:
    async with servers() as (silent, honest):
        body = {"image_url": silent, "zoom": 1}
        hostile = [asyncio.create_task(sent(stack, CAMERA, json=body)) for _ in range(40)]
        await asyncio.sleep(0.2)
        assert await sent(stack, CAMERA, json={"image_url": honest, "zoom": 1}) == 202
        assert not any(task.done() for task in hostile)
        await stopped(*hostile)
