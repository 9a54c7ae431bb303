"""Which kinds the server can run, and why it cannot run the others: each is ready on its own."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from short_drama.domain.errors import EngineNotReady, KindNotAvailable

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0, 600.0
"""The first and the longest pause before a workflow that failed is tried again: a try takes the
engine's time, and others' models out of its memory."""


@dataclass(frozen=True, slots=True)
class _Failing:
    error: EngineNotReady
    pause: float
    due: float


class Abilities:
    """Kinds that are not told of can run.

    Args:
        kinds: in the order in which they are asked about.
    """

    def __init__(
        self, kinds: Iterable[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.kinds, self._clock = tuple(kinds), clock
        self._lacking: dict[str, EngineNotReady] = {}
        self._failing: dict[str, _Failing] = {}
        self._refused: dict[str, tuple[EngineNotReady, float]] = {}

    def missing(self, found: Mapping[str, EngineNotReady]) -> None:
        """What the server lacks, by kind, now that it has been asked about all of them."""
        for kind in found.keys() - self._lacking.keys():
            log.error("a kind cannot run: %s", found[kind].detail)
        self._lacking = dict(found)
        self._refused.clear()

    def refused(self, kind: str, error: EngineNotReady) -> None:
        """The server did not take its prompt: not to be tried again at once."""
        self._refused[kind] = (error, self._clock() + _AGAIN_SECONDS[0])

    def fails(self, kind: str, error: EngineNotReady) -> None:
        """Its workflow has failed by itself, without any task's doing."""
        first, longest = _AGAIN_SECONDS
        before = self._failing.get(kind)
        pause = first if before is None else min(2 * before.pause, longest)
        self._failing[kind] = _Failing(error, pause, self._clock() + pause)
        log.error("a kind cannot run, and is tried again in %g s: %s", pause, error.detail)

    def works(self, kind: str) -> None:
        self._failing.pop(kind, None)

    def is_due(self, kind: str) -> bool:
        """Whether a workflow that failed is to be tried again."""
        return kind in self._failing and self._clock() >= self._failing[kind].due

    def may_try(self, kind: str) -> bool:
        """Whether nothing speaks against running its workflow now."""
        return kind not in self._lacking and (kind not in self._failing or self.is_due(kind))

    def forget_failures(self) -> None:
        """The server is another process."""
        self._failing.clear()

    @property
    def all_able(self) -> bool:
        return not (self._lacking or self._failing or self._refused)

    @property
    def able(self) -> list[str]:
        return [kind for kind in self.kinds if self.reason(kind) is None]

    def reason(self, kind: str) -> EngineNotReady | None:
        """Why it cannot run."""
        failing, (refused, until) = self._failing.get(kind), self._refused.get(kind, (None, 0.0))
        found = self._lacking.get(kind) or (failing and failing.error)
        if found is None and self._clock() < until:
            found = refused
        return EngineNotReady(found.detail, fix=found.fix) if found else None

    def check(self, kind: str) -> None:
        """Raises EngineNotReady, saying why it cannot run."""
        if reason := self.reason(kind):
            raise reason

    def require(self, kind: str) -> None:
        """Raises KindNotAvailable: a task of this kind has to wait for a person."""
        if reason := self.reason(kind):
            raise KindNotAvailable(reason.detail, fix=reason.fix)
