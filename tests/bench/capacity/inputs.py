"""What the simulation is told. Where each is from is in `told`."""

from typing import Final

from tests.bench.capacity.machine import Card, Settings
from tests.bench.capacity.provider_lane import Account

ANGLE, EDIT = "camera-angle", "qwen-image-edit"
KINDS: Final = {ANGLE: 2.0, EDIT: 1.0}
SIZES: Final = (1, 3, 10, 30, 100, 300, 1000)
BUSIEST: Final = 0.7
"""Of what the fleet could do, what the busiest hour asks on average."""

ONE_SET: Final = {ANGLE: "one", EDIT: "one"}
T4: Final = Card(seconds={ANGLE: (30.0, 60.0), EDIT: (30.0, 60.0)}, loads=ONE_SET)
A10G: Final = Card(seconds={ANGLE: (22.0, 28.0), EDIT: (22.0, 28.0)}, loads=ONE_SET)
H100: Final = Card(
    seconds={ANGLE: (3.54, 3.54), EDIT: (1.91, 1.91)}, loads={ANGLE: ANGLE, EDIT: EDIT}, swap=7.0
)
CARDS: Final = {"g4dn.xlarge": T4, "g5.xlarge": A10G}

SPOT_SHARE: Final = 0.4
"""Of the price on demand."""
SWAP_SHARE: Final = 0.2
"""Face swaps for each task of the GPU lane."""
DETECTOR: Final = Account(in_flight=8, per_minute=600, seconds=(1.0, 5.0))
GENERATOR: Final = Account(in_flight=8, per_minute=300, seconds=(25.0, 50.0))
PICTURE_GB: Final = 0.0017


DISK: Final = "ebs.gb-month"
DEFAULTS: Final = Settings()
DAYS: Final = {1: 20, 3: 20, 10: 10, 30: 5, 100: 3, 300: 1, 1000: 1}
"""Simulated for a fleet of that size: a small one needs more for the same number of tasks."""


def mean_seconds(card: Card) -> float:
    """Of a task, without switches of models."""
    spans = [(sum(card.seconds[kind]) / 2, weight) for kind, weight in KINDS.items()]
    return sum(mean * weight for mean, weight in spans) / sum(KINDS.values())
