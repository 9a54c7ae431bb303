"""The promises of `ports.SpendLedger`."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from short_drama.ports import SpendLedger

DAY, OTHER = "day/2026-11-23", "label/show=夜 falls"


async def test_nothing_has_been_spent_at_first(ledger: SpendLedger) -> None:
    assert await ledger.spent(DAY) == 0


async def test_amounts_add_up_by_account(ledger: SpendLedger) -> None:
    assert await ledger.reserve(DAY, 30_000, limit=None)
    assert await ledger.reserve(DAY, 700, limit=None)
    assert await ledger.reserve(OTHER, 5, limit=100)
    assert (await ledger.spent(DAY), await ledger.spent(OTHER)) == (30_700, 5)


async def test_a_limit_may_be_reached_and_not_passed(ledger: SpendLedger) -> None:
    assert await ledger.reserve(DAY, 60, limit=100)
    assert not await ledger.reserve(DAY, 41, limit=100)
    assert await ledger.spent(DAY) == 60
    assert await ledger.reserve(DAY, 40, limit=100)
    assert not await ledger.reserve(DAY, 1, limit=100)
    assert await ledger.spent(DAY) == 100


async def test_a_first_amount_over_the_limit_is_refused(ledger: SpendLedger) -> None:
    assert not await ledger.reserve(DAY, 101, limit=100)
    assert await ledger.spent(DAY) == 0


async def test_what_a_call_did_not_cost_is_given_back(ledger: SpendLedger) -> None:
    assert await ledger.reserve(DAY, 100, limit=100)
    await ledger.correct(DAY, -60)
    assert await ledger.spent(DAY) == 40
    assert await ledger.reserve(DAY, 60, limit=100)
    await ledger.correct(DAY, 5)  # it cost more than was thought
    assert await ledger.spent(DAY) == 105
    assert not await ledger.reserve(DAY, 1, limit=100)


async def test_many_at_once_pass_no_limit(ledger: SpendLedger) -> None:
    granted = await asyncio.gather(*(ledger.reserve(DAY, 30, limit=700) for _ in range(50)))
    assert granted.count(True) == 23
    assert await ledger.spent(DAY) == 690


@pytest.mark.parametrize("account", ["day/x", "label/a=b/c#d e", "标签/集=一"])
async def test_accounts_have_any_name(ledger: SpendLedger, account: str) -> None:
    assert await ledger.reserve(account, 1, limit=None)
    assert await ledger.spent(account) == 1


@given(st.lists(st.integers(-50, 50), max_size=8))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_amount_is_lost(ledger: SpendLedger, amounts: list[int]) -> None:
    before = await ledger.spent(DAY)
    for amount in amounts:
        await ledger.correct(DAY, amount)
    assert await ledger.spent(DAY) == before + sum(amounts)
