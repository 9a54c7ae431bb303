"""Which setting is best, and how flat the best is."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.capacity.results import Row

WORTHS = (0.01, 0.03, 0.1)
"""US dollars that an hour of one task's waiting may be worth: of a batch of forty, 0.4 to 4."""
WORTH = WORTHS[1]
FLAT = 0.10


@dataclass(frozen=True, slots=True)
class Advice:
    """`flat`: the least and the most of those settings around the best that cost at most FLAT
    more."""

    best: float
    flat: tuple[float, float]


def price(row: Row, worth: float) -> float:
    """US dollars for 1,000 tasks: GPUs, where their price is known, and waiting."""
    hours = 1000 * row.values["wait_mean_s"] / 3600
    return row.values.get("gpu_usd", 0.0) + hours * worth


def advice(rows: Sequence[Row], worth: float = WORTH) -> Advice:
    """Of one study and fleet, in the order of its settings."""
    prices = [price(row, worth) for row in rows]
    best = prices.index(min(prices))
    first = last = best
    bound = prices[best] * (1 + FLAT)
    while first > 0 and prices[first - 1] <= bound:
        first -= 1
    while last + 1 < len(rows) and prices[last + 1] <= bound:
        last += 1
    return Advice(rows[best].setting, (rows[first].setting, rows[last].setting))


def above(rows: Sequence[Row], setting: float, worth: float) -> float:
    """By how many per cent that setting is dearer than the best."""
    prices = {row.setting: price(row, worth) for row in rows}
    return 100 * (prices[setting] / min(prices.values()) - 1)
