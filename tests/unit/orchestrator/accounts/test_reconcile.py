"""Every kind of difference is found and named, and nothing else is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest

from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.domain.task import Task
from short_drama.orchestrator.accounts.bill import BillLine
from short_drama.orchestrator.accounts.reconcile import (
    Finding,
    Found,
    accounts_of,
    ledger_and_bill,
    micros_of,
    pages_and_accounts,
    records_and_pages,
)
from short_drama.orchestrator.accounts.sums import Period, lines_of
from tests.samples import a_task
from tests.unit.orchestrator.accounts.samples import (
    DAY,
    NOON,
    a_call,
    a_correction,
    a_page,
    recorded,
)

ALWAYS = Period(zone=UTC)
LATER = NOON + 3600


def compared(
    tasks: Sequence[Task], pages: Sequence[TaskSpend], period: Period = ALWAYS
) -> list[Found]:
    by_id: Mapping[str, Task] = {task.task_id: task for task in tasks}
    found = {page.task_id: page for page in pages}
    return list(records_and_pages(by_id, found, period, now=LATER))


# --- Records and pages --------------------------------------------------------------------


def test_what_agrees_is_not_mentioned() -> None:
    page = a_page(a_call("detect", provider="qwen3-vl", micros=253), a_call())
    free = a_task("t2").cancel(now=NOON)
    assert compared([recorded(page), free], [page, a_correction(-5)]) == []


def test_a_call_that_the_record_leaves_out() -> None:
    page = a_page(a_call(), a_call("generate", 2, state=CallState.UNKNOWN))
    (first, second) = compared([recorded(page, cost=None)], [page])
    assert first == Found(
        finding=Finding.NOT_RECORDED,
        task_id="t1",
        step="generate",
        number=1,
        request_id="r-generate-1",
        ledger=30_000,
    )
    assert (second.finding, second.number) == (Finding.NOT_RECORDED, 2)


def test_a_call_that_the_ledger_leaves_out() -> None:
    page = a_page(a_call("detect", micros=253), a_call())
    half = replace(page, calls=page.calls[:1])
    (found,) = compared([recorded(page)], [half])
    assert (found.finding, found.step, found.record) == (Finding.NO_LINE, "generate", 30_000)
    both = compared([recorded(page)], [])
    assert [(each.step, each.request_id) for each in both] == [
        ("detect", "r-detect-1"),
        ("generate", "r-generate-1"),
    ]


@pytest.mark.parametrize(
    "change", [{"micros": 30_001}, {"state": CallState.UNKNOWN}, {"request_id": "another"}]
)
def test_a_call_that_is_told_of_differently(change: dict[str, Any]) -> None:
    page = a_page(a_call())
    changed = a_page(a_call(**change))
    (found,) = compared([recorded(page)], [changed])
    assert (found.finding, found.record) == (Finding.UNLIKE, 30_000)
    assert found.ledger == changed.calls[0].micros


def test_a_call_of_a_task_that_there_is_not() -> None:
    (found,) = compared([], [a_page(a_call())])
    assert (found.finding, found.task_id, found.ledger) == (Finding.NO_RECORD, "t1", 30_000)


def test_what_is_held_for_a_task_that_has_ended() -> None:
    page = a_page(a_call(), held=50_000, is_open=True, written_at=NOON)
    (found,) = compared([recorded(page)], [page])
    assert (found.finding, found.ledger) == (Finding.STILL_HELD, 20_000)
    just_now = replace(page, written_at=LATER - 30)
    assert compared([recorded(just_now)], [just_now]) == []


def test_what_is_under_way_is_left_alone() -> None:
    page = a_page(a_call(state=CallState.RESERVED), held=50_000, is_open=True)
    assert compared([a_task("t1")], [page]) == []
    assert compared([a_task("t1")], [a_page(a_call())]) == []


def test_only_calls_of_the_period_are_compared() -> None:
    page = a_page(a_call(at=NOON - 86_400), a_call("generate", 2))
    found = compared([recorded(page, cost=None)], [page], Period(zone=UTC, since=DAY))
    assert [each.number for each in found] == [2]


# --- Accounts -----------------------------------------------------------------------------


def test_accounts_are_sums_of_pages() -> None:
    pages = [a_page(a_call(), labels={"show": "A"}), a_page(held=5, is_open=True, task_id="t2")]
    sums = accounts_of([*pages, a_correction(-10_000)])
    expected = {f"day/{DAY}": 20_005, "month/2026-11": 20_005, "label/show=A": 30_000}
    assert sums == expected
    assert list(pages_and_accounts(sums, expected)) == []
    wrong = list(pages_and_accounts(sums, expected | {f"day/{DAY}": 20_000, "day/2026-11-20": 7}))
    assert [(each.account, each.ledger, each.record) for each in wrong] == [
        ("day/2026-11-20", 0, 7),
        (f"day/{DAY}", 20_005, 20_000),
    ]


@pytest.mark.parametrize(
    ("usd", "micros"), [(0.03, 30_000), (0.000253, 253), (Decimal("0.1"), 100_000), (1, 1_000_000)]
)
def test_amounts_of_records_are_read_as_they_are_written(usd: object, micros: int) -> None:
    assert micros_of(usd) == micros


# --- Bills --------------------------------------------------------------------------------


def billed(
    calls: Sequence[PaidCall], *lines: tuple[str | None, float, float | None]
) -> list[Found]:
    bill = [
        BillLine(
            number=number,
            request_id=request_id,
            micros=Decimal(str(micros)),
            model="seedream-4-0",
            at=at,
        )
        for number, (request_id, micros, at) in enumerate(lines, start=2)
    ]
    return list(ledger_and_bill(list(lines_of([a_page(*calls)], ALWAYS)), bill))


def test_a_bill_that_agrees() -> None:
    assert (
        billed([a_call(), a_call(micros=0, request_id="free")], ("r-generate-1", 3e4, None)) == []
    )
    assert billed([a_call(micros=681)], ("r-generate-1", 680.4, None)) == []
    split = [("r-generate-1", 2e4, None), ("r-generate-1", 1e4, None)]
    assert billed([a_call()], split[0], split[1]) == []


def test_what_the_bill_leaves_out() -> None:
    (found,) = billed([a_call()])
    assert (found.finding, found.request_id) == (Finding.NOT_BILLED, "r-generate-1")
    assert (found.step, found.number, found.ledger) == ("generate", 1, 30_000)


def test_what_the_bill_charges_otherwise() -> None:
    (found,) = billed([a_call()], ("r-generate-1", 35_000, None))
    assert (found.finding, found.bill_line) == (Finding.BILLED_OTHERWISE, 2)
    assert (found.ledger, found.bill) == (30_000, Decimal(35_000))


def test_a_call_that_is_booked_twice_is_one_on_the_bill() -> None:
    twice = [a_call(), a_call("generate", 2, request_id="r-generate-1")]
    (found,) = billed(twice, ("r-generate-1", 30_000, None))
    assert (found.finding, found.ledger) == (Finding.BILLED_OTHERWISE, 60_000)


def test_a_correction_of_a_call_settles_it() -> None:
    correction = a_correction(5_000)
    settles = replace(correction.calls[0], request_id="r-generate-1")
    assert billed([a_call(), settles], ("r-generate-1", 35_000, None)) == []


def test_what_only_the_bill_knows() -> None:
    (found,) = billed([], ("stranger", 30_000, NOON))
    assert (found.finding, found.request_id) == (Finding.BILLED_UNKNOWN, "stranger")
    assert (found.bill, found.bill_line) == (Decimal(30_000), 2)


@pytest.mark.parametrize("state", [CallState.UNKNOWN, CallState.RESERVED])
def test_a_bill_answers_what_nobody_knew(state: CallState) -> None:
    maybe = a_call(state=state, request_id=None)
    (found,) = billed([maybe], ("r-9", 30_000, NOON + 30))
    assert (found.finding, found.request_id) == (Finding.MAYBE_BILLED, "r-9")
    (found,) = billed([maybe])
    assert found.finding is Finding.MAYBE_NOT_BILLED
    assert not found.finding.is_difference


def test_a_call_without_a_request_id_is_known_by_model_and_time() -> None:
    nameless = a_call(request_id=None)
    assert billed([nameless], ("r-9", 30_000, NOON - 30)) == []
    (found,) = billed([nameless], ("r-9", 31_000, NOON - 30))
    assert (found.finding, found.bill) == (Finding.BILLED_OTHERWISE, Decimal(31_000))
    found_far = billed([nameless], ("r-9", 30_000, NOON - 7200))
    assert {each.finding for each in found_far} == {Finding.NOT_BILLED, Finding.BILLED_UNKNOWN}


def test_each_line_answers_one_call() -> None:
    cut_off = [
        a_call("generate", number, state=CallState.UNKNOWN, request_id=None, at=NOON + number)
        for number in (1, 2)
    ]
    found = billed(cut_off, ("r-9", 30_000, NOON + 2))
    assert sorted(each.finding for each in found) == [
        Finding.MAYBE_BILLED,
        Finding.MAYBE_NOT_BILLED,
    ]
