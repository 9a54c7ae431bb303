"""The whole product, each of its asset reads and writes taking a while longer, as S3's do."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.cli import host
from short_drama.wiring.components import Component
from tests.stack import stack_settings

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def later(
    seconds: float, call: Callable[Arguments, Awaitable[Result]]
) -> Callable[Arguments, Awaitable[Result]]:
    async def delayed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        await asyncio.sleep(seconds)
        return await call(*args, **kwargs)

    return delayed


def announce(urls: Mapping[Component, str]) -> None:
    print(json.dumps(urls), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("comfyui_url")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--swap-wait", type=float, default=120.0)
    options = parser.parse_args()
    if options.latency:
        for name in ("get", "put"):
            slow = later(options.latency, getattr(EmbeddedAssetStore, name))
            setattr(EmbeddedAssetStore, name, slow)
    await host.run(
        stack_settings(
            options.folder,
            comfyui_url=options.comfyui_url,
            comfyui_warm_up=False,
            comfyui_swap_wait_seconds=options.swap_wait,
        ),
        list(Component),
        alone=True,
        ready=announce,
        stop=host.stop_on_signals(),
    )


asyncio.run(main())
