"""Who goes next into the engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from short_drama.jobs.job import Job


class Turns(Protocol):
    def turn(self, job: Job) -> AbstractAsyncContextManager[None]:
        """Entered when it is the job's turn, left when its place is free again."""
        ...


class FirstCome:
    """First come, first served, `places` at a time."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    @contextlib.asynccontextmanager
    async def turn(self, _: Job) -> AsyncIterator[None]:
        async with self._places:
            yield
