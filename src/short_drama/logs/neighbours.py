"""Trouble that lasts, told when it begins and when it is over."""

import logging
import time
from collections import deque
from collections.abc import Callable

_MINUTE = 60.0
"""In seconds: before another reason for the same trouble is told."""
_IN_A_MINUTE = 3
"""Troubles of one neighbour that are told; of one that comes and goes the rest is noise."""


class Neighbour:
    """Somebody we depend on. Says once that it is away, and once that it is back.

    Args:
        log: whose lines they are.
        name: as in "NAME is away".
        facts: for each line, its address for one.
    """

    def __init__(
        self,
        log: logging.Logger,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        **facts: object,
    ) -> None:
        self._log, self._name, self._clock, self._facts = log, name, clock, facts
        self._since: float | None = None
        self._reason: str | None = None
        self._told_at: deque[float] = deque(maxlen=_IN_A_MINUTE)

    @property
    def is_away(self) -> bool:
        return self._since is not None

    def away(self, reason: str, *, fix: str | None = None, level: int = logging.WARNING) -> None:
        """It does not do what we need. Repeated, it says nothing, but for another reason than
        before, and that once a minute at most."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        if reason == self._reason or self._is_told_enough(now):
            return
        self._reason = reason
        self._told_at.append(now)
        facts = self._facts | {"reason": reason} | ({} if fix is None else {"fix": fix})
        self._log.log(level, "%s is away", self._name, extra=facts)

    def back(self) -> None:
        """It does what we need. Says so if its trouble was told."""
        since, reason = self._since, self._reason
        self._since = self._reason = None
        if since is not None and reason is not None:
            seconds = round(self._clock() - since, 1)
            facts = self._facts | {"away_seconds": seconds}
            self._log.warning("%s is back", self._name, extra=facts)

    def _is_told_enough(self, now: float) -> bool:
        if self._reason is not None:  # of this trouble another reason has been told
            return now < self._told_at[-1] + _MINUTE
        often = len(self._told_at) == _IN_A_MINUTE
        return often and now < self._told_at[0] + _MINUTE
