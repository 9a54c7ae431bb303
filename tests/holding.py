"""What takes something when it is made, and gives it back when it is told to."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any


class Holding:
    """`begun`: whether it has got what it asked for."""

    def __init__(self, place: AbstractAsyncContextManager[Any]) -> None:
        self.begun, self._end = False, asyncio.Event()
        self.task = asyncio.create_task(self._run(place))

    async def _run(self, place: AbstractAsyncContextManager[Any]) -> None:
        async with place:
            self.begun = True
            await self._end.wait()

    def end(self) -> None:
        self._end.set()


async def settled() -> None:
    """Until nobody has anything left to do at once."""
    for _ in range(6):
        await asyncio.sleep(0)
