"""The accountant's own rules: each finds what it is for, and nothing where all is well."""

from dataclasses import replace
from typing import Any

import pytest

from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.orchestrator.accounts.reconcile import Finding, Found
from short_drama.sdk.models import TaskView
from tests.accountant.audit import Audit, Charged, Evidence, audit, table
from tests.unit.cli.test_display import a_task
from tests.unit.orchestrator.accounts.samples import NOON, a_call, a_page


def a_view(page: TaskSpend, **changes: Any) -> TaskView:
    members = {"task_id": page.task_id, "status": "completed", "cost": page.cost()}
    return a_task(**{**members, **changes})


def a_charge(call: PaidCall, **changes: Any) -> Charged:
    charge = Charged(
        provider=call.provider,
        request_id=call.request_id or "r-lost",
        started=call.at + 0.1,
        micros=call.micros,
        ending="answered",
    )
    return replace(charge, **changes)


PAGE = a_page(a_call("detect", provider="qwen3-vl", micros=253), a_call())
WELL = Evidence(
    tasks={"t1": a_view(PAGE)},
    pages=[PAGE],
    charged=[a_charge(call) for call in PAGE.calls],
    found=[],
    delivered=frozenset({"t1"}),
)


def audited(**changes: Any) -> Audit:
    return audit(replace(WELL, **changes))


def test_all_is_well() -> None:
    result = audited()
    assert (result.wrong, result.maybe, result.undelivered) == ([], [], 0)
    assert "0.030253" in table(WELL, result)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": {"t1": a_view(PAGE, status="processing")}}, "not ended: t1"),
        ({"tasks": {"t1": a_view(PAGE, cost=None)}}, "record and ledger: t1"),
        ({"pages": [replace(PAGE, is_open=True, held=9)]}, "still open: t1"),
        ({"charged": [a_charge(PAGE.calls[0])]}, "paid, not charged, or paid twice: t1"),
        (
            {"charged": [a_charge(call, micros=call.micros + 1) for call in PAGE.calls]},
            "another amount: t1",
        ),
        (
            {"charged": [*WELL.charged, a_charge(PAGE.calls[1], request_id="r-9")]},
            "charged, and in no account: seedream's request r-9",
        ),
        ({"delivered": frozenset()}, "not delivered: 1 of 1 pictures of t1 (completed)"),
        (
            {"found": [Found(finding=Finding.ACCOUNT, account="day/1", ledger=1, record=2)]},
            "account: day/1",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str) -> None:
    wrong = audited(**changes).wrong
    assert any(said in sentence for sentence in wrong), wrong


def test_a_charge_that_is_marked_as_maybe_is_no_fault() -> None:
    cut_off = a_call(state=CallState.UNKNOWN, request_id=None)
    page = a_page(cut_off, a_call("generate", 2, at=NOON + 10))
    charged = [a_charge(call) for call in page.calls]
    changes = {"tasks": {"t1": a_view(page)}, "pages": [page]}
    result = audited(**changes, charged=charged)
    assert (result.wrong, result.maybe) == ([], [charged[0]])
    late = [replace(charged[0], started=NOON + 60), charged[1]]
    assert audited(**changes, charged=late).wrong


def test_an_answer_that_did_not_say_what_it_cost_is_booked_at_its_most() -> None:
    page = a_page(a_call(estimated=True))
    charged = [a_charge(page.calls[0], micros=20_000)]
    result = audited(tasks={"t1": a_view(page)}, pages=[page], charged=charged)
    assert (result.wrong, result.too_much) == ([], 10_000)


def test_a_picture_of_a_cancelled_task_need_not_be_delivered() -> None:
    cancelled = {"t1": a_view(PAGE, status="cancelled")}
    result = audited(tasks=cancelled, delivered=frozenset())
    assert (result.wrong, result.undelivered) == ([], 1)


def test_a_picture_may_be_delivered_by_a_repetition() -> None:
    again = a_page(task_id="t2", retry_of="t1")
    tasks = {"t1": a_view(PAGE, status="failed"), "t2": a_view(again)}
    result = audited(tasks=tasks, pages=[PAGE, again], delivered=frozenset({"t2"}))
    assert (result.wrong, result.undelivered) == ([], 0)
