"""A client that asks what everybody asks, and takes the time."""

import asyncio
import io
import itertools
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from PIL import Image

from short_drama.wiring.components import Component
from tests.attacks.site import Site
from tests.samples import png

_SECONDS = 60.0
_PAUSE = 0.3
"""Between two rounds: it is the attacker who keeps the service busy."""


@dataclass
class Rounds:
    """What one client met with. `slowest` in seconds, of one request."""

    requests: int = 0
    slowest: float = 0.0
    slowest_of: str = ""
    refused: list[str] = field(default_factory=list)


class Honest:
    def __init__(self, site: Site, http: aiohttp.ClientSession, pictures: str) -> None:
        self._site, self._http, self._pictures = site, http, pictures
        self._count = itertools.count(1)
        self.tasks: set[str] = set()

    async def rounds(self, until: "asyncio.Future[Any] | int") -> Rounds:
        """So many, or as many as there is time for; one at least."""
        met = Rounds()
        for number in itertools.count(1):
            await self._round(met)
            if number == until or (isinstance(until, asyncio.Future) and until.done()):
                return met
            await asyncio.sleep(_PAUSE)
        raise AssertionError("a count ends")

    async def idle(self) -> None:
        """Until all of its tasks have ended."""
        for task in self.tasks:
            for wait in range(60):
                url = f"{self._site.url(Component.ORCHESTRATOR)}/api/v1/tasks/{task}?wait=1"
                async with self._http.get(url) as answer:
                    if (await answer.json())["status"] not in ("pending", "processing"):
                        break
                    assert wait < 59, f"task {task} does not end"

    async def _round(self, met: Rounds) -> None:
        """One request of each kind; the picture is a new one each time."""
        for component in Component:
            await self._asked(met, "GET", component, "/health")
        number = next(self._count)
        gpu, headers = Component.ORCHESTRATOR, {"Content-Type": "image/png"}
        for data in (_large(number), png(colour=(number % 256, number // 256, 40))):
            upload = await self._asked(
                met, "POST", gpu, "/api/v1/assets", data=io.BytesIO(data), headers=headers
            )
        for image in (upload.get("image_url"), f"{self._pictures}/{number}.png"):
            body = {"image_url": image, "zoom": 1}
            task = await self._asked(met, "POST", gpu, "/api/v1/camera-angle/tasks", json=body)
            self.tasks.update(task.get("task_id", "").split())

    async def _asked(
        self, met: Rounds, method: str, component: Component, path: str, **sent: Any
    ) -> Mapping[str, Any]:
        began, found, what = time.monotonic(), {}, f"{method} {path} of the {component}"
        asked = self._http.request(method, self._site.url(component) + path, **sent)
        try:
            async with asyncio.timeout(_SECONDS), asked as answer:
                found = await answer.json()
                if answer.status >= 300:
                    met.refused.append(f"{what}: {answer.status} {found}")
        except (aiohttp.ClientError, TimeoutError) as error:
            met.refused.append(f"{what}: {error!r}")
        took = time.monotonic() - began
        met.requests += 1
        if took > met.slowest:
            met.slowest, met.slowest_of = took, what
        return found


def _large(number: int) -> bytes:
    """More than a server lets in whatever else it holds."""
    out = io.BytesIO()
    noise = random.Random(number).randbytes(200 * 200 * 3)
    Image.frombytes("RGB", (200, 200), noise).save(out, "PNG")
    return out.getvalue()


@asynccontextmanager
async def honest(site: Site) -> AsyncIterator[Honest]:
    """One whose connections are new each time, and who has pictures at URLs as well."""

    async def picture(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.Response(body=png(colour=(number % 256, 90, number // 256)))

    app = web.Application()
    app.router.add_get("/{number}.png", picture)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connector = aiohttp.TCPConnector(force_close=True)
    try:
        async with aiohttp.ClientSession(connector=connector) as http:
            yield Honest(site, http, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
