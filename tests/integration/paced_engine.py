"""The no-op engine, with prompts that tell it to wait: work whose moments a test can choose."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from short_drama.domain.errors import EngineFailed
from short_drama.domain.kinds import KINDS, Lane
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore
from short_drama.settings import Settings
from short_drama.wiring.engines import Engines
from tests.noop_engine import NoopWork
from tests.patience import SOON


class Pace:
    """Jobs whose prompt is `hold <name>` stay in the engine until `let_go(name)`."""

    def __init__(self) -> None:
        self.holding: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.freed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.stopped: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.made: list[str] = []

    def let_go(self, name: str) -> None:
        self.freed[name].set()

    async def held(self, name: str) -> None:
        """Until the job is in the engine."""
        async with asyncio.timeout(SOON):
            await self.holding[name].wait()

    def engines(self) -> Mapping[Lane, Engines]:
        def works(
            settings: Settings, sources: ImageSources, assets: AssetStore
        ) -> Mapping[str, Work[Any, Any]]:
            return dict.fromkeys(KINDS, PacedWork(assets, self))

        return dict.fromkeys(Lane, works)


class PacedWork(NoopWork):
    def __init__(self, assets: AssetStore, pace: Pace) -> None:
        super().__init__(assets)
        self._pace = pace

    async def make(self, job: Job, prepared: bytes) -> bytes:
        verb, _, name = (getattr(job.order.request, "prompt", None) or "").partition(" ")
        if verb == "hold":
            await self._hold(job, name)
        elif verb == "fail":
            raise EngineFailed(f"told to fail: {name}", fix="Tell it something else.")
        self._pace.made.append(name)
        return await super().make(job, prepared)

    async def _hold(self, job: Job, name: str) -> None:
        job.report(progress=0.25)
        self._pace.holding[name].set()
        try:
            await self._pace.freed[name].wait()
        except asyncio.CancelledError:
            self._pace.stopped[name].set()
            raise
