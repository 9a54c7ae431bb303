"""Samples, and what a page says of them: medians, spreads, ratios."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement of one system.

    Args:
        level: of the scenario, such as clients at a time; 0 where there are none.
        disturbed: whether something else had the machine right before or after.
        values: by name, with their unit in it.
    """

    system: str
    scenario: str
    level: int
    round: int
    disturbed: bool
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """What several rounds say together: of the undisturbed ones, where there is one."""

    median: float
    least: float
    most: float
    rounds: int
    disturbed: bool
    """Whether every round was."""


def figure(values: Sequence[tuple[float, bool]]) -> Figure:
    """Of pairs: a value, and whether it was disturbed. Raises ValueError for none."""
    calm = [value for value, disturbed in values if not disturbed]
    kept = calm or [value for value, _ in values]
    if not kept:
        raise ValueError("no rounds")
    return Figure(statistics.median(kept), min(kept), max(kept), len(kept), not calm)


def figures(samples: Iterable[Sample], scenario: str, value: str) -> dict[tuple[str, int], Figure]:
    """By system and level."""
    found: dict[tuple[str, int], list[tuple[float, bool]]] = {}
    for each in samples:
        if each.scenario == scenario and value in each.values:
            pair = each.values[value], each.disturbed
            found.setdefault((each.system, each.level), []).append(pair)
    return {key: figure(values) for key, values in found.items()}


def ratios(
    samples: Sequence[Sample], scenario: str, value: str, *, ours: str, peer: str, level: int
) -> Figure | None:
    """Ours over the peer's, round by round: what both systems met within minutes of each other.
    None where no round has both."""
    pick = _by_round(samples, scenario, value, level)
    mine, others = pick(ours), pick(peer)
    pairs = [
        (mine[one].values[value] / others[one].values[value],
         mine[one].disturbed or others[one].disturbed)
        for one in sorted(mine.keys() & others.keys())
    ]  # fmt: skip
    return figure(pairs) if pairs else None


def _by_round(
    samples: Sequence[Sample], scenario: str, value: str, level: int
) -> Callable[[str], dict[int, Sample]]:
    def of(system: str) -> dict[int, Sample]:
        return {
            each.round: each
            for each in samples
            if (each.system, each.scenario, each.level) == (system, scenario, level)
            and value in each.values
        }

    return of


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in ascending order: the one below which lies that share of them."""
    return ordered[round((len(ordered) - 1) * share)]


def answers(seconds: float, times: Iterable[float]) -> dict[str, float]:
    """Rate, and the milliseconds of single answers."""
    ordered = sorted(times)
    return {
        "per_second": len(ordered) / seconds,
        "p50_ms": quantile(ordered, 0.5) * 1000,
        "p99_ms": quantile(ordered, 0.99) * 1000,
    }


def overheads(times: Sequence[float], runs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Milliseconds of each task that its engine's run, from start to end, does not account for."""
    over = [(t - (end - start)) * 1000 for t, (start, end) in zip(times, runs, strict=True)]
    return {"overhead_p50_ms": statistics.median(over), "overhead_max_ms": max(over)}


def gaps(runs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Of an engine's runs, as pairs of start and end in seconds: how long it idled in between."""
    ordered = sorted(runs)
    between = [later[0] - earlier[1] for earlier, later in pairwise(ordered)]
    whole = ordered[-1][1] - ordered[0][0]
    return {
        "gap_p50_ms": statistics.median(between) * 1000,
        "gap_max_ms": max(between) * 1000,
        "utilisation_percent": 100 * sum(end - start for start, end in runs) / whole,
    }
