"""The product in one process with an engine that does no work; prints its addresses as JSON.

Backend and ports are as the environment says. On AWS, every request that goes out is counted; the
counts are left in the folder when the process ends.
"""

import argparse
import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiobotocore.session import get_session

from short_drama.backends.aws import clients
from short_drama.cli import host
from short_drama.cli.configuration import set_up_logging
from short_drama.domain.kinds import KINDS, Lane
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from tests.noop_engine import NoopWork
from tests.stack import stack_settings


class IdleWork(NoopWork):
    """Keeps its engine busy for a while without using the machine."""

    def __init__(self, assets: AssetStore, seconds: float) -> None:
        super().__init__(assets)
        self._seconds = seconds

    async def make(self, job: Job, prepared: bytes) -> bytes:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return await super().make(job, prepared)


def idle_engines(
    seconds: float, settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    return dict.fromkeys(KINDS, IdleWork(assets, seconds))


def count_requests() -> Counter[str]:
    """Every request to AWS from now on, as `service.Operation`, repetitions included."""
    counts: Counter[str] = Counter()

    def counting_session() -> Any:
        session = get_session()
        session.register("before-send", lambda event_name, **_: counts.update([name(event_name)]))
        return session

    patch.object(clients, "get_session", counting_session).start()
    return counts


def name(event: str) -> str:
    _, service, operation = event.split(".")
    return f"{service}.{operation}"


def announce(urls: Mapping[Component, str]) -> None:
    print(json.dumps(urls), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("components", nargs="*", type=Component, default=list(Component))
    parser.add_argument("--engine-seconds", type=float, default=0.0)
    options = parser.parse_args()
    settings = stack_settings(options.folder)
    # Lines are part of what the product costs; among figures they would be in the way.
    with (options.folder / "stderr").open("w") as file:
        os.dup2(file.fileno(), 2)
    set_up_logging(settings, "bench")
    counts = count_requests()
    engines = partial(idle_engines, options.engine_seconds)
    await host.run(
        settings,
        options.components,
        alone=options.components == list(Component),
        ready=announce,
        stop=host.stop_on_signals(),
        engines=dict.fromkeys(Lane, engines),
    )
    if counts:
        (options.folder / f"requests-{os.getpid()}.json").write_text(json.dumps(counts))


asyncio.run(main())
