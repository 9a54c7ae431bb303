"""What we want of ourselves beside the peers, and whether a run has shown it."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.peers.figures import Figure, figure, figures, ratios
from tests.bench.peers.results import Run

OURS, SCRIPT = "short-drama", "script"
_TIMES = (("arq", 1.0), ("celery", 2.0))
"""How many times a peer's submits ours have to be."""


@dataclass(frozen=True, slots=True)
class Goal:
    words: str
    figure: Figure
    bound: float
    at_least: bool

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    @property
    def holds(self) -> bool | None:
        """None when every round was disturbed."""
        if self.figure.disturbed:
            return None
        got = self.figure.median
        return got >= self.bound if self.at_least else got <= self.bound


def goals(run: Run) -> list[Goal]:
    """Those of which the run has figures."""
    return [*_submits(run), *_the_rest(run)]


def _submits(run: Run) -> Iterator[Goal]:
    levels = sorted({each.level for each in run.samples if each.scenario == "submit"})
    for peer, bound in _TIMES:
        for level in levels:
            ratio = ratios(run.samples, "submit", "per_second", ours=OURS, peer=peer, level=level)
            if ratio is not None:
                title = run.systems[peer].title
                words = f"submits with an asset, times those of {title}, {level} at a time"
                yield Goal(words, ratio, bound, at_least=True)
    for (_, level), known in figures(run.samples, "submit-url", "per_second").items():
        words = f"submits a second with a URL whose bytes are known, {level} at a time"
        yield Goal(words, known, 300, at_least=True)


def _the_rest(run: Run) -> Iterator[Goal]:
    def ours(scenario: str, value: str) -> Figure | None:
        return figures(run.samples, scenario, value).get((OURS, 0))

    single = [
        ("one task at a time, ms more than the script", _more_than_the_script(run), 5),
        ("the engine idles between two tasks of a batch, ms", ours("batch", "gap_p50_ms"), 0.5),
        ("memory at rest, MiB", ours("idle", "memory_mib"), 120),
    ]
    for words, found, bound in single:
        if found is not None:
            yield Goal(words, found, bound, at_least=False)
    for level, added in _listeners(run).items():
        words = f"{level:,} listeners of tasks that wait add, % of a processor"
        yield Goal(words, added, 2, at_least=False)


def _listeners(run: Run) -> dict[int, Figure]:
    """By how many, what they take beside the tasks that are worked on meanwhile."""
    added: dict[int, list[tuple[float, bool]]] = {}
    for each in run.samples:
        if each.scenario == "listeners":
            more = each.values["cpu_percent"] - each.values["cpu_percent_before"]
            added.setdefault(each.level, []).append((more, each.disturbed))
    return {level: figure(values) for level, values in added.items()}


def _more_than_the_script(run: Run) -> Figure | None:
    """Of a client that waits in its submit: it polls for nothing. The script has no client."""
    mine = figures(run.samples, "alone-wait", "overhead_p50_ms").get((OURS, 0))
    bare = figures(run.samples, "alone", "overhead_p50_ms").get((SCRIPT, 0))
    if mine is None or bare is None:
        return None
    return Figure(
        median=mine.median - bare.median,
        least=mine.least - bare.most,
        most=mine.most - bare.least,
        rounds=min(mine.rounds, bare.rounds),
        disturbed=mine.disturbed or bare.disturbed,
    )
