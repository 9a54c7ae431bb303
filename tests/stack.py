"""The whole product in this process, on free ports: real sockets, real files."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from short_drama.cli import host
from short_drama.domain.kinds import Lane
from short_drama.settings import Settings
from short_drama.wiring.components import FREE_PORTS, Component
from short_drama.wiring.engines import Engines


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Addresses, and an HTTP client to ask them with."""

    urls: Mapping[Component, str]
    http: aiohttp.ClientSession
    settings: Settings

    @property
    def gpu(self) -> str:
        return self.urls[Component.ORCHESTRATOR]

    @property
    def cpu(self) -> str:
        return self.urls[Component.CPU_ORCHESTRATOR]


def stack_settings(data_dir: Path, **changes: Any) -> Settings:
    return Settings(**{"data_dir": data_dir, **FREE_PORTS, **changes})


@contextlib.asynccontextmanager
async def running_stack(
    data_dir: Path, engines: Mapping[Lane, Engines] | None = None, **changes: Any
) -> AsyncIterator[RunningStack]:
    settings = stack_settings(data_dir, **changes)
    stop = asyncio.Event()
    addresses: asyncio.Future[Mapping[Component, str]] = asyncio.Future()
    running = asyncio.create_task(
        host.run(
            settings,
            list(Component),
            alone=True,
            ready=addresses.set_result,
            stop=stop,
            engines=engines,
        )
    )
    both: set[asyncio.Future[Any]] = {running, addresses}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    try:
        async with aiohttp.ClientSession() as http:
            yield RunningStack(addresses.result(), http, settings)
    finally:
        stop.set()
        await running
