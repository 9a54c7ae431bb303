"""Budgets: what is reserved, corrected, kept and given back."""

import pytest

from short_drama.domain.errors import BudgetExceeded, ChargeUnknown, Throttled
from short_drama.paid_api.paying.budgets import Budgets
from tests.protocol.memory import MemoryLedger

NOON = 1_795_435_200.0  # 2026-11-23, 12:00 in UTC
DAY = "day/2026-11-23"


def budgets(ledger: MemoryLedger, per_day: int | None = 100, **labels: int) -> Budgets:
    per_label = {f"show={value}": limit for value, limit in labels.items()}
    return Budgets(ledger, per_day=per_day, per_label=per_label, clock=lambda: NOON)


async def test_a_call_costs_what_it_turns_out_to_cost() -> None:
    ledger = MemoryLedger()
    async with budgets(ledger).reserved({}, 60) as reservation:
        assert await ledger.spent(DAY) == 60
        reservation.settle(25)
    assert await ledger.spent(DAY) == 25


async def test_a_call_that_was_refused_costs_nothing() -> None:
    ledger = MemoryLedger()
    with pytest.raises(Throttled):
        async with budgets(ledger).reserved({}, 60):
            raise Throttled("slow down")
    assert await ledger.spent(DAY) == 0


@pytest.mark.parametrize("end", [ChargeUnknown("no answer"), KeyboardInterrupt()])
async def test_a_call_that_was_cut_off_may_have_cost_everything(end: BaseException) -> None:
    ledger = MemoryLedger()
    with pytest.raises(type(end)):
        async with budgets(ledger).reserved({}, 60):
            raise end
    assert await ledger.spent(DAY) == 60


async def test_a_label_that_is_used_up_reserves_nothing_elsewhere() -> None:
    ledger = MemoryLedger()
    found = budgets(ledger, A=50)
    with pytest.raises(BudgetExceeded, match="show=A"):
        async with found.reserved({"show": "A"}, 60):
            pytest.fail("nothing is asked")
    assert await ledger.spent(DAY) == 0
    async with found.reserved({"show": "B"}, 60):
        pass  # has no budget


async def test_each_value_of_a_label_may_have_as_much() -> None:
    ledger = MemoryLedger()
    found = Budgets(
        ledger, per_day=None, per_label={"show=*": 50, "show=A": 90}, clock=lambda: NOON
    )
    for show, fits in (("A", True), ("B", False), ("C", False)):
        labels = {"show": show, "shot": "7"}
        if fits:
            await found.check(labels, 60)
        else:
            with pytest.raises(BudgetExceeded, match=f"show={show}"):
                await found.check(labels, 60)


async def test_days_are_those_of_utc_and_counted_without_a_budget() -> None:
    ledger = MemoryLedger()
    late = Budgets(ledger, per_day=None, per_label={}, clock=lambda: NOON + 12 * 3600)
    async with late.reserved({}, 7):
        pass
    assert await ledger.spent("day/2026-11-24") == 7
