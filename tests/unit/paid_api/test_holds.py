"""What is held for a task: its steps, but for those that have been paid for already."""

from collections.abc import Mapping
from typing import Any

import pytest

from short_drama.domain.errors import BudgetExceeded
from short_drama.domain.spending import TaskSpend
from short_drama.domain.task import Task
from short_drama.paid_api.paying import reuse
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.holds import Holds
from tests.protocol.memory import MemoryAssets, MemoryLedger
from tests.samples import NOW, a_task

STEPS = {"detect": 5, "detect-again": 5, "generate": 30}
REQUEST = {"source_image_url": "asset:uploads/local/a.png", "prompt": "x", "reuse": True}


def estimate(kind: str, request: Mapping[str, Any]) -> Mapping[str, int]:
    return STEPS if kind == "full-face-swap" else {}


class Desk:
    def __init__(self) -> None:
        self.ledger, self.assets = MemoryLedger(), MemoryAssets()
        self.holds = self.with_limit(None)

    def with_limit(self, limit: int | None) -> Holds:
        budgets = Budgets(self.ledger, per_day=limit, clock=lambda: NOW)
        return Holds(budgets, self.assets, estimate, model="m1")

    async def held(self, task: Task) -> int:
        await self.holds.hold(task)
        return self.ledger.pages[task.task_id].held

    async def paid(self, task_id: str, *steps: str, retry_of: str | None = None) -> TaskSpend:
        page = TaskSpend(
            task_id=task_id, kind="full-face-swap", owner="local", day="d", retry_of=retry_of
        )
        for step in steps:
            page = page.reserve(step, provider="p", model="m", micros=5, today="d", now=NOW)
            page = page.paid(page.calls_of(step)[0], 5, request_id=None)
        return await self.ledger.write(page)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def a_swap(task_id: str = "t1", **members: Any) -> Task:
    return a_task(task_id, kind="full-face-swap", **members)


async def test_every_step_is_held_also_where_there_is_no_budget(desk: Desk) -> None:
    assert await desk.held(a_swap()) == 40
    assert await desk.ledger.open(limit=9) == [desk.ledger.pages["t1"]]


async def test_a_task_that_pays_nobody_has_no_page(desk: Desk) -> None:
    await desk.holds.hold(a_task())
    assert desk.ledger.pages == {}


# --- Retries ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid", "held"),
    [
        ((), 40),
        (("detect",), 30),
        (("detect", "detect-again"), 30),
        (("generate",), 10),
        (("detect", "generate"), 0),
    ],
)
async def test_a_retry_holds_what_is_not_paid_for(
    desk: Desk, paid: tuple[str, ...], held: int
) -> None:
    await desk.paid("t0", *paid)
    assert await desk.held(a_swap(retry_of="t0")) == held


async def test_a_retry_of_a_retry_has_all_that_was_paid_for(desk: Desk) -> None:
    await desk.paid("a", "detect")
    await desk.paid("b", "generate", retry_of="a")
    assert await desk.held(a_swap(retry_of="b")) == 0


async def test_what_has_no_answer_of_use_is_paid_for_again(desk: Desk) -> None:
    page = await desk.paid("t0", "detect", "generate")
    page = page.useless(page.calls[0])
    page = page.reserve("x", provider="p", model="m", micros=5, today="d", now=NOW)
    await desk.ledger.write(page.cut_off(page.calls[1]))
    assert await desk.held(a_swap(retry_of="t0")) == 40


async def test_a_ring_of_retries_is_left(desk: Desk) -> None:
    await desk.paid("a", retry_of="b")
    await desk.paid("b", "detect", retry_of="a")
    assert await desk.held(a_swap(retry_of="a")) == 30


async def test_a_retry_of_a_task_without_a_page_holds_everything(desk: Desk) -> None:
    assert await desk.held(a_swap(retry_of="gone")) == 40


# --- Earlier pictures ---------------------------------------------------------------------


async def test_a_picture_that_may_be_used_again_is_not_held(desk: Desk) -> None:
    earlier = reuse.order("full-face-swap", {**REQUEST, "reuse": False}, model="m1")
    await reuse.keep(desk.assets, earlier, key="seedream/a.jpg")
    assert await desk.held(a_swap("same", request=REQUEST)) == 10
    others: list[dict[str, Any]] = [
        {"request": {**REQUEST, "reuse": False}},
        {"request": {**REQUEST, "prompt": "y"}},
        {"request": {**REQUEST, "source_image_url": "asset:uploads/local/b.png"}},
    ]
    for number, members in enumerate(others):
        assert await desk.held(a_swap(f"t{number}", **members)) == 40


async def test_one_of_another_model_is_another_picture(desk: Desk) -> None:
    earlier = reuse.order("full-face-swap", REQUEST, model="m2")
    await reuse.keep(desk.assets, earlier, key="seedream/a.jpg")
    assert await desk.held(a_swap(request=REQUEST)) == 40


async def test_where_the_budget_is_used_up_what_costs_nothing_is_taken(desk: Desk) -> None:
    await desk.paid("t0", "detect", "generate")
    holds = desk.with_limit(0)
    with pytest.raises(BudgetExceeded):
        await holds.hold(a_swap("t1"))
    await holds.hold(a_swap("t2", retry_of="t0"))
    assert desk.ledger.pages["t2"].held == 0
