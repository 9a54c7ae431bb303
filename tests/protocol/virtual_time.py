"""An event loop whose time passes only when nobody has anything to do: an hour takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

EPOCH = 1_800_000_000.0
"""What clocks show when a loop starts."""


class _Leap(selectors.SelectSelector):
    """Instead of waiting for the next timer, goes there."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        if not events and timeout:
            self.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now


def clock() -> float:
    """Unix seconds as the running loop has it."""
    return EPOCH + asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, Result], *, at_most: float = 8 * 24 * 3600.0) -> Result:
    """Run it on a loop of its own, for so many seconds of virtual time at most."""

    async def bounded() -> Result:
        async with asyncio.timeout(at_most):
            return await main

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(bounded())
