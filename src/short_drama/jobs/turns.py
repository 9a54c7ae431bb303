"""Who goes next into the engine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from short_drama.jobs.job import Job
from short_drama.jobs.line import Line

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
    """First come, first served, `places` at a time, in a line that is fair among owners."""

    def __init__(self, places: int) -> None:
        self.at_once = self._free = places
        self._line = Line()
        self._waiting: dict[Job, asyncio.Event] = {}

    @contextlib.asynccontextmanager
    async def turn(self, job: Job) -> AsyncIterator[None]:
        called = self._waiting[job] = asyncio.Event()
        self._call()
        try:
            await called.wait()
            yield
        finally:
            if called.is_set():
                self._free += 1
                self._line.end(job.order.owner)
            else:
                del self._waiting[job]
            self._call()

    def order(self, _: Seconds, *, free_in: float) -> Sequence[Job]:
        left, line, found = list(self._waiting), self._line.foreseen(), list[Job]()
        while left:
            line.end_longest()
            job = line.first(left, lambda one: one)
            left.remove(job)
            line.begin(job.order.owner)
            found.append(job)
        return found

    def _call(self) -> None:
        while self._free and self._waiting:
            job = self._line.first(self._waiting, lambda one: one)
            self._free -= 1
            self._line.begin(job.order.owner)
            self._waiting.pop(job).set()
