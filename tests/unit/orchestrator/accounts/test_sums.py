"""Calls are added up in every way that is asked for, and none is lost or counted twice."""

from collections.abc import Mapping
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.spending import CallState
from short_drama.orchestrator.accounts.sums import By, Period, Sum, added_up, lines_of
from tests.unit.orchestrator.accounts.samples import DAY, NOON, a_call, a_correction, a_page

ALWAYS = Period(zone=UTC)
PAGES = [
    a_page(
        a_call("detect", provider="qwen3-vl", model="qwen3-vl-plus", micros=500),
        a_call(),
        a_call("generate", 2, state=CallState.UNKNOWN, at=NOON + 86_400),
        task_id="t1",
        labels={"show": "Nightfall", "episode": "1"},
    ),
    a_page(a_call(state=CallState.RESERVED, at=NOON + 40 * 86_400), task_id="t2", owner="b"),
    a_correction(-10_000, labels={"show": "Nightfall"}),
]


def sums(by: By, label: str | None = None) -> Mapping[str, tuple[int, int, int]]:
    found = added_up(lines_of(PAGES, ALWAYS), by, label=label)
    return {key: (each.calls, each.paid, each.maybe) for key, each in found.items()}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            By.DAY,
            {
                DAY: (2, 20_500, 0),
                "2026-11-27": (1, 0, 30_000),
                "2027-01-05": (1, 0, 30_000),
            },
        ),
        (By.MONTH, {"2026-11": (3, 20_500, 30_000), "2027-01": (1, 0, 30_000)}),
        (By.PROVIDER, {"qwen3-vl": (1, 500, 0), "seedream": (3, 20_000, 60_000)}),
        (
            By.MODEL,
            {
                "adjustment": (0, -10_000, 0),
                "qwen3-vl-plus": (1, 500, 0),
                "seedream-4-0-250828": (3, 30_000, 60_000),
            },
        ),
        (By.OWNER, {"b": (1, 0, 30_000), "local": (3, 20_500, 30_000)}),
        (By.KIND, {"adjustment": (0, -10_000, 0), "face-swap": (4, 30_500, 60_000)}),
        (
            By.LABEL,
            {
                "-": (1, 0, 30_000),
                "episode=1": (3, 30_500, 30_000),
                "show=Nightfall": (3, 20_500, 30_000),
            },
        ),
    ],
)
def test_each_way_to_add_up(by: By, expected: Mapping[str, tuple[int, int, int]]) -> None:
    assert sums(by) == expected


def test_the_values_of_one_label() -> None:
    assert sums(By.LABEL, "episode") == {"-": (1, -10_000, 30_000), "1": (3, 30_500, 30_000)}


def test_days_are_those_of_a_zone() -> None:
    late = a_page(a_call(at=NOON + 5 * 3600))  # 17:00 in UTC is 01:00 of the next day in Shanghai
    shanghai = ZoneInfo("Asia/Shanghai")
    (line,) = lines_of([late], Period(zone=shanghai))
    assert line.day == "2026-11-27"
    assert not list(lines_of([late], Period(zone=shanghai, until=DAY)))
    assert list(lines_of([late], Period(zone=UTC, since=DAY, until=DAY)))
    assert Period(zone=shanghai, since="2026-11-27").begins == NOON + 4 * 3600


@given(
    st.lists(
        st.tuples(
            st.integers(-10_000, 10_000),
            st.sampled_from(CallState),
            st.integers(0, 90),
            st.sampled_from("ab"),
        ),
        max_size=12,
    ),
    st.sampled_from([by for by in By if by is not By.LABEL]),
)
def test_nothing_is_lost(told: list[tuple[int, CallState, int, str]], by: By) -> None:
    pages = [
        a_page(
            a_call(micros=micros, state=state, at=NOON + day * 86_400, provider=name),
            task_id=str(number),
            owner=name,
        )
        for number, (micros, state, day, name) in enumerate(told)
    ]
    total = Sum()
    for line in lines_of(pages, ALWAYS):
        total.add(line)
    each = added_up(lines_of(pages, ALWAYS), by).values()
    assert total.calls == len(told) == sum(one.calls for one in each)
    assert total.paid + total.maybe == sum(micros for micros, *_ in told)
    assert (total.paid, total.maybe) == (sum(o.paid for o in each), sum(o.maybe for o in each))
