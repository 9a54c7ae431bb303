"""One hosted job, followed to its end: its own record is the truth, its stream saves waiting."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from short_drama.comfyui_api.gpu_engine import OnChange
from short_drama.comfyui_api.hosted.answers import HostedJob
from short_drama.comfyui_api.hosted.client import ComfyAPI, NoStream
from short_drama.comfyui_api.hosted.stream import Moved, Pictured, Stepped, Told, stepped
from short_drama.comfyui_api.server.endings import Ending
from short_drama.comfyui_api.server.events import Previewed
from short_drama.domain.errors import (
    EngineInterrupted,
    EngineUnavailable,
    RetryableError,
    ShortDramaError,
    Throttled,
    Unavailable,
)

_SOON = (0.02, 0.05, 0.1, 0.25, 0.5)
"""Pauses between looks at a job that is said to have moved: its record may be a moment behind."""
_LISTEN_AGAIN_SECONDS = 5.0
LOST_LOOKS = 2
"""How often a job must be seen as unknown or expired: the proxy has been seen to say so of one that
ended between its two looks at ComfyUI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTimes:
    """Seconds. `poll`: between two looks at a job that says nothing. `stuck`: without any change,
    after which a job is cancelled. `patience`: how long a job waits for a server that does not
    answer before it is given back. `recheck`: between two looks at a server that takes no work;
    `watch`: at one that does."""

    poll: float = 2.0
    stuck: float = 3000.0
    patience: float = 60.0
    recheck: float = 5.0
    watch: float = 30.0


@dataclass(slots=True, eq=False)
class HostedRun:
    """A `Running` job."""

    prompt_id: str
    job_id: str
    on_change: OnChange
    started: bool = False
    node: str | None = None
    fraction: float | None = None
    preview: Previewed | None = None
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, told: Told) -> None:
        match told:
            case Moved():
                self.moved.set()
            case Stepped(node=str() as node, fraction=fraction):
                self._change(node, fraction)
            case Pictured(content_type, data):
                self.preview = Previewed(self.prompt_id, content_type, data)
                self.on_change(self)

    def see(self, job: HostedJob) -> None:
        if job.status == "running":
            self._change(self.node, self.fraction)
            self.hear(stepped(job.progress))

    def _change(self, node: str | None, fraction: float | None) -> None:
        before = self.started, self.node, self.fraction
        self.started, self.node, self.fraction = True, node, fraction
        if before != (True, node, fraction):
            self.on_change(self)


class Following:
    """Args:
    previews: whether unfinished pictures are passed on.
    """

    def __init__(
        self,
        api: ComfyAPI,
        times: HostedTimes,
        *,
        previews: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._times, self._previews, self._clock = api, times, previews, clock
        self._has_streams = True

    async def to_the_end(self, run: HostedRun) -> Ending:
        """Raises EngineInterrupted or EngineUnavailable, by whether it had started, for a job that
        is lost, stands still, or of which nothing is heard any more."""
        listening = asyncio.create_task(self._listen(run))
        try:
            return await self._until_ended(run)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def is_alive(self, job_id: str) -> bool:
        """Whether it waits, runs, or has ended well. Raises Unavailable and the like."""
        for pause in (*_SOON[-LOST_LOOKS + 1 :], None):
            job = await self._api.job(job_id)
            if job is not None and job.status != "expired":
                return job.status in ("queued", "running", "succeeded")
            if pause is not None:
                await asyncio.sleep(pause)
        return False

    # --- Its record ------------------------------------------------------------------------

    async def _until_ended(self, run: HostedRun) -> Ending:
        seen: HostedJob | None = None
        pauses, absent, changed_at = iter(_SOON), 0, self._clock()
        while True:
            pauses = await self._pause(run, pauses)
            job = await self._look(run)
            if job is None or job.status == "expired":
                absent += 1
                if absent >= LOST_LOOKS:
                    raise _lost(run, "the hosted ComfyUI has lost the job")
                continue
            run.see(job)
            if (ending := job.ending()) is not None:
                return ending
            if job != seen:
                seen, absent, changed_at = job, 0, self._clock()
            elif self._clock() - changed_at > self._times.stuck:
                with contextlib.suppress(ShortDramaError):
                    await self._api.cancel(run.job_id)
                reason = f"made no progress for {self._times.stuck:g} seconds"
                raise _lost(run, f"the hosted job {reason}")

    async def _pause(self, run: HostedRun, pauses: Iterator[float]) -> Iterator[float]:
        """Until the next look is due; returns the pauses after it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(next(pauses, self._times.poll)):
                await run.moved.wait()
                run.moved.clear()
                return iter(_SOON)
        return pauses

    async def _look(self, run: HostedRun) -> HostedJob | None:
        """Asks until there is an answer, or patience is at its end."""
        asked_at = self._clock()
        while True:
            try:
                return await self._api.job(run.job_id)
            except (Throttled, Unavailable) as error:
                if self._clock() - asked_at > self._times.patience:
                    # Not counted, whatever it has done: the next attempt takes the job on.
                    raise EngineUnavailable(error.detail) from error
                await asyncio.sleep(error.after or self._times.poll)

    # --- Its stream ------------------------------------------------------------------------

    async def _listen(self, run: HostedRun) -> None:
        """Until somebody ends it, or the server turns out to have no streams."""
        while self._has_streams:
            try:
                async for told in self._api.events(run.job_id):
                    if self._previews or not isinstance(told, Pictured):
                        run.hear(told)
                run.moved.set()
            except Unavailable:
                pass
            except NoStream:
                self._has_streams = False
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)


def _lost(run: HostedRun, detail: str) -> RetryableError:
    return EngineInterrupted(detail) if run.started else EngineUnavailable(detail)
