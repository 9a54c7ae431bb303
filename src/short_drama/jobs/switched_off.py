"""A kind that this service does not do."""

from typing import NoReturn

from short_drama.domain.errors import EngineNotReady, KindNotAvailable
from short_drama.jobs.job import Job


class SwitchedOff:
    """In place of a kind's `Work`; `engine` is who would do it.

    Args:
        fix: how it is switched on again.
    """

    def __init__(self, kind: str, engine: str, *, fix: str) -> None:
        self.engine = engine
        self._reason, self._fix = f"{kind} is switched off", fix

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
