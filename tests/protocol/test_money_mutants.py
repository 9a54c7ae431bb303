"""Each rule about money is needed: without it, the test that is named beside it fails."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

import pytest

from short_drama.domain.spending import TaskSpend
from short_drama.domain.task import Task
from short_drama.paid_api.paying import holds, settlement
from short_drama.paid_api.paying.answers import Answers
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.holds import Holds
from short_drama.paid_api.paying.settlement import Settlement
from tests.protocol.memory import MemoryLedger, MemoryStore
from tests.unit import test_budgets as budgets
from tests.unit.domain import test_spending as pages
from tests.unit.paid_api import test_holds as accepting
from tests.unit.paid_api import test_settlement as settling

Patch = pytest.MonkeyPatch
Test = Callable[[], Awaitable[None] | None]


# --- Budgets ------------------------------------------------------------------------------


def no_hold(patch: Patch) -> None:
    """Tasks are accepted as long as nothing has been spent."""

    async def nothing(*_: object) -> None:
        pass

    patch.setattr(Budgets, "hold", nothing)


def no_limits(patch: Patch) -> None:
    patch.setattr(Budgets, "limits", lambda *_, **__: {})


def no_zone(patch: Patch) -> None:
    """Days are those of UTC."""
    made = Budgets.__init__

    def make(self: Budgets, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **(named | {"zone": UTC}))

    patch.setattr(Budgets, "__init__", make)


def no_second_submit(patch: Patch) -> None:
    """A task that is submitted again is held for again."""

    def opened(page: TaskSpend, *, day: str, held: int) -> TaskSpend:
        return dataclasses.replace(page, day=day, held=held, is_open=True)

    patch.setattr(TaskSpend, "opened", opened)


def no_cover(patch: Patch) -> None:
    """What is held for a task is counted beside what it spends."""
    patch.setattr(TaskSpend, "_spent_on", lambda *_: 0)


def no_versions(patch: Patch) -> None:
    """A page is written over whatever there is."""
    write = MemoryLedger.write

    async def careless(self: MemoryLedger, page: TaskSpend, **named: Any) -> TaskSpend:
        stored = self.pages.get(page.task_id)
        version = 0 if stored is None else stored.version
        return await write(self, dataclasses.replace(page, version=version), **named)

    patch.setattr(MemoryLedger, "write", careless)


def no_earlier_answers(patch: Patch) -> None:
    """A retry holds everything anew."""
    patch.setattr(holds, "_answered", lambda _: set())


def no_earlier_pictures(patch: Patch) -> None:
    async def never(*_: object) -> bool:
        return False

    patch.setattr(Holds, "_was_made", never)


# --- Settlement ---------------------------------------------------------------------------


def no_settlement(patch: Patch) -> None:
    async def nothing(_: Settlement) -> None:
        pass

    patch.setattr(Settlement, "settle_once", nothing)


def no_answers(patch: Patch) -> None:
    """Answers that were kept are not looked for."""

    async def none(*_: object) -> None:
        pass

    patch.setattr(Answers, "of", none)


def no_patience(patch: Patch) -> None:
    """A call that is under way is called cut off."""
    made = Settlement.__init__

    def make(self: Settlement, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **(named | {"patience": 0.0}))

    patch.setattr(Settlement, "__init__", make)


def no_patience_with_submits(patch: Patch) -> None:
    patch.setattr(settlement, "_SUBMIT_SECONDS", 0.0)


def no_second_opening(patch: Patch) -> None:
    """What is learnt after the end stays on the page."""

    def told(page: TaskSpend, calls: Any) -> TaskSpend:
        return dataclasses.replace(page, calls=calls)

    patch.setattr(TaskSpend, "_told", told)


def no_look_at_the_newest_page(patch: Patch) -> None:
    """The record is told what the page said when it was listed."""
    listed: dict[str, TaskSpend] = {}
    list_open = MemoryLedger.open

    async def remember(self: MemoryLedger, **named: Any) -> Any:
        found = await list_open(self, **named)
        for page in found:
            listed.setdefault(page.task_id, page)
        return found

    async def recall(_: MemoryLedger, task_id: str) -> TaskSpend | None:
        return listed.get(task_id)

    patch.setattr(MemoryLedger, "open", remember)
    patch.setattr(MemoryLedger, "read", recall)


def no_look_at_the_record_read(patch: Patch) -> None:
    """The cost is written over a newer one."""
    write = MemoryStore.replace

    async def insist(self: MemoryStore, task: Task) -> Task:
        newest = await MemoryStore.get(self, task.task_id) or task
        return await write(self, dataclasses.replace(task, version=newest.version))

    patch.setattr(MemoryStore, "replace", insist)


def no_turns(patch: Patch) -> None:
    """Each pass looks at the same pages."""
    list_open = MemoryLedger.open

    async def first(self: MemoryLedger, *, limit: int, after: object = None) -> Any:
        return await list_open(self, limit=limit)

    patch.setattr(MemoryLedger, "open", first)


def with_(make: Callable[[], Any], test: Callable[[Any], Awaitable[None]]) -> Test:
    return lambda: test(make())


SHANGHAI = (2026, 11, 24, 0, 0)
MUTANTS: list[tuple[Callable[[Patch], None], Test]] = [
    (no_hold, budgets.test_as_many_are_accepted_as_can_be_paid),
    (no_limits, budgets.test_as_many_are_accepted_as_can_be_paid),
    (
        no_zone,
        lambda: budgets.test_a_day_is_that_of_the_budgets_zone(
            "Asia/Shanghai", SHANGHAI, "2026-11-24"
        ),
    ),
    (no_second_submit, budgets.test_a_task_is_held_for_once),
    (no_cover, pages.test_a_closed_page_counts_what_was_spent_or_may_have_been),
    (
        no_earlier_answers,
        with_(accepting.Desk, accepting.test_a_retry_of_a_retry_has_all_that_was_paid_for),
    ),
    (
        no_earlier_pictures,
        with_(accepting.Desk, accepting.test_a_picture_that_may_be_used_again_is_not_held),
    ),
    (
        no_settlement,
        with_(settling.Office, settling.test_what_was_held_for_a_task_is_given_back_at_its_end),
    ),
    (no_answers, with_(settling.Office, settling.test_an_answer_that_was_kept_was_paid_for)),
    (
        no_patience,
        with_(
            settling.Office,
            settling.test_a_call_without_an_answer_is_waited_for_and_then_was_cut_off,
        ),
    ),
    (
        no_patience_with_submits,
        with_(
            settling.Office,
            settling.test_a_page_of_no_task_is_closed_when_no_submit_can_be_under_way,
        ),
    ),
    (
        no_second_opening,
        with_(settling.Office, settling.test_what_is_learnt_after_the_end_reaches_the_record),
    ),
    (
        no_versions,
        with_(settling.Office, settling.test_a_page_is_not_closed_over_what_is_written_meanwhile),
    ),
    (
        no_look_at_the_newest_page,
        lambda: settling.test_of_two_that_settle_a_task_the_one_that_knows_less_has_no_say(
            settling.Office(), "get"
        ),
    ),
    (
        no_look_at_the_record_read,
        lambda: settling.test_of_two_that_settle_a_task_the_one_that_knows_less_has_no_say(
            settling.Office(), "replace"
        ),
    ),
    (
        no_turns,
        with_(settling.Office, settling.test_a_round_reaches_pages_behind_any_number_that_wait),
    ),
]


def carry_out(test: Test) -> None:
    begun = test()
    if begun is not None:
        asyncio.run(begun)  # type: ignore[arg-type]


@pytest.mark.parametrize(("change", "test"), MUTANTS, ids=[each[0].__name__ for each in MUTANTS])
def test_a_rule_that_is_switched_off_is_missed(
    change: Callable[[Patch], None], test: Test, monkeypatch: Patch
) -> None:
    carry_out(test)
    change(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        carry_out(test)
