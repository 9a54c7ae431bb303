"""Budgets: of which day and account, what is held, and what a refusal says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama import metrics
from short_drama.domain.errors import BudgetExceeded, BudgetWaits, Unavailable
from short_drama.domain.spending import micros_of
from short_drama.paid_api.paying.budgets import Budgets
from tests.figures import counted, figure
from tests.protocol.memory import MemoryLedger
from tests.samples import a_task

NOON = 1_795_435_200.0  # 2026-11-23, 12:00 in UTC
DAY = "2026-11-23"
SHANGHAI = ZoneInfo("Asia/Shanghai")


def budgets(ledger: MemoryLedger | None = None, *, now: float = NOON, **limits: Any) -> Budgets:
    return Budgets(ledger or MemoryLedger(), clock=lambda: now, **limits)


def at(zone: str, *moment: int) -> float:
    return datetime(*moment, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[arg-type, misc]


# --- Days and limits ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("UTC", (2026, 11, 23, 23, 59), "2026-11-23"),
        ("Asia/Shanghai", (2026, 11, 24, 0, 0), "2026-11-24"),
        ("Asia/Shanghai", (2026, 11, 23, 23, 59, 59), "2026-11-23"),
        ("America/New_York", (2026, 3, 8, 3, 0), "2026-03-08"),
    ],
)
def test_a_day_is_that_of_the_budgets_zone(zone: str, moment: tuple[int, ...], day: str) -> None:
    assert budgets(now=at(zone, *moment), zone=ZoneInfo(zone)).today() == day


def test_each_account_with_a_budget_has_a_limit() -> None:
    found = budgets(
        per_day=10, per_month=100, per_label={"show=*": 50, "show=A": 90, "episode=1": 0}
    )
    labels = {"show": "A", "shot": "7", "episode": "1"}
    assert found.limits(labels, ["2026-11-30", "2026-12-01"]) == {
        "day/2026-11-30": 10,
        "month/2026-11": 100,
        "day/2026-12-01": 10,
        "month/2026-12": 100,
        "label/show=A": 90,
        "label/episode=1": 0,
    }  # fmt: skip
    assert found.limits({"show": "B"}, []) == {"label/show=B": 50}
    assert budgets().limits({"show": "A"}, [DAY]) == {}


def test_a_label_is_named_and_valued_apart() -> None:
    found = budgets(per_label={"show=a=b": 5})
    assert found.limits({"show": "a=b"}, []) == {"label/show=a=b": 5}
    assert "label show=a=b" in found.refusal("label/show=a=b").detail


# --- Holds --------------------------------------------------------------------------------


async def test_as_many_are_accepted_as_can_be_paid() -> None:
    ledger = MemoryLedger()
    found = budgets(ledger, per_day=100)
    outcomes = []
    for number in range(10):
        try:
            await found.hold(a_task(f"t{number}"), 30)
            outcomes.append("held")
        except BudgetExceeded:
            outcomes.append("refused")
    assert outcomes == ["held"] * 3 + ["refused"] * 7
    assert await ledger.total(f"day/{DAY}") == 90
    assert len(ledger.pages) == 3


@pytest.mark.parametrize("limits", [{"per_day": 0}, {"per_month": 0}, {"per_label": {"show=A": 0}}])
async def test_a_budget_of_nothing_allows_only_what_costs_nothing(
    limits: Mapping[str, Any],
) -> None:
    ledger = MemoryLedger()
    found = budgets(ledger, **limits)
    with pytest.raises(BudgetExceeded, match=r"0\.00 USD"):
        await found.hold(a_task(labels={"show": "A"}), 1)
    await found.hold(a_task(labels={"show": "A"}), 0)
    assert ledger.pages["t1"].is_open


async def test_a_task_is_held_for_once() -> None:
    ledger = MemoryLedger()
    await budgets(ledger, per_day=50).hold(a_task(), 30)
    await budgets(ledger, per_day=50, now=NOON + 86_400).hold(a_task(), 30)
    page = ledger.pages["t1"]
    assert (page.day, page.held) == (DAY, 30)
    assert await ledger.total("month/2026-11") == 30


async def test_one_whose_hold_was_given_back_is_held_for_anew() -> None:
    """A submit that broke off is repeated with its key, long after."""
    ledger = MemoryLedger()
    found = budgets(ledger, per_day=50)
    await found.hold(a_task(), 30)
    await ledger.write(ledger.pages["t1"].close())
    await found.hold(a_task("t2"), 30)
    with pytest.raises(BudgetExceeded):
        await found.hold(a_task(), 30)
    await ledger.write(ledger.pages["t2"].close())
    await found.hold(a_task(), 30)
    assert ledger.pages["t1"].held == 30


async def test_a_page_knows_its_task() -> None:
    ledger = MemoryLedger()
    task = a_task(labels={"show": "A"}, retry_of="t0", kind="face-swap")
    await budgets(ledger).hold(task, 30)
    page = ledger.pages["t1"]
    assert (page.kind, page.owner, page.labels) == ("face-swap", "local", {"show": "A"})
    assert page.retry_of == "t0"


# --- Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (f"day/{DAY}", "budget of 0.10 USD for 2026-11-23"),
        ("month/2026-11", "budget of 12.00 USD for 2026-11"),
        ("label/show=B", "budget of 0.0005 USD for the label show=B"),
    ],
)
@pytest.mark.parametrize("waits", [False, True])
def test_a_refusal_names_the_budget(account: str, words: str, *, waits: bool) -> None:
    found = budgets(per_day=100_000, per_month=12_000_000, per_label={"show=*": 500}, waits=waits)
    refusal = found.refusal(account)
    assert words in refusal.detail
    waiting = waits and not account.startswith("label/")
    assert type(refusal) is (BudgetWaits if waiting else BudgetExceeded)


@pytest.mark.parametrize(
    ("zone", "now", "account", "end"),
    [
        ("UTC", (2026, 11, 23, 12), "day/2026-11-23", (2026, 11, 24)),
        ("Asia/Shanghai", (2026, 12, 31, 23, 30), "day/2026-12-31", (2027, 1, 1)),
        ("Asia/Shanghai", (2026, 12, 31, 23, 30), "month/2026-12", (2027, 1, 1)),
        ("Europe/Berlin", (2026, 2, 1), "month/2026-02", (2026, 3, 1)),
        ("America/New_York", (2026, 3, 8, 0, 30), "day/2026-03-08", (2026, 3, 9)),
    ],
)
def test_a_call_waits_until_the_next_day_or_month_begins(
    zone: str, now: tuple[int, ...], account: str, end: tuple[int, ...]
) -> None:
    found = budgets(now=at(zone, *now), per_day=1, per_month=1, zone=ZoneInfo(zone), waits=True)
    refusal = found.refusal(account)
    assert isinstance(refusal, BudgetWaits)
    assert refusal.after == at(zone, *end) - at(zone, *now)


def test_a_day_that_is_over_meanwhile_is_waited_for_no_longer() -> None:
    refusal = budgets(per_day=1, waits=True).refusal("day/2026-11-22")
    assert isinstance(refusal, BudgetWaits)
    assert refusal.after == 1.0


@given(st.integers(0, 10**12))
def test_an_amount_is_exact_from_setting_to_account(micros: int) -> None:
    text = f"{micros // 1_000_000}.{micros % 1_000_000:06}"
    assert micros_of(Decimal(text)) == micros


# --- For /metrics -------------------------------------------------------------------------


def told(budget: str) -> tuple[float | None, float | None]:
    """All of it, and what is left."""
    return figure("budget_usd", budget=budget), figure("budget_left_usd", budget=budget)


async def test_what_is_left_is_told_of_each_budget_of_its_own() -> None:
    found = budgets(
        per_day=3_000_000, per_month=None, per_label={"show=Told": 2_000_000, "show=*": 5}
    )
    await found.hold(replace(a_task(), labels={"show": "Told"}), 500_000)
    for figures in (metrics.BUDGET, metrics.BUDGET_LEFT):
        figures.tell(None, "month")  # as others may have told it in this process
    await found.look()
    assert told("day") == (3, 2.5)
    assert told("label show=Told") == (2, 1.5)
    assert told("month") == told("label show=*") == (None, None)


async def test_a_ledger_that_is_away_leaves_nothing_to_tell() -> None:
    ledger = MemoryLedger()
    found = budgets(ledger, per_day=1_000_000)
    await found.look()
    assert told("day") == (1, 1)

    async def away(account: str) -> int:
        raise Unavailable(f"no answer about {account}")

    ledger.total = away  # type: ignore[method-assign]
    await found.look()
    assert told("day") == (1, None)


async def test_a_refusal_is_counted_by_its_budget() -> None:
    found = budgets(per_day=1)
    before = counted("limits_hit_total", limit="budget", of="day")
    with pytest.raises(BudgetExceeded):
        await found.hold(a_task(), 2)
    found.refusal("day/2026-11-23")
    assert counted("limits_hit_total", limit="budget", of="day") == before + 2


async def test_a_keys_tasks_may_cost_no_more_in_a_day_than_it_says() -> None:
    async def of_key(key_id: str) -> int | None:
        return {"agent": 50}.get(key_id)

    ledger = MemoryLedger()
    today = budgets(ledger, of_key=of_key)
    await today.hold(a_task("t1", key_id="agent"), 30)
    await today.hold(a_task("t1", key_id="agent"), 30)  # once more: it changes nothing
    with pytest.raises(BudgetExceeded, match="the API key agent may cost a day"):
        await today.hold(a_task("t2", key_id="agent"), 21)
    await today.hold(a_task("t3", key_id="agent"), 20)
    for other in ("unlimited", None):
        await today.hold(a_task(f"t-{other}", key_id=other), 1_000)
    tomorrow = budgets(ledger, now=NOON + 86_400, of_key=of_key)
    await tomorrow.hold(a_task("t4", key_id="agent"), 50)


# --- Of each owner ------------------------------------------------------------------------


async def test_each_owner_may_spend_so_much_in_a_day() -> None:
    ledger = MemoryLedger()
    found = budgets(ledger, per_owner=10)
    await found.hold(a_task("a1", owner="a"), 8)
    with pytest.raises(BudgetExceeded, match=r"0\.00001 USD for one owner and 2026-11-23"):
        await found.hold(a_task("a2", owner="a"), 3)
    await found.hold(a_task("b1", owner="b"), 10)
    await budgets(ledger, per_owner=10, now=NOON + 86_400).hold(a_task("a3", owner="a"), 10)


async def test_where_nobody_signs_in_no_owner_has_a_budget() -> None:
    ledger = MemoryLedger()
    await budgets(ledger, per_owner=10).hold(a_task(), 100)
    assert not any(account.startswith("owner/") for account in ledger.pages["t1"].counted)


def test_a_call_beyond_an_owners_budget_may_wait_for_the_next_day() -> None:
    refusal = budgets(per_owner=10, waits=True).refusal(f"owner/a/{DAY}")
    assert isinstance(refusal, BudgetWaits)
    assert refusal.after == 12 * 3600
