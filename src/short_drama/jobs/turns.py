"""Who goes next into the engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from short_drama.jobs.job import Job

Seconds = Callable[[str], float | None]
"""How long a job of this kind takes in the engine; None where nobody knows."""


class Turns(Protocol):
    at_once: int
    """Jobs that the engine computes at a time; more may have their turn, and wait in it."""

    def turn(self, job: Job) -> AbstractAsyncContextManager[None]:
        """Entered when it is the job's turn, left when its place is free again."""
        ...

    def order(self, seconds: Seconds, *, free_in: float) -> Sequence[Job]:
        """Those that wait for their turn, in the order in which it comes if nobody joins them and
        the first of them is called in `free_in` seconds."""
        ...


class FirstCome:
    """First come, first served, `places` at a time."""

    def __init__(self, places: int) -> None:
        self.at_once = places
        self._places = asyncio.Semaphore(places)
        self._waiting: dict[Job, None] = {}

    @contextlib.asynccontextmanager
    async def turn(self, job: Job) -> AsyncIterator[None]:
        self._waiting[job] = None
        try:
            await self._places.acquire()
        finally:
            del self._waiting[job]
        try:
            yield
        finally:
            self._places.release()

    def order(self, _: Seconds, *, free_in: float) -> Sequence[Job]:
        return list(self._waiting)
