"""The promises of `ports.SpendLedger`."""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from short_drama.domain.kinds import Lane
from short_drama.domain.spending import CallState, TaskSpend
from short_drama.newest import change_page
from short_drama.ports import OverLimit, SpendLedger, StaleSpend, TaskFilter, TaskStore
from tests.protocol.memory import MemoryLedger
from tests.samples import NOW

DAY, NEXT = "2026-11-30", "2026-12-01"
ACCOUNT, MONTH = f"day/{DAY}", "month/2026-11"


def a_page(task_id: str = "t1", held: int = 0, **members: Any) -> TaskSpend:
    known: dict[str, Any] = {"kind": "face-swap", "owner": "local", "day": DAY}
    return TaskSpend(task_id=task_id, held=held, **(known | members))


def called(page: TaskSpend, micros: int, *, today: str = DAY, step: str = "generate") -> TaskSpend:
    return page.reserve(
        step, provider="seedream", model="m", micros=micros, today=today, now=NOW + 0.125
    )


async def test_nothing_has_been_spent_at_first(ledger: SpendLedger) -> None:
    assert await ledger.total(ACCOUNT) == 0
    assert await ledger.read("t1") is None
    assert await ledger.open(limit=10) == []
    assert [page async for page in ledger.written_since(0)] == []


async def test_a_page_is_read_as_it_was_written(ledger: SpendLedger) -> None:
    page = called(a_page(held=9, labels={"show": "夜 falls/1"}, retry_of="t0"), 7)
    page = page.paid(page.calls[0], 5, request_id="r1", estimated=True)
    page = called(page.useless(page.calls[0]), 8, step="detect").cut_off(page.calls[0])
    written = await ledger.write(page)
    assert written == replace(page, version=1, written_at=written.written_at)
    assert await ledger.read("t1") == written


async def test_each_account_has_the_sum_of_all_pages(ledger: SpendLedger) -> None:
    await ledger.write(a_page("t1", 30, labels={"show": "夜 falls", "shot": "a=b/c#d"}))
    second = await ledger.write(a_page("t2", 5, labels={"show": "夜 falls"}))
    await ledger.write(called(second, 100, today=NEXT))
    assert await ledger.total(ACCOUNT) == 35
    assert await ledger.total(f"day/{NEXT}") == 100
    assert await ledger.total(MONTH) == 35
    assert await ledger.total("month/2026-12") == 100
    assert await ledger.total("label/show=夜 falls") == 135
    assert await ledger.total("label/shot=a=b/c#d") == 30


async def test_what_is_not_spent_is_given_back(ledger: SpendLedger) -> None:
    page = await ledger.write(called(a_page(held=30), 30))
    page = await ledger.write(page.paid(page.calls[0], 20, request_id=None))
    assert await ledger.total(ACCOUNT) == 30
    await ledger.write(page.close())
    assert await ledger.total(ACCOUNT) == 20


async def test_a_limit_may_be_reached_and_not_passed(ledger: SpendLedger) -> None:
    limits = {ACCOUNT: 100}
    await ledger.write(a_page("t1", 60), limits=limits)
    with pytest.raises(OverLimit) as refused:
        await ledger.write(a_page("t2", 41), limits=limits)
    assert refused.value.account == ACCOUNT
    assert await ledger.read("t2") is None
    assert (await ledger.total(ACCOUNT), await ledger.total(MONTH)) == (60, 60)
    await ledger.write(a_page("t2", 40), limits=limits)
    with pytest.raises(OverLimit):
        await ledger.write(a_page("t3", 1), limits=limits)
    assert await ledger.total(ACCOUNT) == 100


@pytest.mark.parametrize("limit", [0, 100])
async def test_a_first_amount_over_the_limit_is_refused(ledger: SpendLedger, limit: int) -> None:
    with pytest.raises(OverLimit):
        await ledger.write(a_page(held=limit + 1), limits={ACCOUNT: limit})
    assert await ledger.total(ACCOUNT) == 0


async def test_the_account_that_refuses_is_named(ledger: SpendLedger) -> None:
    page = a_page(held=50, labels={"show": "A", "shot": "1"})
    limits = {ACCOUNT: 100, MONTH: 100, "label/shot=1": 100, "label/show=A": 49}
    with pytest.raises(OverLimit) as refused:
        await ledger.write(page, limits=limits)
    assert refused.value.account == "label/show=A"


async def test_what_is_no_more_than_before_is_never_refused(ledger: SpendLedger) -> None:
    page = await ledger.write(a_page(held=60))
    page = await ledger.write(called(page, 60), limits={ACCOUNT: 10})
    page = await ledger.write(page.without(page.calls[0]), limits={ACCOUNT: 10})
    page = await ledger.write(page.close(), limits={ACCOUNT: 0})
    await ledger.write(a_page("free"), limits={ACCOUNT: 0})
    assert await ledger.total(ACCOUNT) == 0


async def test_money_that_was_spent_is_counted_beyond_any_limit(ledger: SpendLedger) -> None:
    page = await ledger.write(called(a_page(held=60), 60), limits={ACCOUNT: 60})
    await ledger.write(page.paid(page.calls[0], 65, request_id="r"))
    assert await ledger.total(ACCOUNT) == 65
    with pytest.raises(OverLimit):
        await ledger.write(a_page("t2", 1), limits={ACCOUNT: 60})


async def test_a_page_is_written_over_its_newest_version_only(ledger: SpendLedger) -> None:
    first = await ledger.write(a_page(held=10))
    second = await ledger.write(called(first, 30))
    for stale in (a_page(held=99), first.close(), replace(second, version=7)):
        with pytest.raises(StaleSpend):
            await ledger.write(stale)
    with pytest.raises(StaleSpend):
        await ledger.write(a_page("t2", version=1))
    assert await ledger.read("t1") == second
    assert await ledger.total(ACCOUNT) == 30


async def test_many_at_once_pass_no_limit(ledger: SpendLedger) -> None:
    async def hold(number: int) -> bool:
        try:
            await ledger.write(a_page(f"t{number}", 30), limits={ACCOUNT: 310})
        except OverLimit:
            return False
        return True

    granted = await asyncio.gather(*(hold(number) for number in range(16)))
    assert granted.count(True) == 10
    assert await ledger.total(ACCOUNT) == 300


async def test_many_changes_of_a_page_at_once_are_all_made(ledger: SpendLedger) -> None:
    page = await ledger.write(a_page())
    steps = [f"step {number}" for number in range(6)]

    async def call(step: str) -> None:
        await change_page(ledger, page, lambda found: called(found, 10, step=step))

    await asyncio.gather(*(call(step) for step in steps))
    found = await ledger.read("t1")
    assert found is not None
    assert {call.step for call in found.calls} == set(steps)
    assert await ledger.total(ACCOUNT) == 60


async def test_a_change_of_a_page_that_is_gone_writes_it_anew(ledger: SpendLedger) -> None:
    gone = called(a_page(version=4), 10)
    page = await change_page(ledger, gone, lambda found: found.cut_off(gone.calls[0]))
    assert page.version == 1
    assert await ledger.total(ACCOUNT) == 10


# --- Lists --------------------------------------------------------------------------------


async def test_open_pages_are_looked_at_in_turns(ledger: SpendLedger) -> None:
    pages = [await ledger.write(a_page(f"t{number}")) for number in range(5)]
    await ledger.write(pages[1].close())
    again = await ledger.write(called(pages[0], 1))
    order = ["t2", "t3", "t4", "t0"]
    assert [page.task_id for page in await ledger.open(limit=10)] == order
    seen: list[str] = []
    after = None
    while turn := await ledger.open(limit=3, after=after):
        seen += [page.task_id for page in turn]
        after = turn[-1]
    assert seen == order
    assert after == again


async def test_one_that_is_closed_meanwhile_is_no_obstacle(ledger: SpendLedger) -> None:
    pages = [await ledger.write(a_page(f"t{number}")) for number in range(4)]
    (first,) = await ledger.open(limit=1)
    await ledger.write(pages[0].close())
    assert [page.task_id for page in await ledger.open(limit=2, after=first)] == ["t1", "t2"]


async def test_all_pages_written_since_a_moment_are_found(ledger: SpendLedger) -> None:
    old = [await ledger.write(a_page(f"o{number}")) for number in range(3)]
    new = [await ledger.write(a_page(f"n{number}")) for number in range(3)]
    changed = await ledger.write(old[0].close())
    since = [page async for page in ledger.written_since(new[0].written_at)]
    assert sorted(since, key=lambda page: page.written_at) == [*new, changed]
    everything = [page.task_id async for page in ledger.written_since(0)]
    assert sorted(everything) == ["n0", "n1", "n2", "o0", "o1", "o2"]


async def test_pages_are_no_tasks(ledger: SpendLedger, store: TaskStore) -> None:
    await ledger.write(called(a_page(held=30, labels={"show": "A"}), 30))
    assert (await store.list(TaskFilter(), cursor=None, limit=10)).tasks == []
    assert await store.due(NOW + 1e9, limit=10) == []
    for lane in Lane:
        assert await store.oldest_pending(lane) is None


# --- Any order of changes -----------------------------------------------------------------

RUNS = itertools.count()
CHANGES = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["hold", "reserve", "paid", "cut_off", "without", "close", "stale"]),
    st.integers(0, 60),
    st.sampled_from([DAY, NEXT]),
)


def changed(page: TaskSpend, change: str, micros: int, day: str) -> TaskSpend:
    match change, [call for call in page.calls if call.state is CallState.RESERVED]:
        case "hold", _:
            page = page.opened(day=day, held=micros)
        case "reserve", _:
            page = called(page, micros, today=day)
        case "paid", [call, *_]:
            page = page.paid(call, micros, request_id="r")
        case "cut_off", [call, *_]:
            page = page.cut_off(call)
        case "without", [call, *_]:
            page = page.without(call)
        case "close", _:
            page = page.close()
        case "stale", _:
            page = replace(page, version=page.version + 1)
    return page


@given(st.lists(CHANGES, max_size=12), st.integers(0, 150))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
async def test_accounts_are_the_sums_of_pages_after_any_changes(
    ledger: SpendLedger, changes: list[tuple[str, str, int, str]], limit: int
) -> None:
    """As in the model, which adds all pages up anew each time."""
    model = MemoryLedger()
    run = f"run {next(RUNS)}"
    account = f"label/run={run}"
    for name, change, micros, day in changes:
        task_id = f"{run} {name}"
        outcomes: list[type[Exception] | TaskSpend] = []
        for one in (model, ledger):
            page = await one.read(task_id) or a_page(task_id, labels={"run": run})
            bounds = {account: limit} if change in ("hold", "reserve") else {}
            try:
                written = await one.write(changed(page, change, micros, day), limits=bounds)
                outcomes.append(replace(written, written_at=0))
            except (StaleSpend, OverLimit) as refusal:
                outcomes.append(type(refusal))
        assert outcomes[0] == outcomes[1]
        assert await ledger.total(account) == await model.total(account)
