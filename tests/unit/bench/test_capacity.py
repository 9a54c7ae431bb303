"""The simulation of capacity: against theory, and the page that it writes."""

from dataclasses import replace
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest

from short_drama.comfyui_api.turns import IN_ENGINE
from short_drama.domain.kinds import Lane as ProductLane
from short_drama.settings import Settings as ProductSettings
from tests.bench.capacity.__main__ import template_target
from tests.bench.capacity.advice import Advice, above, advice
from tests.bench.capacity.events import Events
from tests.bench.capacity.experiments import G4DN, one, scaled, simulate
from tests.bench.capacity.fleet import DRAIN, MINUTE, UNHEARD, Fleet, Lane
from tests.bench.capacity.inputs import DEFAULTS, DETECTOR, GENERATOR, T4
from tests.bench.capacity.load import BATCH, DAY, HOUR, Arrival, Load, arrivals, per_day
from tests.bench.capacity.machine import Card, Settings
from tests.bench.capacity.money import aws_of_thousand, instance_hour, rates
from tests.bench.capacity.page import page, plots
from tests.bench.capacity.plots import lines
from tests.bench.capacity.provider_lane import Account, ProviderLane
from tests.bench.capacity.results import Row, Run
from tests.bench.capacity.scaling import Policy, Scaler

DOCS = Path(__file__).parents[3] / "docs"
RESULTS = DOCS / "capacity" / "results.json"
FLAT_DAY = (1.0,) * 24
TEN_SECONDS = Card(seconds={"a": (10.0, 10.0)}, loads={"a": "a"})
AT_ONCE = Settings(prepare=0.0, publish=0.0, gap=0.0, handover=0.0, poll=0.0)
ALONE = Fleet(card=TEN_SECONDS, settings=AT_ONCE, always=1, spot_hours=None, crash_hours=None)


def busy(share: float) -> Load:
    """Single tasks of ten seconds that keep one machine busy for that share of the time."""
    return Load(per_hour=share * 360, in_batches=0.0, kinds={"a": 1.0}, profile=FLAT_DAY)


def waits(lane: Lane) -> list[float]:
    return [work.ended - work.submitted - work.seconds for work in lane.ended if work.ended]


# --- Theory ------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_waits_of_one_machine_are_those_of_the_formula(share: float) -> None:
    """M/D/1, Pollaczek and Khinchine: share * service / (2 * (1 - share))."""
    lane = simulate(ALONE, load=busy(share), days=6, seed=1)
    found = waits(lane)
    assert sum(found) / len(found) == pytest.approx(share * 10 / (2 * (1 - share)), rel=0.06)
    assert lane.busy_seconds / lane.machine_seconds == pytest.approx(share, rel=0.03)


def test_as_many_are_there_as_arrive_while_one_stays() -> None:
    """Little's law, over a fleet that scales, with batches and interruptions."""
    lane = simulate(
        scaled(10, 8), load=Load(per_hour=400, kinds={"camera-angle": 1}), days=3, seed=1
    )
    stays = [work.ended - work.submitted for work in lane.ended if work.ended]
    there = sum(lane.backlogs) / len(lane.backlogs)
    assert there == pytest.approx(sum(stays) / (3 * DAY), rel=0.03)


def test_nothing_is_lost_however_machines_end() -> None:
    fleet = replace(scaled(5, 4), spot_hours=0.3, crash_hours=0.5)
    lane = Lane(fleet, Random(1))
    lane.run([Arrival(60.0 * at, ("camera-angle",)) for at in range(200)], until=2 * DAY)
    assert len(lane.ended) == lane.submitted == 200
    assert len({id(work) for work in lane.ended}) == 200
    assert max(work.attempts for work in lane.ended) > 1


def test_many_machines_are_as_fast_as_they_are_many() -> None:
    fleet = replace(ALONE, always=40)
    lane = Lane(fleet, Random(1))
    lane.run([Arrival(5.0, ("a",) * 40)], until=HOUR)
    assert max(waits(lane)) == 0


# --- Arrivals ----------------------------------------------------------------------------


def test_as_many_come_as_the_profile_says_some_of_them_in_batches() -> None:
    load = Load(per_hour=100, kinds={"a": 2, "b": 1})
    found = list(arrivals(load, 100, Random(1)))
    sizes = [len(arrival.kinds) for arrival in found]
    assert sum(sizes) / 100 == pytest.approx(per_day(load), rel=0.05)
    assert sum(size for size in sizes if size > 1) / sum(sizes) == pytest.approx(0.6, rel=0.05)
    assert set(sizes) == {1, BATCH}
    noon = sum(11 <= arrival.at % DAY / HOUR < 12 for arrival in found)
    night = sum(2 <= arrival.at % DAY / HOUR < 3 for arrival in found)
    assert night < 0.05 * noon


# --- Machines and scaling ----------------------------------------------------------------


def test_what_is_due_at_once_happens_in_the_order_in_which_it_was_asked_for() -> None:
    events, seen = Events(), list[int]()
    for number in range(3):
        events.after(1.0, lambda number=number: seen.append(number))  # type: ignore[misc]
    events.after(3.0, lambda: seen.append(9))
    events.run(until=2.0)
    assert (seen, events.now) == ([0, 1, 2], 2.0)


def scaled_to(
    *minutes: tuple[int, int], target: float = 5, zero: int = 0, was: int = 0
) -> list[int]:
    """`minutes`: backlog and instances in service of each; all have warmed up."""
    scaler = Scaler(Policy(target=target, most=10, zero_minutes=zero), was)
    return [scaler.minute(backlog, there, youngest=9999) for backlog, there in minutes]


def test_the_first_instance_comes_with_the_first_task() -> None:
    assert scaled_to((0, 0), (1, 0), (40, 0), (40, 1), (40, 1), (40, 1)) == [0, 1, 1, 1, 1, 8]


def test_there_are_never_more_than_there_may_be() -> None:
    assert scaled_to(*[(500, 3)] * 3, was=3)[-1] == 10


def test_instances_go_after_a_quarter_of_an_hour_below_the_target() -> None:
    assert scaled_to(*[(10, 4)] * 15, was=4) == [4] * 14 + [2]
    assert scaled_to(*[(19, 4)] * 30, was=4)[-1] == 4  # within a tenth of the target


@pytest.mark.parametrize(("zero", "kept"), [(0, 0), (2, 2), (5, 5)])
def test_the_last_instance_goes_when_there_is_no_task_for_that_long(zero: int, kept: int) -> None:
    found = scaled_to(*[(1, 1)] * 20, *[(0, 1)] * 8, zero=zero, was=1)[20:]
    assert found == [1] * kept + [0] * (8 - kept)


def test_no_instance_goes_while_one_is_warming_up() -> None:
    scaler = Scaler(Policy(target=5, most=10), 2)
    found = [scaler.minute(0, 2, youngest=MINUTE * at) for at in range(5, 25)]
    assert found.index(0) == 14
    scaler = Scaler(Policy(target=5, most=10, warm_up=1200), 2)
    assert {scaler.minute(0, 2, youngest=MINUTE * at) for at in range(19)} == {2}


def test_an_interrupted_instance_gives_back_what_does_not_end_in_its_drain() -> None:
    lane = Lane(replace(ALONE, always=2), Random(1))
    lane.events.after(1.0, lambda: lane._drain(next(iter(lane._machines))))
    lane.run([Arrival(0.5, ("a",) * 10)], until=600)
    ended = sorted(work.ended or 0.0 for work in lane.ended)
    assert len(ended) == 10
    assert sum(work.attempts == 2 for work in lane.ended) == 10 - sum(
        work.attempts == 1 for work in lane.ended
    )
    assert lane.machine_seconds < 2 * 600 - 60 + DRAIN + 15  # the other came a minute later


def test_what_a_dead_instance_held_waits_for_its_lease() -> None:
    lane = Lane(replace(ALONE, always=2), Random(1))
    lane.events.after(5.0, lambda: lane._crash(next(one for one in lane._machines if one.held)))
    lane.run([Arrival(0.0, ("a",))], until=HOUR)
    (work,) = lane.ended
    assert work.attempts == 2
    assert work.ended == 5 + UNHEARD + 10


# --- The CPU lane ------------------------------------------------------------------------


def provided(many: int, *, in_flight: int = 4, per_minute: int = 600) -> list[float]:
    account = Account(in_flight=in_flight, per_minute=per_minute, seconds=(5.0, 5.0))
    quick = Account(in_flight=99, per_minute=9999, seconds=(0.0, 0.0))
    lane = ProviderLane(quick, account, parallel=99, chance=Random(1))
    lane.run([Arrival(0.0, ("face-swap",) * many)], until=HOUR)
    return lane.took


def test_calls_wait_for_a_place_and_for_the_minute() -> None:
    assert provided(8) == [5.0] * 4 + [10.0] * 4
    assert max(provided(120, in_flight=99, per_minute=60)) == pytest.approx(65, abs=2)


# --- Money -------------------------------------------------------------------------------


def test_a_task_costs_the_requests_that_are_counted() -> None:
    """Three of SQS; a record written four times and once each 20 s, at 5 units; 5 reads."""
    found = aws_of_thousand(attempts=1.0, held=40.0, machine_hours=0.0)
    rate = rates()
    assert found["sqs"] == pytest.approx(float(3000 * rate.sqs))
    assert found["dynamodb"] == pytest.approx(float(30_000 * rate.write + 5000 * rate.read))
    assert found["s3"] == pytest.approx(float(2000 * rate.put + 2000 * rate.get))


def test_a_spot_hour_is_cheaper_and_has_the_same_disk() -> None:
    disk = 100 * 0.10 / 730
    assert instance_hour(G4DN, on_spot=False) == pytest.approx(0.526 + disk)
    assert instance_hour(G4DN, on_spot=True) == pytest.approx(0.526 * 0.4 + disk)


def row(setting: float, usd: float, wait: float) -> Row:
    values = {"gpu_usd": usd, "wait_mean_s": wait}
    return Row(study="target", instance=G4DN, gpus=10, setting=setting, values=values)


def test_advice_weighs_waiting_against_gpus() -> None:
    rows = [row(1, 9.0, 0.0), row(5, 5.0, 36.0), row(8, 4.9, 72.0), row(20, 4.0, 720.0)]
    assert advice(rows, 0.05) == Advice(best=5, flat=(5, 8))
    assert advice(rows, 0.001).best == 20
    assert advice(rows, 1.0).best == 1
    assert above(rows, 5, 1.0) == pytest.approx(100 * (15 / 9 - 1))


# --- Page --------------------------------------------------------------------------------


def test_a_seed_is_a_run() -> None:
    def run(seed: int) -> Row:
        return one("sizes", 3, 8, scaled(3, 8), seed=seed, days=2)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_the_kept_results_are_those_of_the_present_simulation() -> None:
    """`make capacity` makes them anew."""
    kept, target = Run.read(RESULTS), template_target()
    assert kept.template_target == target
    fleet = scaled(1, target, T4)
    assert kept.of("sizes", G4DN)[0] == one("sizes", 1, target, fleet, seed=kept.seed)


def test_the_defaults_that_are_simulated_are_the_products() -> None:
    ours = ProductSettings(comfyui_url="http://127.0.0.1:8188")
    assert ours.deliveries(ProductLane.GPU) == DEFAULTS.lookahead
    assert ours.comfyui_swap_wait_seconds == DEFAULTS.bound
    assert DEFAULTS.places == IN_ENGINE
    assert (ours.qwen_in_flight, ours.qwen_per_minute) == limits(DETECTOR)
    assert (ours.seedream_in_flight, ours.seedream_per_minute) == limits(GENERATOR)
    assert ours.gpu_instance == G4DN
    with_keys = ours.model_copy(update={"face_generator": "seedream"})
    assert with_keys.parallel(ProductLane.CPU) == 2 * DETECTOR.in_flight


def limits(account: Account) -> tuple[int, int]:
    return account.in_flight, account.per_minute


def test_the_page_and_its_plots_are_those_of_the_present_writer() -> None:
    """`python -m tests.bench.capacity --page` writes them anew."""
    kept = Run.read(RESULTS)
    assert kept.to_json() == RESULTS.read_text()
    assert (DOCS / "capacity.md").read_text() == page(kept)
    drawn = {path.name: path.read_text() for path in RESULTS.parent.glob("*.svg")}
    assert drawn == plots(kept)


def test_a_line_goes_through_its_values() -> None:
    drawn = lines("Title", "s", "GPUs", ["1", "2"], {"p50": [0.0, 4.0], "p99": [8.0, 4.0]})
    found = ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}polyline")  # noqa: S314 - ours
    assert [each.attrib["points"] for each in found] == [
        "64.0,324.0 584.0,204.0",
        "64.0,84.0 584.0,204.0",
    ]
