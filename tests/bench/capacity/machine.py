"""One GPU instance: its adapter, its API service, its ComfyUI."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from short_drama.comfyui_api.turns import choose
from tests.bench.capacity.events import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What jobs take on a GPU, in seconds.

    Args:
        seconds: least and most, by kind.
        loads: what each kind has loaded.
        swap: for loading another.
    """

    seconds: dict[str, tuple[float, float]]
    loads: dict[str, str]
    swap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of adapter and service, in seconds except for numbers of tasks.

    Args:
        lookahead: messages held at a time.
        places: prompts in ComfyUI at a time.
        bound: the longest that a job is passed over by those whose models are loaded.
        prepare: until a job's picture is in ComfyUI.
        publish: from the engine's end until the message's end.
        gap: in which the engine idles between two jobs, the second of which was there.
        handover: the same where it was not.
        poll: from a message until the next can be received.
    """

    lookahead: int = 8
    places: int = 2
    bound: float = 120.0
    prepare: float = 0.3
    publish: float = 0.3
    gap: float = 0.002
    handover: float = 0.03
    poll: float = 0.05


@dataclass(slots=True, eq=False)
class Work:
    """A task. `since`: when it came to wait for its turn. `held`: seconds in adapters' hands."""

    kind: str
    loads: str
    submitted: float
    since: float = 0.0
    taken: float = 0.0
    held: float = 0.0
    attempts: int = 0
    seconds: float = 0.0
    passed: float = 0.0
    """From its turn to wait until it has it."""
    ended: float | None = None


@dataclass(slots=True, eq=False)
class Machine:
    """`free` is told when it can take a message, `done` of what has ended."""

    events: Events
    card: Card
    settings: Settings
    chance: Random
    free: Callable[["Machine"], None]
    done: Callable[["Machine", Work], None]
    launched: float = 0.0
    taking: bool = False
    gone: bool = False
    held: dict[Work, None] = field(default_factory=dict)
    busy: float = 0.0
    swaps: int = 0
    _waiting: list[Work] = field(default_factory=list)
    _inside: deque[Work] = field(default_factory=deque)
    _runs: bool = False
    _chosen: str | None = None
    _loaded: str | None = None

    @property
    def has_room(self) -> bool:
        return self.taking and len(self.held) < self.settings.lookahead

    def take(self, work: Work) -> None:
        self.held[work] = None
        work.attempts += 1
        work.taken = self.events.now
        self.events.after(self.settings.prepare, lambda: self._prepared(work))
        self.events.after(self.settings.poll, self._ask)

    def stop(self) -> list[Work]:
        """At once; what was not finished is given back."""
        self.taking, self.gone = False, True
        left = list(self.held)
        for work in left:
            work.held += self.events.now - work.taken
        self.held.clear()
        return left

    def _ask(self) -> None:
        if self.has_room:
            self.free(self)

    def _prepared(self, work: Work) -> None:
        if work in self.held:
            work.since = self.events.now
            self._waiting.append(work)
            self._call()

    def _call(self) -> None:
        while self._waiting and len(self._inside) < self.settings.places:
            now = self.events.now
            work = choose(self._waiting, self._chosen, now=now, bound=self.settings.bound)
            self._waiting.remove(work)
            self._inside.append(work)
            self._chosen = work.loads
            work.passed = now - work.since
            if not self._runs:
                self._start(self.settings.handover)

    def _start(self, idle: float) -> None:
        """The first of those inside, after so much idling."""
        work, swap = self._inside[0], 0.0
        if self._loaded not in (None, work.loads):
            swap, self.swaps = self.card.swap, self.swaps + 1
        self._runs, self._loaded = True, work.loads
        work.seconds = self.chance.uniform(*self.card.seconds[work.kind])
        self.events.after(idle + swap + work.seconds, lambda: self._ran(work))

    def _ran(self, work: Work) -> None:
        if self.gone:
            return
        self._inside.popleft()
        self._runs = False
        self.busy += work.seconds
        self.events.after(self.settings.publish, lambda: self._published(work))
        if self._inside:
            self._start(self.settings.gap)
        self._call()

    def _published(self, work: Work) -> None:
        if self.gone or work not in self.held:
            return
        del self.held[work]
        work.held += self.events.now - work.taken
        work.ended = self.events.now
        self.done(self, work)
        self._ask()
