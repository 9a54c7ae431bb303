"""A task's page of the ledger: what it counts, and what is learnt late."""

from dataclasses import replace
from typing import Any

import pytest

from short_drama.domain.record import page_of, record_of_page
from short_drama.domain.spending import CallState, PaidCall, TaskSpend

DAY, NEXT = "2026-11-30", "2026-12-01"
EMPTY = TaskSpend(task_id="t1", kind="face-swap", owner="local", day=DAY)
HELD = replace(EMPTY, held=100, labels={"show": "A"})


def called(page: TaskSpend, micros: int = 60, *, today: str = DAY, **names: str) -> TaskSpend:
    step = names.get("step", "generate")
    return page.reserve(step, provider="p", model="m", micros=micros, today=today, now=5.0)


def the_call(page: TaskSpend) -> PaidCall:
    (call,) = page.calls
    return call


def test_what_the_hold_covers_adds_nothing() -> None:
    assert called(HELD).counted == HELD.counted
    assert HELD.counted == {"day/2026-11-30": 100, "month/2026-11": 100, "label/show=A": 100}


def test_what_the_hold_does_not_cover_counts_for_the_day_it_is_spent_on() -> None:
    page = called(called(HELD, 60), 50, today=NEXT)
    assert [call.day for call in page.calls] == [DAY, NEXT]
    assert page.counted["day/2026-11-30"] == 100
    assert page.counted["day/2026-12-01"] == 50
    assert page.counted["label/show=A"] == 150


def test_a_closed_page_counts_what_was_spent_or_may_have_been() -> None:
    page = called(called(HELD, 60), 30, step="detect")
    page = page.paid(page.calls[0], 50, request_id="r").cut_off(page.calls[1]).close()
    assert page.counted["day/2026-11-30"] == 80
    assert page.outstanding == 0
    cost = page.cost()
    assert (cost["usd"], cost["maybe_usd"]) == (0.00005, 0.00003)


def test_what_nobody_may_have_spent_is_outstanding() -> None:
    assert (EMPTY.outstanding, HELD.outstanding, called(HELD).outstanding) == (0, 100, 100)
    page = called(HELD)
    page = page.paid(the_call(page), 50, request_id="r")
    assert page.outstanding == 50
    page = called(page, 70, today=NEXT)
    assert page.outstanding == 50 + 70


def test_changes_are_told_by_account() -> None:
    page = called(HELD, 60)
    assert HELD.counted_more(None) == HELD.counted
    assert page.counted_more(HELD) == {}
    assert page.close().counted_more(page) == dict.fromkeys(HELD.counted, -40)
    assert EMPTY.counted_more(None) == {}


def test_a_call_that_cost_nothing_leaves_its_number_to_the_next() -> None:
    page = called(EMPTY)
    page = called(page.without(the_call(page)))
    assert the_call(page).number == 1
    assert called(page).calls[1].number == 2


@pytest.mark.parametrize("change", ["paid", "cut_off", "without", "useless"])
def test_what_is_learnt_late_opens_the_page_until_the_record_knows(change: str) -> None:
    arguments: dict[str, Any] = {"micros": 61, "request_id": "r"} if change == "paid" else {}
    closed = called(HELD).close()
    changed = getattr(closed, change)(closed.calls[0], **arguments)
    assert changed.is_open
    assert changed.held == 0
    if change != "without":
        closed = changed.close()
        assert getattr(closed, change)(closed.calls[0], **arguments) == closed


def test_a_payment_is_counted_though_its_line_is_gone() -> None:
    page = called(HELD)
    assert replace(EMPTY, version=3).paid(the_call(page), 60, request_id="r").counted == {
        "day/2026-11-30": 60, "month/2026-11": 60,
    }  # fmt: skip


def test_a_task_that_is_accepted_twice_is_held_once() -> None:
    page = EMPTY.opened(day=NEXT, held=70)
    assert (page.day, page.held) == (NEXT, 70)
    accepted = replace(page, version=1)
    assert accepted.opened(day=DAY, held=9) == accepted
    assert accepted.close().opened(day=DAY, held=9).held == 9


def test_a_page_is_the_same_once_recorded() -> None:
    page = called(called(replace(HELD, retry_of="t0")), step="detect")
    page = page.paid(page.calls[0], 7, request_id="r", estimated=True).cut_off(page.calls[1])
    page = replace(page.useless(page.calls[0]), version=4, written_at=6.5)
    assert page_of(record_of_page(page)) == page
    assert "retry_of" not in record_of_page(EMPTY)


def test_a_record_of_another_version_is_read_as_far_as_it_goes() -> None:
    record = record_of_page(called(HELD)) | {"later": 1}
    record["calls"][0]["later"] = 2
    del record["written_at"], record["calls"][0]["is_useless"]
    page = page_of(record)
    assert the_call(page).state is CallState.RESERVED
    assert not the_call(page).is_useless


def test_a_correction_may_be_less_than_nothing() -> None:
    call = the_call(called(EMPTY))
    page = replace(EMPTY, is_open=False, calls=(replace(call, micros=-40),), reason="a credit")
    assert page.counted == {"day/2026-11-30": -40, "month/2026-11": -40}
    assert page_of(record_of_page(page)) == page
    assert page.counted_more(None) == page.counted
