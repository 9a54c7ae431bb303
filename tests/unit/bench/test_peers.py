"""The figures of `make bench-peers`, and the page that it writes of them."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from pydantic import ValidationError

from short_drama.domain.kinds import CameraAngleRequest
from tests.bench.peers.figures import (
    Figure,
    Sample,
    answers,
    figure,
    figures,
    gaps,
    overheads,
    quantile,
    ratios,
)
from tests.bench.peers.goals import goals
from tests.bench.peers.noise import Noise, disturbed, quiet
from tests.bench.peers.page import page, plots
from tests.bench.peers.plots import Bar, chart
from tests.bench.peers.results import Run, Told
from tests.bench.peers.theirs.front import CameraAngle
from tests.bench.svg import number

DOCS = Path(__file__).parents[3] / "docs"


def sample(
    system: str = "short-drama", *, at: int = 1, marked: bool = False, **values: float
) -> Sample:
    rate = values or {"per_second": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "cpu_ms": 0.5}
    return Sample(
        system=system, scenario="submit", level=8, round=at, disturbed=marked, values=rate
    )


def run(*samples: Sample) -> Run:
    return Run(
        facts={"when": "today"},
        versions={"arq": "1"},
        systems={"short-drama": Told("short-drama", "SQLite"), "arq": Told("arq + Redis", "AOF")},
        noise=[Noise(10, 0, 1), Noise(11, 2, 1)],
        samples=samples,
    )


# --- The same work -----------------------------------------------------------------------

_IMAGE = {"image_url": "asset:uploads/still.jpg"}


@pytest.mark.parametrize(
    ("body", "valid"),
    [
        ({**_IMAGE, "horizontal": -1, "steps": 50}, True),
        ({**_IMAGE, "prompt": "from above", "seed": 2**53 - 1, "size": "model"}, True),
        ({**_IMAGE, "zoom": 1, "vertical": 2, "size": "1024x576"}, True),
        (_IMAGE, False),
        ({"horizontal": 1}, False),
        ({"image_url": "still.jpg", "horizontal": 1}, False),
        ({**_IMAGE, "horizontal": 5}, False),
        ({**_IMAGE, "horizontal": "1"}, False),
        ({**_IMAGE, "vertical": -3}, False),
        ({**_IMAGE, "zoom": 2}, False),
        ({**_IMAGE, "prompt": " "}, False),
        ({**_IMAGE, "zoom": 1, "steps": 0}, False),
        ({**_IMAGE, "zoom": 1, "seed": 2**53}, False),
        ({**_IMAGE, "zoom": 1, "size": "big"}, False),
        ({**_IMAGE, "zoom": 1, "speed": 1}, False),
    ],
)
def test_the_peers_check_bodies_as_we_do(body: dict[str, object], valid: bool) -> None:
    for model in (CameraAngle, CameraAngleRequest):
        with contextlib.nullcontext() if valid else pytest.raises(ValidationError):
            model.model_validate_json(json.dumps(body))


# --- Statistics --------------------------------------------------------------------------


def test_a_figure_is_of_the_undisturbed_rounds_where_there_are_any() -> None:
    assert figure([(1, False), (3, False), (900, True)]) == Figure(2, 1, 3, 2, False)
    assert figure([(1, True), (2, True), (9, True)]) == Figure(2, 1, 9, 3, True)
    with pytest.raises(ValueError, match="no rounds"):
        figure([])


def test_figures_are_of_one_scenario_by_system_and_level() -> None:
    other = replace(sample(per_second=7), scenario="status")
    found = figures(
        [sample(per_second=10), sample("arq", per_second=20), other], "submit", "per_second"
    )
    assert found == {
        ("short-drama", 8): Figure(10, 10, 10, 1, False),
        ("arq", 8): Figure(20, 20, 20, 1, False),
    }


def test_a_ratio_is_taken_within_each_round() -> None:
    samples = [
        sample(at=1, per_second=100), sample("arq", at=1, per_second=50),
        sample(at=2, per_second=10), sample("arq", at=2, per_second=10),
        sample(at=3, per_second=9), sample("arq", at=3, per_second=3),
        sample(at=4, per_second=1),
    ]  # fmt: skip
    ratio = ratios(samples, "submit", "per_second", ours="short-drama", peer="arq", level=8)
    assert ratio == Figure(2, 1, 3, 3, False)
    assert ratios(samples, "submit", "per_second", ours="short-drama", peer="arq", level=1) is None


def test_a_ratio_is_disturbed_when_either_side_was() -> None:
    samples = [sample(per_second=4), sample("arq", per_second=2, marked=True)]
    ratio = ratios(samples, "submit", "per_second", ours="short-drama", peer="arq", level=8)
    assert ratio == Figure(2, 2, 2, 1, True)


def test_answers_tell_a_rate_and_quantiles() -> None:
    found = answers(2.0, [number / 1000 for number in range(101)])
    assert found == {"per_second": 50.5, "p50_ms": 50.0, "p99_ms": 99.0}
    assert quantile([5.0], 0.99) == 5.0


def test_overhead_is_what_the_engine_did_not_take() -> None:
    found = overheads([1.25, 2.5, 1.5], [(10.0, 11.0), (12.0, 14.0), (20.0, 21.0)])
    assert found == {"overhead_p50_ms": 500.0, "overhead_max_ms": 500.0}
    with pytest.raises(ValueError, match="shorter"):  # a task that has run twice, or never
        overheads([1.0, 1.0], [(0.0, 1.0)])


def test_gaps_are_between_runs_in_the_order_of_time() -> None:
    found = gaps([(2.5, 3.5), (0.0, 1.0), (1.5, 2.5)])
    assert found == {
        "gap_p50_ms": 250.0,
        "gap_max_ms": 500.0,
        "utilisation_percent": pytest.approx(100 * 3 / 3.5),
    }


# --- Noise -------------------------------------------------------------------------------


def test_the_quiet_machine_is_no_single_lucky_moment() -> None:
    cpu = [5.0, 10.0, 11.0, 12.0, 30.0, 31.0, 32.0, 33.0]
    assert quiet([Noise(one, one / 100, one / 10) for one in cpu]) == Noise(10.0, 0.1, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Noise(10, 1, 1), Noise(11, 7, 1.4), False),
        (Noise(12, 1, 1), Noise(10, 1, 1), True),
        (Noise(10, 1, 1), Noise(12, 1, 1), True),
        (Noise(10, 1, 1.6), Noise(10, 1, 1), True),
        (Noise(10, 1, 1), Noise(10, 1, 1.6), True),
        (Noise(10, 9, 1), Noise(10, 1, 1), True),
    ],
)
def test_a_measurement_is_disturbed_by_what_is_beside_it(
    before: Noise, after: Noise, expected: bool
) -> None:
    assert disturbed(before, after, Noise(10, 1, 1)) is expected


# --- Goals and page ----------------------------------------------------------------------


def test_a_goal_of_disturbed_figures_is_neither_met_nor_missed() -> None:
    def verdict(ours: float, *, marked: bool) -> bool | None:
        mine, peer = sample(per_second=ours, marked=marked), sample("arq", per_second=100)
        (goal,) = goals(run(mine, peer))
        return goal.holds

    assert verdict(101, marked=False) is True
    assert verdict(99, marked=False) is False
    assert verdict(101, marked=True) is None


def test_disturbed_figures_are_marked() -> None:
    text = page(run(sample(), sample("arq", marked=True)))
    assert "| short-drama | 8 | 100 | 1.00 | 2.00 | 0.50 |" in text
    assert "| arq + Redis | 8 | 100 † | 1.00 † | 2.00 † | 0.50 † |" in text
    assert "disturbed: 1 of 2 measurements" in text


def test_spreads_are_told_where_there_are_several_rounds() -> None:
    rounds = [
        sample(at=at, per_second=100.0 * at, p50_ms=1.0, p99_ms=2.0, cpu_ms=0.5) for at in (1, 2, 3)
    ]
    assert "| short-drama | 8 | 200 (100 to 300) | 1.00 |" in page(run(*rounds))


def test_what_was_not_measured_has_no_section() -> None:
    text = page(run(sample()))
    assert "## Submits" in text
    assert "## A batch" not in text
    assert set(plots(run(sample()))) == {"submits.svg"}


@pytest.mark.parametrize(
    ("value", "expected"), [(1234.5, "1,234"), (99.94, "99.9"), (1.234, "1.23"), (0.004, "0.00")]
)
def test_numbers_have_three_figures(value: float, expected: str) -> None:
    assert number(value) == expected


def test_a_bar_is_as_long_as_its_figure() -> None:
    bars = [
        Bar("a & b", Figure(10, 5, 20, 3, False), ours=True),
        Bar("c", Figure(5, 5, 5, 1, False), ours=False),
    ]
    drawing = ET.fromstring(chart("Title", "ms", {"": bars}))  # noqa: S314 - we have written it
    widths = [each.attrib["width"] for each in drawing.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths == ["210.0", "105.0"]
    texts = [each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["Title", "ms", "a & b", "10.0", "c", "5.00"]


def test_a_run_is_the_same_after_being_kept() -> None:
    kept = run(sample(), sample("arq", marked=True))
    again = Run.from_json(kept.to_json())
    assert again.to_json() == kept.to_json()
    assert list(again.samples) == list(kept.samples)
    assert json.loads(kept.to_json())["versions"] == {"arq": "1"}


def test_the_page_and_its_plots_are_those_of_the_present_writer() -> None:
    """`python -m tests.bench.peers --page` writes them anew."""
    kept = Run.read(DOCS / "benchmarks" / "peers.json")
    assert (DOCS / "benchmarks.md").read_text() == page(kept)
    drawn = {path.name: path.read_text() for path in (DOCS / "benchmarks").glob("*.svg")}
    assert drawn == plots(kept)
