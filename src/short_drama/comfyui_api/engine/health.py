"""Whether the engine takes work, for everyone who wants to know or to wait for it."""

import asyncio
import contextlib
from enum import StrEnum

from short_drama.domain.errors import EngineStarting, EngineUnavailable, ShortDramaError


class State(StrEnum):
    STARTING = "starting"
    """Not reached yet, being checked, or warming up."""
    READY = "ready"
    UNHEALTHY = "unhealthy"
    """It answers and is not to be trusted; an operator, or the restart command, has to help."""


class Health:
    def __init__(self) -> None:
        self._usable = asyncio.Event()
        self._trouble = asyncio.Event()
        self.state = State.STARTING
        self._reason: ShortDramaError = EngineStarting("ComfyUI has not been reached yet")
        self.needs_restart = False
        """Whether only another process can be trusted again; else signs of life are enough."""

    def ready(self) -> None:
        """Unless it has been found unhealthy meanwhile."""
        if self.state is State.UNHEALTHY:
            return
        self.state, self.needs_restart = State.READY, False
        self._trouble.clear()
        self._usable.set()

    def starting(self, reason: ShortDramaError) -> None:
        """Not usable for now, by itself soon again; an unhealthy engine stays unhealthy."""
        if self.state is not State.UNHEALTHY:
            self._lose(State.STARTING, reason)

    def unhealthy(self, reason: ShortDramaError, *, needs_restart: bool = False) -> None:
        self.needs_restart = self.needs_restart or needs_restart
        self._lose(State.UNHEALTHY, reason)

    def restarted(self) -> None:
        """It is another process now: what was held against it is forgotten."""
        self._lose(State.STARTING, EngineStarting("ComfyUI is being started"))

    def check(self) -> None:
        """Raises why it is not usable."""
        if not self._usable.is_set():
            raise self._reason

    async def trouble(self) -> None:
        """Until it is not usable any more."""
        await self._trouble.wait()

    async def usable(self, patience: float) -> None:
        """Until it is usable. Raises EngineUnavailable after `patience` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._usable.wait()
                return
        raise EngineUnavailable(self._reason.detail, fix=self._reason.fix)

    def _lose(self, state: State, reason: ShortDramaError) -> None:
        self.state, self._reason = state, reason
        self._usable.clear()
        self._trouble.set()
