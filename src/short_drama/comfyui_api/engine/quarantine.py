"""Which tasks a server may have gone down with: they run alone until they have ended once.

A server that dies tells nobody what it died of. What was seen to begin is to blame; where nothing
was, all that were in the server may be, and each of them shows it when it runs by itself. Nobody
who merely waits behind such a task is charged, or has to be given to the server again.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator

from short_drama.domain.errors import EngineInterrupted

_REMEMBERED = 1000
_FIX = "It may need more memory than the machine has: use fewer or smaller pictures."


class Quarantine:
    """Tasks are known by their keys."""

    def __init__(self) -> None:
        self._deaths: OrderedDict[str, int] = OrderedDict()
        """How often in a row the server has gone down with a suspect for certain."""
        self._moved = asyncio.Event()
        self._inside = 0
        self._alone = False
        """Whether a suspect is inside, or waits for the others to leave."""

    @contextlib.asynccontextmanager
    async def place(self, task: str) -> AsyncIterator[None]:
        """In the server: together with others, or alone for a suspect."""
        alone = task in self._deaths
        while self._alone:
            await self._moved.wait()
        self._alone = alone
        try:
            while alone and self._inside:
                await self._moved.wait()
            self._inside += 1
            try:
                yield
            finally:
                self._inside -= 1
        finally:
            self._alone = self._alone and not alone
            self._moved.set()
            self._moved = asyncio.Event()

    def suspect(self, task: str) -> None:
        """The server went down with it inside, and perhaps because of it."""
        self._deaths.setdefault(task, 0)
        self._deaths.move_to_end(task)
        if len(self._deaths) > _REMEMBERED:
            self._deaths.popitem(last=False)

    def died_of(self, task: str) -> EngineInterrupted:
        """What an attempt fails with that the server went down with: it counts."""
        self.suspect(task)
        self._deaths[task] += 1
        times = self._deaths[task]
        if times == 1:
            return EngineInterrupted("ComfyUI went down while it ran this task", fix=_FIX)
        return EngineInterrupted(
            f"ComfyUI has gone down each of the {times} times that it ran this task", fix=_FIX
        )

    def survived(self, task: str) -> None:
        """It has ended, in whatever way, and the server goes on."""
        self._deaths.pop(task, None)
