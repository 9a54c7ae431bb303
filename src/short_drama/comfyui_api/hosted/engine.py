"""A hosted ComfyUI as an engine."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from short_drama.comfyui_api.engine.health import Health
from short_drama.comfyui_api.gpu_engine import Found, OnChange
from short_drama.comfyui_api.hosted.client import ENGINE, ComfyAPI
from short_drama.comfyui_api.hosted.following import Following, HostedRun, HostedTimes
from short_drama.comfyui_api.hosted.notes import Notes
from short_drama.comfyui_api.hosted.submissions import Submissions
from short_drama.comfyui_api.server.endings import Ending, SavedImage
from short_drama.domain.errors import (
    EngineNotReady,
    EngineStarting,
    ProviderPaused,
    RetryableError,
    ShortDramaError,
)
from short_drama.images.codec import EXTENSIONS
from short_drama.jobs.threads import to_the_end
from short_drama.logs.neighbours import Neighbour

log = logging.getLogger(__name__)

_STOP_SECONDS = 30.0
"""A cancel takes effect at the next step or node; the longest node is a decode."""
_STOP_AGAIN_SECONDS = 0.2
_REMEMBERED = 1000


class HostedEngine:
    """Use with `async with`; a `GpuEngine`. What one job finds out about the account (a wrong key,
    no credits), the others need not.

    Args:
        previews: whether unfinished pictures are passed on.
    """

    name = ENGINE

    def __init__(
        self, api: ComfyAPI, notes: Notes, times: HostedTimes, *, previews: bool = False
    ) -> None:
        self._api, self._times = api, times
        self._submissions = Submissions(api, notes)
        self._following = Following(api, times, previews=previews)
        self._health, self._pause = Health(), times.recheck
        self._seen = Neighbour(log, "Comfy API v2")
        self._rejected: OrderedDict[str, None] = OrderedDict()

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._keep_ready(), name="comfy api watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    # --- Whether it takes work -------------------------------------------------------------

    def check(self) -> None:
        self._health.check()

    async def usable(self) -> None:
        await self._health.usable(self._times.patience)

    async def _keep_ready(self) -> None:
        while True:
            try:
                with self._noticing():
                    await self._api.check()
                self._health.ready()
                self._seen.back()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._times.watch):
                        await self._health.trouble()
            except ProviderPaused:
                pass
            except ShortDramaError as error:
                self._seen.away(error.detail, fix=error.fix)
                self._health.starting(EngineStarting(error.detail, fix=error.fix))
                after = error.after if isinstance(error, RetryableError) else None
                self._pause = after or self._times.recheck
            except Exception:  # nobody would notice that nobody looks any more
                log.exception("watching Comfy API v2 failed unexpectedly")
            await asyncio.sleep(self._pause)

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except ProviderPaused as error:
            self._lose(error)
            raise

    def _lose(self, error: ProviderPaused) -> None:
        self._seen.away(error.detail, fix=error.fix, level=logging.ERROR)
        self._pause = error.after or self._times.recheck
        self._health.starting(EngineNotReady(error.detail, fix=error.fix))

    # --- Files -----------------------------------------------------------------------------

    async def upload(self, data: bytes, *, folder: str, name: str, content_type: str) -> object:
        """Files are known by their bytes there: ours have no names."""
        with self._noticing():
            return await self._api.keep(
                data, extension=EXTENSIONS[content_type], content_type=content_type
            )

    async def fetch(self, image: SavedImage) -> bytes:
        with self._noticing():
            return await self._api.content(image.filename)

    # --- Jobs ------------------------------------------------------------------------------

    async def find(self, prompt_ids: Sequence[str]) -> Found | None:
        """They are begun in their order, each once the one before has ended: the earliest of which
        no job is known is the only one that may have been submitted all the same."""
        with self._noticing():
            for prompt_id in reversed(prompt_ids):
                if prompt_id in self._rejected:
                    continue
                job_id = await self._submissions.job_id(prompt_id)
                if job_id is None:
                    return Found(prompt_id, submitted=False)
                if await self._following.is_alive(job_id):
                    return Found(prompt_id)
        return None

    async def carry_out(
        self, prompt_id: str, graph: Mapping[str, Any] | None, *, task: str, on_change: OnChange
    ) -> Ending:
        """`task` is of no use here: the platform keeps its machines apart."""
        with self._noticing():
            # To its end: a request that is cut off may be carried out after all, and later.
            beginning = self._submissions.begin(prompt_id, graph)
            job_id = await to_the_end(asyncio.create_task(beginning))
            run = HostedRun(prompt_id, job_id, on_change)
            return await self._following.to_the_end(run)

    async def stop(self, prompt_id: str) -> None:
        self.reject(prompt_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                while True:
                    if await self._has_stopped(prompt_id):
                        return
                    await asyncio.sleep(_STOP_AGAIN_SECONDS)

    async def _has_stopped(self, prompt_id: str) -> bool:
        with contextlib.suppress(RetryableError):
            job_id = await self._submissions.job_id(prompt_id)
            if job_id is None:
                return True
            job = await self._api.cancel(job_id)
            return job is None or job.status not in ("queued", "running", "canceling")
        return False

    async def glance(self) -> None:
        """Nobody is told who else waits there."""

    def others_before(self, _: str) -> int:
        return 0

    def reject(self, prompt_id: str) -> None:
        self._rejected[prompt_id] = None
        if len(self._rejected) > _REMEMBERED:
            self._rejected.popitem(last=False)
