"""Which faults are injected when: a pure function of seed, duration and what there is to break."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal[
    "kill",  # SIGKILL, and start it again
    "terminate",  # SIGTERM, and start it again when it has ended
    "pause",  # SIGSTOP and SIGCONT, shorter than a lease
    "zombie",  # the same, longer than a lease
    "reset", "black_hole", "drop_replies", "latency", "refuse",  # of one link
    "outage",  # every link to AWS, or to one of its services, refuses
    "double",  # copies of the messages of open tasks
]  # fmt: skip

LINK_FAULTS: Sequence[Kind] = ("reset", "black_hole", "drop_replies", "latency", "refuse")

_STORM_SECONDS = 7.0
_CALM_SECONDS = 9.0
"""After a storm, until its victims are up again and what it left behind delays nobody."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What can be broken, by name: processes, and links between processes and AWS or services."""

    orchestrators: Sequence[str]
    services: Sequence[str]
    adapters: Sequence[str]
    links: Sequence[str]
    paired: Sequence[str]
    """Adapters whose lane has another one, which can take over."""
    outages: Sequence[str]
    """What may be out for everybody: "aws", or one of its services."""

    @property
    def processes(self) -> Sequence[str]:
        return [*self.orchestrators, *self.services, *self.adapters]


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """`at` and `seconds` count from the start; a killed process is started again after `seconds`,
    any other fault ends."""

    at: float
    kind: Kind
    target: str
    seconds: float
    alone: bool = False
    """Nothing else is broken until those it hit have recovered: their recovery is timed."""


def plan(seed: int, duration: float, targets: Targets, *, recovery: float) -> list[Step]:
    """Alternately one blow alone, with `recovery` seconds in which nothing else is broken so that
    its recovery can be timed, and a storm of everything at once. Every kind occurs before any
    occurs again, so that a minute sees them all.
    """
    rng = Random(seed)
    blows, faults = _blows(rng, targets), _faults(rng, targets)
    at, steps = 1.0, list[Step]()
    while at + recovery < duration:
        kind, target = next(blows)
        seconds = recovery if kind == "zombie" else rng.uniform(0.0, 1.0)
        steps.append(Step(at, kind, target, seconds, alone=True))
        steps.append(Step(at + recovery / 2, "double", "queues", 0.0))
        at += recovery
        calm = min(at + _STORM_SECONDS, duration)
        while at < calm:
            kind, target = next(faults)
            steps.append(Step(at, kind, target, min(_seconds(rng, kind), calm - at)))
            at += rng.uniform(0.2, 1.0)
        at = calm + _CALM_SECONDS
    return sorted(steps)


def _blows(rng: Random, targets: Targets) -> Iterator[tuple[Kind, str]]:
    """At whoever holds tasks."""
    while True:
        yield "kill", rng.choice(targets.paired)
        yield "zombie", rng.choice(targets.paired)
        yield "kill", rng.choice(targets.services)
        yield "kill", rng.choice(targets.adapters)


def _faults(rng: Random, targets: Targets) -> Iterator[tuple[Kind, str]]:
    places: dict[Kind, Sequence[str]] = {
        "kill": targets.processes,
        "terminate": targets.processes,
        "pause": targets.processes,
        "double": ["queues"],
        **dict.fromkeys(LINK_FAULTS, targets.links),
    }
    if targets.outages:
        places["outage"] = targets.outages
    while True:
        for kind in rng.sample(list(places), len(places)):
            yield kind, rng.choice(places[kind])


def _seconds(rng: Random, kind: Kind) -> float:
    return rng.uniform(2.0, 4.0) if kind == "outage" else rng.uniform(0.3, 3.0)
