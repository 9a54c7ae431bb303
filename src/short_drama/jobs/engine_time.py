"""How long an engine works, and for how long it does not although there is work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from short_drama import metrics
from short_drama.jobs.job import Job


class EngineTime:
    """Of one service's engine, which works while it has any job.

    A gap lasts from the end of its last job to the begin of the next one, and is measured where
    that one was there already when it began: with nothing to do, an engine may rest.
    """

    def __init__(self, service: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._busy = metrics.ENGINE_BUSY.labels(service)
        self._gaps = metrics.ENGINE_IDLE_GAP.labels(service)
        self._clock, self._jobs, self._since = clock, 0, clock()

    @property
    def busy(self) -> bool:
        return self._jobs > 0

    @contextmanager
    def working(self, job: Job) -> Iterator[None]:
        if not self._jobs:
            self._begin(job)
        self._jobs += 1
        try:
            yield
        finally:
            self.count()
            self._jobs -= 1

    def count(self) -> None:
        """What it has worked up to now, for whoever does not wait for the end of a long job."""
        if self._jobs:
            now = self._clock()
            self._busy.inc(now - self._since)
            self._since = now

    def _begin(self, job: Job) -> None:
        now = self._clock()
        if job.accepted_at <= self._since:
            self._gaps.observe(now - self._since)
        self._since = now
