"""Which job goes next: one for the models that are loaded, within bounds.

A switch of models costs seconds (on an H100, 10.2 s a job when two workflows alternate, 2.7 s when
they do not). So jobs of the loaded workflow go first, until one of the others has waited as long
as anyone should. Among those that may go, the line is fair among owners.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from short_drama.jobs.job import Job
from short_drama.jobs.line import Line
from short_drama.jobs.turns import Seconds

IN_ENGINE = 2
"""Prompts in ComfyUI at a time: one samples, and the next is there when it ends."""


class Waits(Protocol):
    @property
    def loads(self) -> Hashable:
        """What has to be loaded for it."""
        ...

    @property
    def since(self) -> float:
        """When it came, in seconds."""
        ...


One = TypeVar("One", bound=Waits)


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """As `Waits`, for a job."""

    job: Job
    loads: Hashable
    since: float
    called: asyncio.Event = field(default_factory=asyncio.Event)


def choose(
    waiting: Sequence[One],
    loaded: Hashable,
    *,
    now: float,
    bound: float,
    first: Callable[[Sequence[One]], One] = lambda line: line[0],
) -> One:
    """Who goes next of those that wait, in the order in which they came; not empty. `first`: of
    those that may."""
    spared = [one for one in waiting if one.loads == loaded]
    if not spared or now - waiting[0].since >= bound:
        return first(waiting)
    return first(spared)


def _fair(line: Line) -> Callable[[Sequence[Waiting]], Waiting]:
    return lambda waiting: line.first(waiting, lambda one: one.job)


class SwapAware:
    """Turns in the order of `choose`. ComfyUI samples for one of those that have theirs.

    Args:
        loads: what each kind has to have loaded.
        bound: seconds after which nobody goes first for what is loaded.
    """

    at_once = 1

    def __init__(
        self,
        loads: Mapping[str, Hashable],
        *,
        bound: float,
        places: int = IN_ENGINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loads, self._bound, self._free, self._clock = loads, bound, places, clock
        self._waiting: list[Waiting] = []
        self._line = Line()
        self._loaded: Hashable = None

    @contextlib.asynccontextmanager
    async def turn(self, job: Job) -> AsyncIterator[None]:
        one = Waiting(job, self._loads[job.order.kind], self._clock())
        self._waiting.append(one)
        self._call()
        try:
            await one.called.wait()
            yield
        finally:
            if one.called.is_set():
                self._free += 1
                self._line.end(job.order.owner)
            else:
                self._waiting.remove(one)
            self._call()

    def order(self, seconds: Seconds, *, free_in: float) -> Sequence[Job]:
        left, loaded, now = list(self._waiting), self._loaded, self._clock() + free_in
        line, found = self._line.foreseen(), []
        while left:
            line.end_longest()
            one = choose(left, loaded, now=now, bound=self._bound, first=_fair(line))
            left.remove(one)
            line.begin(one.job.order.owner)
            found.append(one.job)
            loaded, now = one.loads, now + (seconds(one.job.order.kind) or 0.0)
        return found

    def _call(self) -> None:
        while self._free and self._waiting:
            one = choose(
                self._waiting,
                self._loaded,
                now=self._clock(),
                bound=self._bound,
                first=_fair(self._line),
            )
            self._waiting.remove(one)
            self._free -= 1
            self._line.begin(one.job.order.owner)
            self._loaded = one.loads
            one.called.set()
