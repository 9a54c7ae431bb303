"""Wait for something to become another thing, by one look for all who wait."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Seen = TypeVar("Seen")

LOOK_SECONDS = 2.0


class Turns(Generic[Seen]):
    """Whoever looks, for whatever reason, tells what was `seen`; while somebody waits for the next
    turn, it is looked at in any case."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        """The last one, once there is one."""
        self._turned = asyncio.Event()
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    def saw(self, seen: Seen) -> None:
        if self._seen != [seen]:
            self._seen = [seen]
            self._turned.set()
            self._turned = asyncio.Event()

    async def next(self, look: Callable[[], Awaitable[object]]) -> None:
        """Until another thing is seen than the last. `look` tells us what it sees, and raises
        nothing."""
        turned = self._turned
        self._waiting += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(_look_again(look), name="turns")
        try:
            await turned.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._looking.cancel()
                self._looking = None


async def _look_again(look: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await look()
