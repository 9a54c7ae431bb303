"""Which fleets are simulated, and what is kept of each."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from tests.bench.capacity import inputs
from tests.bench.capacity.fleet import Fleet, Lane
from tests.bench.capacity.inputs import DEFAULTS, H100, KINDS, T4
from tests.bench.capacity.load import DAY, HOUR, Load, arrivals, per_day
from tests.bench.capacity.machine import Card
from tests.bench.capacity.money import aws_of_thousand, instance_hour
from tests.bench.capacity.provider_lane import ProviderLane
from tests.bench.capacity.results import Row
from tests.bench.capacity.scaling import Policy
from tests.bench.peers.figures import quantile

G4DN = "g4dn.xlarge"
ON_H100 = "H100"
TARGETS = (1, 2, 3, 5, 8, 12, 20, 40)
ZEROS = (0, 5, 15, 30, 60)
LOOKAHEADS = (2, 4, 8, 16, 32)
PLACES = (1, 2, 3)
BOUNDS = (0, 10, 30, 60, 120, 300, 600)
BOOTS = (120, 240, 480, 960)
"""Seconds; half as much less or more is drawn."""
SPOTS = (0, 1000, 100, 10)
"""Hours between interruptions; 0 is on demand."""
IN_FLIGHT = (8, 16, 32, 64, 128)


def load_of(card: Card, gpus: int) -> Load:
    """As much as the fleet can do, in the busiest hour, times BUSIEST."""
    return Load(
        per_hour=inputs.BUSIEST * gpus * HOUR / inputs.mean_seconds(card), kinds=dict(KINDS)
    )


def simulate(fleet: Fleet, *, load: Load, days: float, seed: int) -> Lane:
    """Whoever asks and when depends on the seed alone, so that settings meet the same days."""
    lane = Lane(fleet, Random(f"{seed} machines"))
    lane.run(arrivals(load, days, Random(f"{seed} arrivals")), until=days * DAY)
    return lane


def figures(lane: Lane, *, hour: float | None) -> dict[str, float]:
    """`hour`: what one costs; None where nobody knows."""
    done = [(work, work.ended) for work in lane.ended if work.ended is not None]
    waits = sorted(ended - work.submitted - work.seconds for work, ended in done)
    hours, many = lane.machine_seconds / HOUR, len(waits)
    attempts = sum(work.attempts for work in lane.ended) / many
    held = sum(work.held for work in lane.ended) / many
    hours_of_thousand = 1000 * hours / many
    found = {
        "tasks": many,
        "unfinished": lane.submitted - many,
        "wait_mean_s": sum(waits) / many,
        **{f"wait_p{share}_s": quantile(waits, share / 100) for share in (50, 95, 99)},
        "at_work_percent": 100 * lane.busy_seconds / lane.machine_seconds,
        "most_gpus": max(lane.counts),
        "launches": lane.launches,
        "attempts": attempts,
        "held_s": held,
        "swaps_of_thousand": 1000 * lane.swaps / many,
    }
    if hour is not None:
        aws = aws_of_thousand(attempts=attempts, held=held, machine_hours=hours_of_thousand)
        found |= {f"{name}_usd": usd for name, usd in aws.items()}
        found |= {"gpu_usd": hours_of_thousand * hour}
    return {name: round(value, 4) for name, value in found.items()}


def rows(seed: int, target: float) -> Iterator[Row]:
    """`target`: the template's."""
    yield from sizes(seed, target)
    yield from scaling(seed, target)
    yield from turns(seed)
    yield from surroundings(seed, target)
    yield from providers(seed)


def one(
    study: str,
    gpus: int,
    setting: float,
    fleet: Fleet,
    *,
    seed: int,
    instance: str = G4DN,
    days: float | None = None,
) -> Row:
    lane = simulate(
        fleet,
        load=load_of(fleet.card, gpus),
        days=days or inputs.DAYS[gpus],
        seed=seed,
    )
    on_spot = fleet.spot_hours is not None
    hour = None if instance == ON_H100 else instance_hour(instance, on_spot=on_spot)
    values = figures(lane, hour=hour) | {"days": days or inputs.DAYS[gpus]}
    return Row(study=study, instance=instance, gpus=gpus, setting=setting, values=values)


def scaled(gpus: int, target: float, card: Card = T4, zero: int = 0) -> Fleet:
    return Fleet(card=card, policy=Policy(target=target, most=gpus, zero_minutes=zero))


def sizes(seed: int, target: float) -> Iterator[Row]:
    for gpus in inputs.SIZES:
        for instance, card in inputs.CARDS.items():
            fleet = scaled(gpus, target, card)
            yield one("sizes", gpus, target, fleet, seed=seed, instance=instance)
        always = Fleet(card=T4, always=gpus, spot_hours=None)
        yield one("always", gpus, gpus, always, seed=seed)


def scaling(seed: int, target: float) -> Iterator[Row]:
    for gpus in (3, 10, 100):
        for each in TARGETS:
            yield one("target", gpus, each, scaled(gpus, each), seed=seed)
    for gpus in (1, 3, 10):
        for minutes in ZEROS:
            fleet = scaled(gpus, target, zero=minutes)
            yield one("zero", gpus, minutes, fleet, seed=seed)
    for each in LOOKAHEADS:
        fleet = replace(scaled(100, target), settings=replace(DEFAULTS, lookahead=each))
        yield one("lookahead", 100, each, fleet, seed=seed)


def turns(seed: int) -> Iterator[Row]:
    """On cards that switch models, always on."""
    fleet = Fleet(card=H100, always=1, spot_hours=None, crash_hours=None)
    ten = replace(fleet, always=10)

    def changed(study: str, gpus: int, setting: float, base: Fleet, **changes: float) -> Row:
        settings = replace(DEFAULTS, **changes)  # type: ignore[arg-type]
        now = replace(base, settings=settings)
        return one(
            study, gpus, setting, now, seed=seed, instance=ON_H100, days=5 if gpus == 1 else 1
        )

    for bound in BOUNDS:
        yield changed("bound", 1, bound, fleet, bound=float(bound))
    for each in LOOKAHEADS:
        yield changed("lookahead", 10, each, ten, lookahead=each)
    for places in PLACES:
        yield changed("places", 1, places, fleet, places=places)


def surroundings(seed: int, target: float) -> Iterator[Row]:
    """What nobody sets, and everybody has to guess."""
    for seconds in BOOTS:
        fleet = replace(scaled(10, target), boot=(0.75 * seconds, 1.25 * seconds))
        yield one("boot", 10, seconds, fleet, seed=seed)
    for hours in SPOTS:
        fleet = replace(scaled(10, target), spot_hours=hours or None)
        yield one("spot", 10, hours, fleet, seed=seed)


def providers(seed: int) -> Iterator[Row]:
    """Face swaps grow with the GPU lane's load, and nothing else of their lane does."""
    for gpus in inputs.SIZES:
        load = load_of(T4, gpus)
        swaps = replace(load, per_hour=load.per_hour * inputs.SWAP_SHARE, kinds={"face-swap": 1.0})
        for in_flight in IN_FLIGHT:
            yield _provided(gpus, in_flight, swaps, seed)


def _provided(gpus: int, in_flight: int, load: Load, seed: int) -> Row:
    lane = ProviderLane(
        detector=replace(inputs.DETECTOR, in_flight=in_flight),
        generator=replace(inputs.GENERATOR, in_flight=in_flight),
        parallel=2 * in_flight,
        chance=Random(f"{seed} calls"),
    )
    days = min(inputs.DAYS[gpus], 5)
    lane.run(arrivals(load, days, Random(f"{seed} swaps")), until=days * DAY)
    took = sorted(lane.took)
    values = {
        "a_day": per_day(load),
        "tasks": len(took),
        "unfinished": lane.submitted - len(took),
        **{f"took_p{share}_s": quantile(took, share / 100) for share in (50, 95, 99)},
    }
    rounded = {name: round(value, 4) for name, value in values.items()}
    return Row(
        study="providers", instance="providers", gpus=gpus, setting=in_flight, values=rounded
    )
