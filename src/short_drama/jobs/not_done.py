"""A kind that this service does not do."""

from typing import NoReturn

from short_drama.domain.errors import EngineNotReady, KindNotAvailable
from short_drama.jobs.job import Job


class NotDone:
    """In place of a kind's `Work`.

    Args:
        engine: who would do it.
        fix: what helps.
    """

    def __init__(self, reason: str, *, engine: str, fix: str) -> None:
        self.engine = engine
        self._reason, self._fix = reason, fix

    async def check(self) -> None:
        """Raises EngineNotReady."""
        raise EngineNotReady(self._reason, fix=self._fix)

    async def prepare(self, _: Job) -> NoReturn:
        """Raises KindNotAvailable: another machine may do it."""
        raise KindNotAvailable(self._reason, fix=self._fix)

    async def make(self, _: Job, prepared: object) -> NoReturn:
        raise KindNotAvailable(self._reason, fix=self._fix)

    async def publish(self, _: Job, made: object) -> NoReturn:
        raise KindNotAvailable(self._reason, fix=self._fix)
