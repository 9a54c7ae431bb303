"""One component with stores that fail now and then: `python -m tests.accountant.serve COMPONENT
SEED SHARE`. Pauses that are meant for people are short."""

import asyncio
import contextlib
import dataclasses
import inspect
import logging
import sys
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from unittest.mock import patch

from short_drama.cli import host
from short_drama.domain.errors import Unavailable
from short_drama.paid_api.paying import limits
from short_drama.settings import Settings, load
from short_drama.wiring import stack
from short_drama.wiring.backend import Backend, open_backend
from short_drama.wiring.components import Component


class Unkind:
    """A port, a share of whose calls raises Unavailable: half of those before anything was done,
    the others after."""

    def __init__(self, port: object, chance: Random, share: float) -> None:
        self._port, self._chance, self._share = port, chance, share

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            drawn = self._chance.random()
            if drawn < self._share / 2:
                raise Unavailable(f"{name} fails before anything was done")
            answer = await found(*arguments, **named)
            if drawn < self._share:
                raise Unavailable(f"{name} fails after it was done")
            return answer

        return call


@contextlib.asynccontextmanager
async def unkind_backend(
    settings: Settings, *, assets_url: str, chance: Random, share: float
) -> AsyncIterator[Backend]:
    async with open_backend(settings, assets_url=assets_url) as backend:
        ports: dict[str, Any] = {
            name: Unkind(getattr(backend, name), chance, share)
            for name in ("store", "assets", "ledger")
        }
        yield dataclasses.replace(backend, **ports)


async def main(component: str, seed: str, share: str) -> None:
    chance = Random(seed)

    def opened(settings: Settings, *, assets_url: str) -> Any:
        return unkind_backend(settings, assets_url=assets_url, chance=chance, share=float(share))

    with (
        patch.object(stack, "open_backend", opened),
        patch.object(limits, "_PAUSES", (0.3, 2.0)),
    ):
        await host.run(
            load(),
            [Component(component)],
            alone=False,
            ready=lambda urls: print("Ready.", flush=True),
            stop=host.stop_on_signals(),
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    asyncio.run(main(*sys.argv[1:]))
