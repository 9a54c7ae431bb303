"""Who asks for what, and when: working days of a studio."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
PROFILE: Final = (
    0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.05, 0.2, 0.5, 0.9, 1.0,
    0.6, 0.5, 0.9, 1.0, 1.0, 0.9, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05,
)  # fmt: skip
"""Tasks of each hour from midnight on, as shares of the busiest one's."""
BATCH: Final = 40
"""Stills of a scene that are submitted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """
    Args:
        per_hour: tasks on average in an hour of which the profile's share is 1.
        in_batches: the share of tasks that come as batches of BATCH, all of one kind.
        kinds: by name, with weights.
    """

    per_hour: float
    in_batches: float = 0.6
    kinds: Mapping[str, float] = field(default_factory=dict)
    profile: tuple[float, ...] = PROFILE


@dataclass(frozen=True, slots=True)
class Arrival:
    at: float
    kinds: tuple[str, ...]


def arrivals(load: Load, days: float, chance: Random) -> Iterator[Arrival]:
    """Of single tasks and of whole batches, in the order of time: Poisson processes whose rates
    follow the profile."""
    singles = load.per_hour * (1 - load.in_batches)
    batches = load.per_hour * load.in_batches / BATCH
    most = (singles + batches) / HOUR * max(load.profile)
    names, weights = list(load.kinds), list(load.kinds.values())
    at = chance.expovariate(most)
    while at < days * DAY:
        share = load.profile[int(at // HOUR) % len(load.profile)] / max(load.profile)
        if chance.random() < share:
            many = BATCH if chance.random() < batches / (singles + batches) else 1
            (kind,) = chance.choices(names, weights)
            yield Arrival(at, (kind,) * many)
        at += chance.expovariate(most)


def per_day(load: Load) -> float:
    return load.per_hour * sum(load.profile)
