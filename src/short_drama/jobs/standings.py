"""Who waits in a service, behind how many, and for about how long."""

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Any

from short_drama.jobs.job import Job, Shared, Work
from short_drama.jobs.turns import Turns

_RECENT = 20
"""Jobs of a kind whose time tells how long the next one takes."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a job that has not begun. 1 is next; `eta`: seconds until it is done, None while no job
    has shown how long one takes."""

    position: int
    eta: float | None


class Pace:
    """How long jobs take in the engine, by what the latest took."""

    def __init__(self) -> None:
        self._recent: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._medians: dict[str, float] = {}
        self._of_all: float | None = None

    def took(self, kind: str, seconds: float) -> None:
        self._recent[kind].append(seconds)
        self._medians[kind] = median(self._recent[kind])
        self._of_all = median(chain.from_iterable(self._recent.values()))

    def seconds(self, kind: str) -> float | None:
        """For a job of this kind; for a kind that has not been seen yet, what all took."""
        return self._medians.get(kind, self._of_all)

    def seen(self, kind: str) -> float | None:
        """As `seconds`; None for a kind that has not been seen yet."""
        return self._medians.get(kind)


class Standings:
    """Those of a service's jobs that have not begun, in the order in which they will.

    Args:
        jobs: those that the service has, in the order in which they came.
    """

    def __init__(
        self, jobs: Collection[Job], turns: Turns, works: Mapping[str, Work[Any, Any]]
    ) -> None:
        self._jobs, self._turns = jobs, turns
        self._shared = {kind: work for kind, work in works.items() if isinstance(work, Shared)}
        self._called: dict[Job, None] = {}
        self._telling = False
        self.pace = Pace()

    def called(self, job: Job) -> None:
        """It has its turn: it is in the engine, or waits there."""
        self._called[job] = None

    def left(self, job: Job) -> None:
        """Its turn is over."""
        del self._called[job]

    def moved(self) -> None:
        """Somebody's stage has changed: those whose place that changes are told, soon and once."""
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def of(self, job: Job) -> Standing | None:
        """None for a job that has begun or ended."""
        return None if job.ended or job.has_begun else self._all().get(job)

    def _tell(self) -> None:
        self._telling = False
        for job, standing in self._all().items():
            job.move(standing.position)

    def _all(self) -> Mapping[Job, Standing]:
        standings, free_in = {}, self._free_in()
        for position, job in enumerate(self._order(free_in[0]), 1):
            others, eta = self._others_before(job), None
            each = self.pace.seconds(job.order.kind)
            if each is not None:
                ours = heapq.heappop(free_in) + each
                heapq.heappush(free_in, ours)
                eta = ours + others * each  # theirs take as long as ours, as far as we know
            standings[job] = Standing(position + others, eta)
        return standings

    def _order(self, free_in: float) -> Sequence[Job]:
        turns = self._turns.order(self.pace.seconds, free_in=free_in)
        known = {*self._called, *turns}
        coming = (job for job in self._jobs if job not in known)
        return [job for job in (*self._called, *turns, *coming) if not (job.ended or job.has_begun)]

    def _free_in(self) -> list[float]:
        """Seconds until each of the engine's places is free, as a heap."""
        left = [
            max((self.pace.seconds(job.order.kind) or 0.0) - job.in_stage, 0.0)
            for job in self._called
            if job.has_begun
        ]
        at_once = self._turns.at_once
        free_in = heapq.nlargest(at_once, left + [0.0] * at_once)
        heapq.heapify(free_in)
        return free_in

    def _others_before(self, job: Job) -> int:
        shared = self._shared.get(job.order.kind)
        return shared.others_before(job) if shared is not None else 0
