"""One component, whose engine idles for a moment and fails tasks that are labelled so:
`python -m tests.deploy.serve_watched COMPONENT`."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from short_drama.cli import host
from short_drama.domain.errors import EngineFailed
from short_drama.domain.kinds import KINDS, Lane
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore
from short_drama.settings import Settings, load
from short_drama.wiring.components import Component
from tests.noop_engine import NoopWork

FAULTY: Mapping[str, str] = {"fault": "engine"}
_SECONDS = 0.05


class WatchedWork(NoopWork):
    async def make(self, job: Job, prepared: bytes) -> bytes:
        await asyncio.sleep(_SECONDS)
        if job.order.labels == FAULTY:
            raise EngineFailed("this task is to fail")
        return await super().make(job, prepared)


def watched_engines(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    return dict.fromkeys(KINDS, WatchedWork(assets))


async def main(component: str) -> None:
    await host.run(
        load(),
        [Component(component)],
        alone=False,
        ready=lambda urls: print("Ready.", flush=True),
        stop=host.stop_on_signals(),
        engines=dict.fromkeys(Lane, watched_engines),
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
