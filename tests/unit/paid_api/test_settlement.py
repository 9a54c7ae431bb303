"""Settlement: after any end, record, page and accounts agree, and nothing is held any more."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from short_drama import metrics
from short_drama.domain.errors import Unavailable
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.paid_api.paying.answers import Answers
from short_drama.paid_api.paying.settlement import Settlement
from tests.figures import figure
from tests.protocol.memory import MemoryAssets, MemoryLedger, MemoryStore
from tests.samples import NOW, a_task, an_answer

DAY = "2026-11-23"
PATIENCE = 300.0


class _Assets(MemoryAssets):
    """Without slots: a test may come in between."""


@dataclass
class Office:
    """A settlement and what it works on, on a clock that stands still."""

    now: float = NOW
    ledger: MemoryLedger = field(init=False)
    tasks: MemoryStore = field(init=False)
    assets: MemoryAssets = field(default_factory=_Assets)
    settlement: Settlement = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger(lambda: self.now)
        self.tasks = MemoryStore(lambda: self.now)
        self.settlement = self.another()

    def another(self) -> Settlement:
        return Settlement(
            self.ledger, self.tasks, self.assets, patience=PATIENCE, clock=lambda: self.now
        )

    async def task(self, task_id: str = "t1", **members: Any) -> Task:
        return await self.tasks.create(a_task(task_id, kind="face-swap", **members))

    async def page(self, task_id: str = "t1", *, calls: int = 0, held: int = 100) -> TaskSpend:
        page = TaskSpend(task_id=task_id, kind="face-swap", owner="local", day=DAY, held=held)
        for _ in range(calls):
            page = page.reserve(
                "generate", provider="seedream", model="m", micros=60, today=DAY, now=self.now
            )
        return await self.ledger.write(page)

    async def answer(self, call: PaidCall, *, micros: int = 50, **members: Any) -> None:
        await Answers(self.assets).keep("t1", call, an_answer(micros, **members))

    async def cost(self, task_id: str = "t1") -> Mapping[str, Any]:
        task = await self.tasks.get(task_id)
        assert task is not None
        assert task.cost is not None
        return task.cost


@pytest.fixture
def office() -> Office:
    return Office()


def cancelled(task: Task) -> Task:
    return task.cancel(now=NOW)


async def test_what_was_held_for_a_task_is_given_back_at_its_end(office: Office) -> None:
    task = await office.task()
    await office.page()
    await office.settlement.settle_once()
    assert await office.ledger.total(f"day/{DAY}") == 100  # it has not ended
    await office.tasks.replace(cancelled(task))
    await office.settlement.settle_once()
    assert await office.ledger.total(f"day/{DAY}") == 0
    assert await office.cost() == {"usd": 0.0, "maybe_usd": 0.0, "calls": []}
    assert await office.ledger.open(limit=9) == []


async def test_an_answer_that_was_kept_was_paid_for(office: Office) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page(calls=1)
    await office.answer(page.calls[0], estimated=True)
    before = metrics.SPENT.labels("seedream")._value.get()
    await office.settlement.settle_once()
    page = office.ledger.pages["t1"]
    assert (page.calls[0].state, page.calls[0].request_id) == (CallState.PAID, "r1")
    assert page.calls[0].estimated
    assert not page.is_open
    assert await office.ledger.total(f"day/{DAY}") == 50
    assert (await office.cost())["usd"] == 0.00005
    assert metrics.SPENT.labels("seedream")._value.get() - before == pytest.approx(0.00005)


async def test_an_answer_of_a_newer_release_is_left_to_it(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page(calls=1)
    await office.answer(page.calls[0])
    ((key, (data, info)),) = office.assets.assets.items()
    office.assets.assets[key] = data.replace(b'"format": 1', b'"format": 2'), info
    office.now += PATIENCE
    await office.settlement.settle_once()
    assert office.ledger.pages["t1"] == page
    assert not caplog.records
    office.assets.assets[key] = data, info
    await office.settlement.settle_once()
    assert not office.ledger.pages["t1"].is_open


async def test_a_call_without_an_answer_is_waited_for_and_then_was_cut_off(office: Office) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    await office.page(calls=1)
    office.now += PATIENCE - 1
    await office.settlement.settle_once()
    assert office.ledger.pages["t1"].is_open
    assert (await office.tasks.get("t1") or a_task()).cost is None
    office.now += 1
    await office.settlement.settle_once()
    assert office.ledger.pages["t1"].calls[0].state is CallState.UNKNOWN
    cost = await office.cost()
    assert (cost["usd"], cost["maybe_usd"]) == (0.0, 0.00006)
    assert await office.ledger.total(f"day/{DAY}") == 60


async def test_an_answer_to_a_call_that_was_given_up_counts(office: Office) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page(calls=1)
    await office.ledger.write(page.cut_off(page.calls[0]))
    await office.answer(page.calls[0])
    await office.settlement.settle_once()
    assert (await office.cost())["usd"] == 0.00005
    assert (await office.cost())["maybe_usd"] == 0.0


async def test_what_is_learnt_after_the_end_reaches_the_record(office: Office) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page(calls=1)
    office.now += PATIENCE
    await office.settlement.settle_once()
    late = office.ledger.pages["t1"]
    assert not late.is_open
    await office.ledger.write(late.paid(page.calls[0], 55, request_id="late"))
    await office.settlement.settle_once()
    cost = await office.cost()
    assert (cost["usd"], cost["maybe_usd"]) == (0.000055, 0.0)
    assert await office.ledger.open(limit=9) == []


async def test_a_record_that_knows_its_cost_is_not_written(office: Office) -> None:
    page = await office.page()
    task = await office.tasks.replace(cancelled((await office.task()).with_cost(page.cost())))
    await office.settlement.settle_once()
    assert await office.tasks.get("t1") == task
    assert not office.ledger.pages["t1"].is_open


async def test_a_page_of_no_task_is_closed_when_no_submit_can_be_under_way(office: Office) -> None:
    await office.page()
    office.now += 59
    await office.settlement.settle_once()
    assert office.ledger.pages["t1"].is_open
    office.now += 1
    await office.settlement.settle_once()
    assert await office.ledger.total(f"day/{DAY}") == 0


async def test_a_round_reaches_pages_behind_any_number_that_wait(office: Office) -> None:
    for number in range(250):
        await office.task(f"w{number}")
        await office.page(f"w{number}")
    office.now += 1
    await office.tasks.replace(cancelled(await office.task()))
    await office.page()
    for _ in range(3):
        await office.settlement.settle_once()
    assert not office.ledger.pages["t1"].is_open
    assert figure("provider_spend_pages_open") == 250
    assert figure("provider_spend_reserved_usd") == pytest.approx(0.025)


async def test_a_ledger_that_is_away_leaves_nothing_to_tell(office: Office) -> None:
    await office.settlement.settle_once()
    assert figure("provider_spend_pages_open") == figure("provider_spend_reserved_usd") == 0

    async def away(**_: object) -> Sequence[TaskSpend]:
        raise Unavailable("no answer")

    office.ledger.open = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await office.settlement.settle_once()
    assert figure("provider_spend_pages_open") is None
    assert figure("provider_spend_reserved_usd") is None


async def test_a_page_that_cannot_be_settled_is_no_obstacle(office: Office) -> None:
    for task_id in ("t1", "t2"):
        await office.tasks.replace(cancelled(await office.task(task_id)))
    page = await office.page(calls=1)
    await office.answer(page.calls[0], micros="many")  # type: ignore[arg-type]
    office.now += 1
    await office.page("t2")
    await office.settlement.settle_once()
    assert not office.ledger.pages["t2"].is_open


async def test_a_completed_task_is_settled_like_any_other(office: Office) -> None:
    task = await office.task()
    done = replace(task, status=TaskStatus.COMPLETED)
    await office.tasks.replace(done)
    page = await office.page(calls=1)
    await office.ledger.write(page.paid(page.calls[0], 40, request_id="r"))
    await office.settlement.settle_once()
    assert await office.ledger.total(f"day/{DAY}") == 40
    assert (await office.cost())["usd"] == 0.00004


# --- Others, meanwhile --------------------------------------------------------------------

Meanwhile = Callable[[], Awaitable[object]]


def just_before(port: object, access: str, meanwhile: Meanwhile) -> None:
    """The first such access comes after something else has happened."""
    real = getattr(port, access)

    async def later(*arguments: Any) -> Any:
        setattr(port, access, real)
        await meanwhile()
        return await real(*arguments)

    setattr(port, access, later)


@pytest.mark.parametrize("access", ["get", "replace"])
async def test_of_two_that_settle_a_task_the_one_that_knows_less_has_no_say(
    office: Office, access: str
) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page()
    called = page.reserve("x", provider="p", model="m", micros=60, today=DAY, now=office.now)

    async def paid_and_settled() -> None:
        await office.ledger.write(called.paid(called.calls[0], 55, request_id="late"))
        await office.another().settle_once()

    just_before(office.tasks, access, paid_and_settled)
    await office.settlement.settle_once()
    assert (await office.cost())["usd"] == 0.000055
    assert not office.ledger.pages["t1"].is_open


async def test_a_page_is_not_closed_over_what_is_written_meanwhile(office: Office) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page()
    changed = page.reserve("x", provider="p", model="m", micros=60, today=DAY, now=office.now)
    just_before(office.tasks, "replace", lambda: office.ledger.write(changed))
    await office.settlement.settle_once()
    assert office.ledger.pages["t1"].is_open
    assert office.ledger.pages["t1"].calls == changed.calls


async def test_a_call_that_turns_out_free_meanwhile_was_not_cut_off(office: Office) -> None:
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page(calls=1)
    office.now += PATIENCE
    free = page.without(page.calls[0])
    just_before(office.assets, "get", lambda: office.ledger.write(free))
    await office.settlement.settle_once()
    assert await office.cost() == {"usd": 0.0, "maybe_usd": 0.0, "calls": []}
    assert await office.ledger.total(f"day/{DAY}") == 0


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"micros": 1}', b"\xff"])
async def test_an_answer_that_cannot_be_read_is_none(office: Office, damage: bytes) -> None:
    """What the call cost is then not known."""
    await office.tasks.replace(cancelled(await office.task()))
    page = await office.page(calls=1)
    await office.answer(page.calls[0])
    key = "jobs/t1/generate.1.answered.json"
    office.assets.assets[key] = (damage, office.assets.assets[key][1])
    office.now += PATIENCE + 1
    await office.settlement.settle_once()
    settled = await office.ledger.read("t1")
    assert settled is not None
    assert not settled.is_open
    assert [call.state for call in settled.calls] == [CallState.UNKNOWN]


async def test_a_page_that_cannot_be_settled_keeps_no_other_from_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task_id in ("t1", "t2", "t3"):
        await office.tasks.replace(cancelled(await office.task(task_id)))
        await office.page(task_id)
    get = office.tasks.get

    async def breaks(task_id: str) -> Task | None:
        if task_id == "t2":
            raise ValueError("'paused' is not a valid TaskStatus")
        return await get(task_id)

    monkeypatch.setattr(MemoryStore, "get", lambda _, task_id: breaks(task_id))
    await office.settlement.settle_once()
    pages = [await office.ledger.read(task_id) for task_id in ("t1", "t2", "t3")]
    assert [page and page.is_open for page in pages] == [False, True, False]
