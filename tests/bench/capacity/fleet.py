"""The GPU lane: a queue, and machines that come and go."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from short_drama.settings.pace import PaceSettings
from tests.bench.capacity.events import Events
from tests.bench.capacity.load import Arrival
from tests.bench.capacity.machine import Card, Machine, Settings, Work
from tests.bench.capacity.scaling import Policy, Scaler

MINUTE: Final = 60.0
_PACE: Final = {name: each.default for name, each in PaceSettings.model_fields.items()}
DRAIN: Final[float] = _PACE["drain_seconds"]
UNHEARD: Final[float] = _PACE["lease_seconds"] + _PACE["sweep_seconds"]
"""Until what a dead machine held is queued again: its lease runs out, and the sweeper sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """
    Args:
        policy: none for `always` machines that never stop.
        boot: least and most seconds from an instance's launch until it takes work.
        spot_hours: between interruptions of one instance, on average; none on demand.
        crash_hours: the same of instances that end without notice.
    """

    card: Card
    settings: Settings = field(default_factory=Settings)
    policy: Policy | None = None
    always: int = 0
    boot: tuple[float, float] = (360.0, 600.0)
    spot_hours: float | None = 100.0
    crash_hours: float | None = 1000.0


@dataclass(slots=True)
class Lane:
    """A run. `ended` and `backlogs` (one a minute) are what it was for."""

    fleet: Fleet
    chance: Random
    events: Events = field(default_factory=Events)
    ended: list[Work] = field(default_factory=list)
    backlogs: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """Machines, each minute."""
    machine_seconds: float = 0.0
    busy_seconds: float = 0.0
    swaps: int = 0
    launches: int = 0
    submitted: int = 0
    _queue: deque[Work] = field(default_factory=deque)
    _machines: dict[Machine, None] = field(default_factory=dict)
    _ready: list[Machine] = field(default_factory=list)
    _askers: set[Machine] = field(default_factory=set)
    _returning: int = 0

    def run(self, arriving: Iterable[Arrival], *, until: float) -> None:
        self._next(iter(arriving))
        for _ in range(self.fleet.always):
            self._launch(boot=0.0)
        scaler = Scaler(self.fleet.policy) if self.fleet.policy else None
        self.events.after(MINUTE, lambda: self._minute(scaler, 0))
        self.events.run(until=until)
        for machine in list(self._machines):
            self._account(machine)

    # --- Tasks -----------------------------------------------------------------------------

    def _next(self, waiting: Iterator[Arrival]) -> None:
        arrival = next(waiting, None)
        if arrival is not None:
            delay = arrival.at - self.events.now
            self.events.after(delay, lambda: self._arrive(arrival, waiting))

    def _arrive(self, arrival: Arrival, waiting: Iterator[Arrival]) -> None:
        loads, now = self.fleet.card.loads, self.events.now
        self._queue.extend(Work(kind, loads[kind], now) for kind in arrival.kinds)
        self.submitted += len(arrival.kinds)
        self._next(waiting)
        self._deliver()

    def _free(self, machine: Machine) -> None:
        if machine not in self._askers:
            self._askers.add(machine)
            self._ready.append(machine)
            self._deliver()

    def _deliver(self) -> None:
        """A message goes to any of those that ask."""
        ready = self._ready
        while self._queue and ready:
            index = int(self.chance.random() * len(ready))
            ready[index], ready[-1] = ready[-1], ready[index]
            machine = ready.pop()
            self._askers.discard(machine)
            if machine.has_room:
                machine.take(self._queue.popleft())

    def _back(self, works: list[Work]) -> None:
        self._returning -= len(works)
        self._queue.extendleft(reversed(works))
        self._deliver()

    def _done(self, machine: Machine, work: Work) -> None:
        self.ended.append(work)
        if not machine.taking and not machine.held:
            self._end(machine)

    # --- Machines --------------------------------------------------------------------------

    def _launch(self, *, boot: float) -> None:
        events, fleet = self.events, self.fleet
        machine = Machine(events, fleet.card, fleet.settings, self.chance, self._free, self._done)
        machine.launched = events.now
        self._machines[machine] = None
        self.launches += 1
        events.after(boot, lambda: self._up(machine))
        if fleet.spot_hours:
            alive = self.chance.expovariate(1 / fleet.spot_hours) * 3600
            events.after(alive, lambda: self._drain(machine))
        if fleet.crash_hours:
            alive = self.chance.expovariate(1 / fleet.crash_hours) * 3600
            events.after(alive, lambda: self._crash(machine))

    def _up(self, machine: Machine) -> None:
        if machine in self._machines:
            machine.taking = True
            self._free(machine)

    def _drain(self, machine: Machine) -> None:
        if machine not in self._machines or machine.gone:
            return
        machine.taking = False
        if machine.held:
            self.events.after(DRAIN, lambda: self._end(machine))
        else:
            self._end(machine)

    def _end(self, machine: Machine) -> None:
        if machine in self._machines:
            self._account(machine)
            left = machine.stop()
            self._returning += len(left)
            self._back(left)

    def _crash(self, machine: Machine) -> None:
        if machine in self._machines:
            self._account(machine)
            left = machine.stop()
            self._returning += len(left)
            self.events.after(UNHEARD, lambda: self._back(left))

    def _account(self, machine: Machine) -> None:
        del self._machines[machine]
        self.machine_seconds += self.events.now - machine.launched
        self.busy_seconds += machine.busy
        self.swaps += machine.swaps

    # --- Each minute -----------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        held = sum(len(machine.held) for machine in self._machines)
        return len(self._queue) + held + self._returning

    def _minute(self, scaler: Scaler | None, before: int) -> None:
        """`before`: the backlog that AWS shows by now."""
        self.backlogs.append(self.backlog)
        self.counts.append(len(self._machines))
        staying = [machine for machine in self._machines if not self._is_leaving(machine)]
        if scaler is None:
            self._follow(self.fleet.always, staying)
        else:
            seen = [one for one in staying if self.events.now - one.launched >= MINUTE]
            youngest = self.events.now - max((one.launched for one in staying), default=0.0)
            self._follow(scaler.minute(before, len(seen), youngest=youngest), staying)
        backlog = self.backlogs[-1]
        self.events.after(MINUTE, lambda: self._minute(scaler, backlog))

    def _is_leaving(self, machine: Machine) -> bool:
        return not machine.taking and bool(machine.held)

    def _follow(self, wanted: int, staying: list[Machine]) -> None:
        for _ in range(wanted - len(staying)):
            self._launch(boot=self.chance.uniform(*self.fleet.boot))
        if wanted < len(staying):
            for machine in self.chance.sample(staying, len(staying) - wanted):
                self._drain(machine)
