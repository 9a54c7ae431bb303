"""Makes the engine ready, and ready again: at start, after a restart, and when it is stuck."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from short_drama.comfyui_api.engine.engine import Engine
from short_drama.comfyui_api.engine.health import State
from short_drama.domain.errors import (
    EngineNotReady,
    EngineStarting,
    EngineUnavailable,
    ShortDramaError,
    Unavailable,
)
from short_drama.logs.neighbours import Neighbour

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25, 5.0
"""The first and the longest pause between two looks at a server that is not ready."""
_RESTART_SECONDS = 120.0
"""For the restart command to return."""
_BETWEEN_RESTARTS = 60.0
_START_FIX = "Start ComfyUI, or correct SHORT_DRAMA_COMFYUI_URL."
_RECOVERY_SECONDS = 1.0
"""Between two looks at a server that is unhealthy."""
_MENDED_SECONDS = 1.0, 10.0
"""The first and the longest pause between two looks for what kinds lacked that cannot run."""


class Caretaker:
    """Use with `async with`.

    Args:
        prepare: finds out which kinds the server can run, and warms it up. Raises EngineNotReady
            or Unavailable while it can run none.
        lacking: whether there is a kind that it cannot run.
        restart: the command that restarts the server, if we may.
    """

    def __init__(
        self,
        engine: Engine,
        prepare: Callable[[], Awaitable[None]],
        lacking: Callable[[], bool],
        *,
        restart: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._health, self._prepare = engine, engine.health, prepare
        self._lacking, self._restart, self._clock = lacking, restart, clock
        self._restarted_at = -_BETWEEN_RESTARTS
        self._seen = Neighbour(log, "ComfyUI", url=engine.comfyui.url)

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._keep_ready(), name="comfyui caretaker")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _keep_ready(self) -> None:
        while True:
            try:
                if self._health.state is State.UNHEALTHY:
                    self._tell_unhealthy()
                    await self._recover()
                await self._make_ready()
                if self._health.state is State.READY:
                    await self._look_after_kinds()
            except Exception:  # nobody would notice that nobody takes care any more
                log.exception("taking care of ComfyUI failed unexpectedly")
                await asyncio.sleep(_LOOK_SECONDS[1])

    async def _make_ready(self) -> None:
        """Until it is ready, or found to be unhealthy meanwhile, by a warm-up for one."""
        pause, longest = _LOOK_SECONDS
        while True:
            try:
                await self._prepare_or_say()
            except ShortDramaError as error:
                self._seen.away(error.detail, fix=error.fix, level=_level(error))
                self._health.starting(error)
            else:
                self._health.ready()
                self._seen.back()
            if self._health.state is not State.STARTING:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _look_after_kinds(self) -> None:
        """Until there is trouble. What a person has mended is found while other kinds run."""
        first, longest = pause, _ = _MENDED_SECONDS
        while not await self._trouble(within=pause):
            pause = min(2 * pause, longest) if self._lacking() else first
            if self._lacking():
                try:
                    await self._prepare_or_say()
                except ShortDramaError as error:
                    self._health.starting(error)

    async def _trouble(self, *, within: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._health.trouble()
        return self._health.state is not State.READY

    async def _prepare_or_say(self) -> None:
        try:
            await self._prepare()
        except (Unavailable, EngineUnavailable) as error:
            detail = f"{error.detail}, asked at {self._engine.comfyui.url}"
            raise EngineStarting(detail, fix=error.fix or _START_FIX) from error

    def _tell_unhealthy(self) -> None:
        try:
            self._health.check()
        except ShortDramaError as error:
            self._seen.away(error.detail, fix=error.fix, level=logging.ERROR)

    async def _recover(self) -> None:
        """Until the server is another process, or moves again."""
        seen, stuck, drops = self._engine.last_sign, self._engine.running, self._engine.drops
        while not await self._has_recovered(seen, stuck, drops):
            if self._restart and self._clock() - self._restarted_at >= _BETWEEN_RESTARTS:
                self._restarted_at = self._clock()
                if await self._run_restart():
                    break
            await asyncio.sleep(_RECOVERY_SECONDS)
        self._engine.forgive_silence()
        self._health.restarted()

    async def _has_recovered(self, seen: float, stuck: Sequence[str], drops: int) -> bool:
        with contextlib.suppress(Unavailable):
            if await self._engine.is_another_process(drops):
                return True
            if self._health.needs_restart:
                return False
            # What was stuck may not have been ours, and have ended since: we would not be told.
            running = (await self._engine.comfyui.queue()).running
            return self._engine.last_sign != seen or (bool(stuck) and running != stuck)
        return False

    async def _run_restart(self) -> bool:
        """Whether the command succeeded; one that did not leaves the engine as it is."""
        log.warning("restarting ComfyUI: %s", self._restart[0])
        try:
            process = await asyncio.create_subprocess_exec(
                *self._restart, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
            )
        except OSError as error:
            reason = error.strerror
            log.exception("the command that restarts ComfyUI cannot be run: %s", reason)
            return False
        try:
            async with asyncio.timeout(_RESTART_SECONDS):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            status = await process.wait()
        log.log(logging.INFO if status == 0 else logging.ERROR, "restarted: exit status %d", status)
        return status == 0


def _level(error: ShortDramaError) -> int:
    """A server that starts helps itself; one that lacks a model waits for a person."""
    return logging.ERROR if isinstance(error, EngineNotReady) else logging.WARNING
