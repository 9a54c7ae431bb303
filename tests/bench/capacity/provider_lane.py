"""The CPU lane with providers: face swaps of two paid calls, within each account's limits."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from short_drama.paid_api.paying.limits import Rate
from tests.bench.capacity.events import Events
from tests.bench.capacity.load import Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`seconds`: the least and the most that a call takes."""

    in_flight: int
    per_minute: int
    seconds: tuple[float, float]


@dataclass(slots=True)
class _Calls:
    """Calls of one account, first come, first served."""

    account: Account
    events: Events
    chance: Random
    _rate: Rate = field(init=False)
    _waiting: deque[Callable[[], None]] = field(default_factory=deque)
    _flying: int = 0
    _asks: bool = False

    def __post_init__(self) -> None:
        account = self.account
        burst = max(account.in_flight, account.per_minute // 10)
        self._rate = Rate(account.per_minute, burst=burst)

    def call(self, then: Callable[[], None]) -> None:
        self._waiting.append(then)
        self._go()

    def _go(self) -> None:
        while self._waiting and self._flying < self.account.in_flight and not self._asks:
            pause = self._rate.wait(self.events.now)
            if pause > 0:
                self._asks = True
                self.events.after(pause, self._again)
                return
            self._rate.take(self.events.now)
            self._flying += 1
            then = self._waiting.popleft()
            seconds = self.chance.uniform(*self.account.seconds)
            self.events.after(seconds, lambda then=then: self._answered(then))  # type: ignore[misc]

    def _again(self) -> None:
        self._asks = False
        self._go()

    def _answered(self, then: Callable[[], None]) -> None:
        self._flying -= 1
        self._go()
        then()


@dataclass(slots=True)
class ProviderLane:
    """`parallel` jobs at a time, each a call to the detector and then one to the generator."""

    detector: Account
    generator: Account
    parallel: int
    chance: Random
    events: Events = field(default_factory=Events)
    took: list[float] = field(default_factory=list)
    """Seconds from submit to end."""
    submitted: int = 0
    _waiting: deque[float] = field(default_factory=deque)
    _running: int = 0

    def run(self, arriving: Iterable[Arrival], *, until: float) -> None:
        detect, generate = (
            _Calls(account, self.events, self.chance) for account in (self.detector, self.generator)
        )
        for arrival in arriving:
            for _ in arrival.kinds:
                self.submitted += 1
                self.events.after(arrival.at, lambda: self._arrive(detect, generate))
        self.events.run(until=until)

    def _arrive(self, detect: _Calls, generate: _Calls) -> None:
        self._waiting.append(self.events.now)
        self._start(detect, generate)

    def _start(self, detect: _Calls, generate: _Calls) -> None:
        while self._waiting and self._running < self.parallel:
            self._running += 1
            submitted = self._waiting.popleft()

            def end(submitted: float = submitted) -> None:
                self._running -= 1
                self.took.append(self.events.now - submitted)
                self._start(detect, generate)

            detect.call(lambda end=end: generate.call(end))  # type: ignore[misc]
