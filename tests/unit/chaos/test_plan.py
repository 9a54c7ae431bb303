"""The plan of a chaos run: the same for the same seed, everything in it, and room to recover."""

import itertools
from typing import get_args

import pytest

from tests.chaos.plan import Kind, Step, Targets, plan

TARGETS = Targets(
    orchestrators=["o1", "o2"],
    services=["s1", "s2"],
    adapters=["a1", "a2", "a3"],
    links=["a1>aws", "a1>s3", "clients>o1"],
    paired=["a1", "a2"],
    outages=["aws", "sqs"],
)
SEEDS = range(5)


def planned(seed: int, duration: float = 120.0) -> list[Step]:
    return plan(seed, duration, TARGETS, recovery=12.0)


def test_a_seed_is_a_plan() -> None:
    assert planned(1) == planned(1)
    assert planned(1) != planned(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_minutes_see_every_kind_of_fault_on_its_own_kind_of_target(seed: int) -> None:
    steps = planned(seed)
    assert {step.kind for step in steps} == set(get_args(Kind))
    for step in steps:
        places = {
            "double": ["queues"],
            "outage": TARGETS.outages,
            "zombie": TARGETS.paired,
            **dict.fromkeys(("kill", "terminate", "pause"), TARGETS.processes),
        }
        assert step.target in places.get(step.kind, TARGETS.links)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("duration", [15.0, 60.0, 120.0])
def test_every_run_kills_early_and_ends_in_time(seed: int, duration: float) -> None:
    steps = planned(seed, duration)
    assert steps[0].kind == "kill"
    assert all(0 < step.at <= step.at + step.seconds <= duration for step in steps)
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(steps)]
    assert all(0 <= gap < 20.0 for gap in gaps)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_blow_is_left_alone_until_it_has_recovered(seed: int) -> None:
    steps = [step for step in planned(seed) if step.kind != "double"]
    timed = [step for step in steps if step.alone]
    assert len(timed) >= 4
    for blow in timed:
        for other in steps:
            over = other.at + other.seconds <= blow.at - 5.0
            assert other is blow or over or other.at >= blow.at + 12.0


def test_without_aws_there_is_no_outage() -> None:
    local = Targets(["o"], ["s"], ["a"], ["a>s"], ["a"], outages=[])
    assert "outage" not in {step.kind for step in plan(1, 120.0, local, recovery=12.0)}
