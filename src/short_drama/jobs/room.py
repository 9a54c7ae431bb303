"""Memory for the pixels of jobs: they are bounded by their bytes, not by their number."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

MIB: Final = 2**20
_LEAST, _MOST = 512 * MIB, 2048 * MIB


def usual_room() -> int:
    """Bytes: an eighth of the machine's memory, within reason."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(max(memory // 8, _LEAST), _MOST)


class Room:
    """First come, first served; who needs more than there is at all waits until it is alone, so
    that everybody's turn comes."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """For `size` bytes."""
        need = min(size, self._size)
        if need:
            await self._take(need)
        try:
            yield
        finally:
            self._give_back(need)

    async def _take(self, need: int) -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((need, called))
        self._call()
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():  # at that very moment
                self._give_back(need)
            else:
                self._call()  # it may have been the one that all waited for
            raise

    def _give_back(self, need: int) -> None:
        self._free += need
        self._call()

    def _call(self) -> None:
        while self._line:
            need, called = self._line[0]
            if not called.done():
                if need > self._free:
                    return
                self._free -= need
                called.set_result(None)
            self._line.popleft()
