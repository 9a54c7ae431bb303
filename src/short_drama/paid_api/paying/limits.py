"""How fast a provider may be asked, and whether at all.

Three limits, each of one process: calls at a time, calls a minute, and a circuit that an operator's
matter (a key, an overdue bill) opens for every task at once. The rate is halved when the provider
asks to slow down and grows back slowly while it does not.

What is said of a call counts only if the call was let in since the last time that anything changed:
eight calls that are refused together say one thing, once, and an answer to a call from before a
pause does not say that the pause is over.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from short_drama import metrics
from short_drama.domain.errors import ProviderPaused

log = logging.getLogger(__name__)

_MINUTE = 61.0
"""Seconds; a little more, for calls that were made a minute apart may arrive closer together."""
_BURSTS = 10
"""A tenth of a minute's calls may be made at once; those who may have many in flight, as many."""
_SLOWEST = 1 / 16
"""Of the rate that was set: it is never made slower than that."""
_RECOVERY = 0.02
"""Of the rate that was set, regained with every answer."""
_PAUSES = 30.0, 600.0
"""Seconds until a paused provider is tried again: the first time, and at most."""
_SOON = 1.0
"""Seconds until the next call may try, when the one that did has said nothing of the pause."""


class Rate:
    """When the next call may be made: `per_minute` of them in any minute, evenly spread with room
    for a few at once, and fewer after the provider asked to slow down. Times are in seconds on any
    clock."""

    def __init__(self, per_minute: int, *, burst: int) -> None:
        self._per_minute, self._burst = per_minute, min(burst, per_minute)
        self.slow_downs = 0
        self._share = 1.0
        self._sent: deque[float] = deque()
        self._not_before = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a call may be made; 0 for now."""
        while self._sent and self._sent[0] <= now - _MINUTE:
            self._sent.popleft()
        allowed = max(1, int(self._per_minute * self._share))
        waits = [self._not_before - now, 0.0]
        if len(self._sent) >= allowed:
            waits.append(self._sent[-allowed] + _MINUTE - now)
        if len(self._sent) >= self._burst:
            waits.append(self._sent[-self._burst] + self._burst * _MINUTE / allowed - now)
        return max(waits)

    def take(self, now: float) -> None:
        self._sent.append(now)

    def slow_down(self, now: float, after: float | None) -> None:
        """`after`: what the provider asked for, in seconds."""
        self.slow_downs += 1
        self._share = max(_SLOWEST, self._share / 2)
        self._not_before = max(self._not_before, now + (after or 0.0))

    def speed_up(self) -> None:
        self._share = min(1.0, self._share + _RECOVERY)


class Circuit:
    """Closed, or open until a time; then one call may try. Times as in `Rate`."""

    def __init__(self) -> None:
        self.reason: ProviderPaused | None = None
        self.openings = 0
        self._pause = _PAUSES[0]
        self._until = 0.0

    def open(self, reason: ProviderPaused, now: float) -> None:
        self._pause = min(2 * self._pause, _PAUSES[1]) if self.reason else _PAUSES[0]
        self.reason, self._until = reason, now + self._pause
        self.openings += 1

    def close(self) -> None:
        self.reason = None

    def check(self, now: float) -> None:
        """Raises ProviderPaused, saying how long it will be."""
        if self.reason is not None and now < self._until:
            left = round(self._until - now, 1)
            raise ProviderPaused(self.reason.detail, fix=self.reason.fix, after=left)

    def try_now(self, now: float) -> None:
        """As `check`; the caller is the one that tries, and others wait for what becomes of it."""
        self.check(now)
        if self.reason is not None:
            self._until = now + self._pause

    def try_soon(self, now: float) -> None:
        """The call that tried has told nothing."""
        if self.reason is not None:
            self._until = min(self._until, now + _SOON)


class ProviderLimits:
    """Of one provider.

    Args:
        name: in logs and metrics.
        in_flight: calls at a time.
        per_minute: calls a minute.
    """

    def __init__(
        self,
        name: str,
        *,
        in_flight: int,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._clock = name, clock
        self._rate = Rate(per_minute, burst=max(in_flight, per_minute // _BURSTS))
        self._circuit = Circuit()
        self._places = asyncio.Semaphore(in_flight)
        self._turn = asyncio.Lock()
        metrics.PROVIDER_PAUSED.labels(name).set(0)

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator["Turn"]:
        """One call's; waits for it in the order of asking. Raises ProviderPaused."""
        async with self._places:
            async with self._turn:
                self._circuit.check(self._clock())
                await self._until_allowed()
                self._circuit.try_now(self._clock())
                self._rate.take(self._clock())
                turn = Turn(self.name, self._rate, self._circuit, self._clock)
            try:
                yield turn
            finally:
                turn.end()

    async def _until_allowed(self) -> None:
        """Looked at again after each wait: the provider may have asked to slow down meanwhile."""
        wait = self._rate.wait(self._clock())
        if wait > 0:
            metrics.LIMITS_HIT.labels("rate", self.name).inc()
        while wait > 0:
            await asyncio.sleep(wait)
            wait = self._rate.wait(self._clock())

    def check(self) -> None:
        """Raises ProviderPaused while nothing may be asked."""
        self._circuit.check(self._clock())


class Turn:
    """One call's, and what becomes of it; may be told of after the call has ended, too."""

    def __init__(self, name: str, rate: Rate, circuit: Circuit, clock: Callable[[], float]) -> None:
        self._name, self._rate, self._circuit, self._clock = name, rate, circuit, clock
        self._slow_downs, self._openings = rate.slow_downs, circuit.openings
        self._tries = circuit.reason is not None

    def succeeded(self) -> None:
        """The provider did what it was asked for."""
        if self._slow_downs == self._rate.slow_downs:
            self._rate.speed_up()
        if self._circuit.reason is not None and self._openings == self._circuit.openings:
            log.warning("%s works again", self._name)
            self._circuit.close()
            metrics.PROVIDER_PAUSED.labels(self._name).set(0)

    def throttled(self, after: float | None) -> None:
        """The provider asked to slow down, and for how long, in seconds, if it said so."""
        metrics.LIMITS_HIT.labels("provider", self._name).inc()
        if self._slow_downs == self._rate.slow_downs:
            self._rate.slow_down(self._clock(), after)

    def paused(self, reason: ProviderPaused) -> None:
        """Nobody asks until an operator has acted; every now and then one call tries."""
        if self._openings != self._circuit.openings:
            return
        if self._circuit.reason is None:
            log.error("%s is paused: %s", self._name, reason.detail, extra={"fix": reason.fix})
            metrics.PROVIDER_PAUSED.labels(self._name).set(1)
        self._circuit.open(reason, self._clock())

    def end(self) -> None:
        if self._tries and self._openings == self._circuit.openings:
            self._circuit.try_soon(self._clock())
