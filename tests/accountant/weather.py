"""Which failure is on when: every switch of both simulators in an order that a seed decides."""

from collections.abc import Iterator
from random import Random

from tests.simulators import seedream
from tests.simulators.qwen_vl.failures import ALL

SWITCHES: dict[str, list[str]] = {
    "qwen": sorted(ALL),
    "seedream": sorted({**seedream.REFUSALS, **seedream.ENDINGS, **seedream.DOWNLOADS}),
}


def deck(chance: Random, cards: int) -> Iterator[tuple[str, str, int]]:
    """So many times a provider, a switch of its, and how many calls it is on for. All come before
    any comes again."""
    every = [(provider, name) for provider, names in SWITCHES.items() for name in names]
    left: list[tuple[str, str]] = []
    for _ in range(cards):
        if not left:
            left = chance.sample(every, len(every))
        provider, name = left.pop()
        yield provider, name, chance.choice((1, 1, 1, 2, 3))
