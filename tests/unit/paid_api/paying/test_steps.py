"""One paid step from end to end: who is let in, what is accounted for, and what a cancel does."""

import asyncio
import gc
import logging
from itertools import pairwise

import pytest

from short_drama.domain.attempts import WAITING
from short_drama.domain.errors import (
    BudgetExceeded,
    ChargeUnknown,
    ContentRefused,
    EngineUnavailable,
    ProviderFailed,
    ProviderPaused,
    ShortDramaError,
    Throttled,
)
from short_drama.domain.spending import TaskSpend
from short_drama.paid_api.providers.endpoint import CallNotSent
from tests.patience import SOON
from tests.protocol.virtual_time import EPOCH, clock
from tests.unit.paid_api.paying.paid_steps import (
    ESTIMATE,
    PAID,
    PRICE,
    RESERVED,
    UNKNOWN,
    FlakyAssets,
    FlakyLedger,
    Shop,
    answer,
    failing,
    in_virtual_time,
    never,
    plenty,
    step,
)

AWAY, LONG_AWAY = 30.0, 600.0
"""Seconds: a store that is waited for, and one that is not."""


class SlowProvider:
    """Answers, or refuses, when it is let go."""

    def __init__(self, refusal: ShortDramaError | None = None) -> None:
        self.asked, self.free, self._refusal = asyncio.Event(), asyncio.Event(), refusal

    async def call(self) -> int:
        self.asked.set()
        await self.free.wait()
        if self._refusal is not None:
            raise self._refusal
        return 1


async def cancelled_in(provider: SlowProvider, running: "asyncio.Task[int]") -> None:
    """Cancels while the provider is at it, more than once; it is waited for all the same."""
    await asyncio.wait_for(provider.asked.wait(), SOON)
    for _ in range(2):
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=0.02)
        assert not done
    provider.free.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, SOON)


# --- Money --------------------------------------------------------------------------------


@in_virtual_time
async def test_money_is_reserved_before_it_is_spent() -> None:
    shop = Shop()

    async def ask() -> int:
        assert (shop.states(), await shop.spent()) == ([RESERVED], ESTIMATE)
        return 1

    assert await shop.paid("detect", ask) == 1
    assert (shop.states(), await shop.spent()) == ([PAID], PRICE)


@in_virtual_time
async def test_a_budget_that_is_used_up_leaves_no_trace() -> None:
    shop = Shop(per_day=ESTIMATE - 1)
    with pytest.raises(BudgetExceeded):
        await shop.paid("detect", never)
    assert (shop.calls(), await shop.spent()) == ([], 0)


@in_virtual_time
async def test_what_is_held_for_a_task_can_be_paid_though_its_budget_is_used_up() -> None:
    """Also on another day than that on which it was accepted."""
    shop = Shop(per_day=ESTIMATE)
    await shop.hold("t1", ESTIMATE)
    with pytest.raises(BudgetExceeded):
        await shop.paid("generate", never, task="t2")
    await asyncio.sleep(20 * 3600)
    await shop.paid("generate", answer, task="t3")
    assert await shop.paid("generate", answer, task="t1") == 1


FREE = [
    ProviderFailed("oh"),
    ContentRefused("no"),
    EngineUnavailable("no connection"),
    ProviderPaused("no key"),
    CallNotSent("no connection"),
]


@pytest.mark.parametrize("refusal", FREE, ids=lambda refusal: type(refusal).__name__)
@in_virtual_time
async def test_what_cost_nothing_leaves_no_line_however_often_it_is_refused(
    refusal: Exception,
) -> None:
    shop = Shop()
    for _ in range(60):
        with pytest.raises(type(refusal)):
            await shop.paid("detect", failing(refusal))
        assert (shop.calls(), await shop.spent()) == ([], 0)
    assert await shop.paid("detect", answer) == 1


@in_virtual_time
async def test_a_provider_that_asks_to_slow_down_is_asked_again_and_no_call_is_counted() -> None:
    shop, asked = Shop(), list[float]()

    async def ask() -> int:
        asked.append(clock())
        raise Throttled("slow down")

    for _ in range(20):
        with pytest.raises(Throttled):
            await shop.paid("detect", ask)
    assert (len(asked), shop.calls()) == (80, [])
    assert [later - earlier for earlier, later in pairwise(asked[:4])] == [1.0, 2.0, 4.0]
    assert await shop.paid("detect", answer) == 1


@in_virtual_time
async def test_what_a_job_has_cost_is_told_as_soon_as_it_is_known() -> None:
    shop, told = Shop(), list[tuple[float, float]]()

    def on_change(page: TaskSpend) -> None:
        cost = page.cost()
        told.append((cost["usd"] * 1e6, cost["maybe_usd"] * 1e6))

    await shop.steps(on_change=on_change).run(step("detect", answer))
    assert list(dict.fromkeys(told)) == [(0, 0), (0, ESTIMATE), (PRICE, 0)]
    told.clear()
    with pytest.raises(ChargeUnknown):
        await shop.steps(on_change=on_change).run(step("generate", failing(ChargeUnknown("?"))))
    assert told[-1] == (PRICE, ESTIMATE)


# --- Cancelling ---------------------------------------------------------------------------


@in_virtual_time
async def test_what_is_under_way_when_the_job_is_cancelled_is_kept() -> None:
    shop, provider = Shop(), SlowProvider()
    await cancelled_in(provider, asyncio.create_task(shop.paid("detect", provider.call)))
    assert await shop.spent() == PRICE
    assert await shop.paid("detect", never) == 1


@in_virtual_time
async def test_what_is_refused_after_the_job_was_cancelled_costs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop, provider = Shop(), SlowProvider(ContentRefused("no"))
    with caplog.at_level(logging.WARNING):
        await cancelled_in(provider, asyncio.create_task(shop.paid("detect", provider.call)))
        gc.collect()
    assert (shop.calls(), await shop.spent()) == ([], 0)
    assert caplog.records == []  # no error that nobody has looked at


@in_virtual_time
async def test_a_job_that_is_cancelled_while_it_waits_asks_nothing() -> None:
    shop, limits, stages = Shop(), plenty(), list[str]()
    waiting = asyncio.create_task(
        shop.steps(on_stage=stages.append).run(step("detect", never, limits=limits))
    )
    async with limits._turn:
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert (stages, await shop.spent()) == ([WAITING], 0)


@in_virtual_time
async def test_a_job_that_is_cancelled_while_its_money_is_reserved_asks_nothing() -> None:
    ledger = FlakyLedger(clock)
    ledger.away = AWAY
    shop = Shop(ledger=ledger)
    paying = asyncio.create_task(shop.paid("detect", never))
    await asyncio.sleep(1)
    paying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await paying
    assert (shop.calls(), await shop.spent()) == ([], 0)


@in_virtual_time
async def test_what_was_paid_for_earlier_waits_for_nobody() -> None:
    shop, stages = Shop(), list[str]()
    await shop.steps(on_stage=stages.append).run(step("detect", answer))
    assert stages == [WAITING, "running"]
    shop.per_day = 0
    again = shop.steps(on_stage=stages.append)
    async with (limits := plenty())._turn:
        assert await again.run(step("detect", never, limits=limits)) == 1
    assert stages == [WAITING, "running"]


# --- Stores that are away -----------------------------------------------------------------


@pytest.mark.parametrize("seconds", [AWAY, LONG_AWAY])
@in_virtual_time
async def test_an_answer_outlives_a_store_that_is_away(seconds: float) -> None:
    assets = FlakyAssets()
    assets.away = seconds
    shop = Shop(assets=assets)
    assert await shop.paid("detect", answer) == 1
    assert (shop.states(), await shop.spent()) == ([PAID], PRICE)
    assert clock() - EPOCH < 2 * 60 + 10
    if seconds == AWAY:
        assert await shop.paid("detect", never) == 1


@pytest.mark.parametrize("seconds", [AWAY, LONG_AWAY])
@in_virtual_time
async def test_an_answer_outlives_a_ledger_that_is_away(seconds: float) -> None:
    ledger = FlakyLedger(clock)
    shop = Shop(ledger=ledger)

    async def ask() -> int:
        ledger.away = seconds
        return 1

    assert await shop.paid("detect", ask) == 1
    ledger.away = 0
    assert await shop.paid("detect", never) == 1
    assert (shop.states(), await shop.spent()) == ([PAID], PRICE)


@in_virtual_time
async def test_a_refusal_is_given_back_by_a_ledger_that_was_away() -> None:
    ledger = FlakyLedger(clock)
    shop = Shop(ledger=ledger)

    async def ask() -> int:
        ledger.away = AWAY
        raise ProviderFailed("oh")

    with pytest.raises(ProviderFailed):
        await shop.paid("detect", ask)
    assert (shop.calls(), await shop.spent()) == ([], 0)


@pytest.mark.parametrize("writes", [1, 3])
@in_virtual_time
async def test_a_reservation_whose_answer_was_lost_is_made_once(writes: int) -> None:
    ledger = FlakyLedger(clock)
    ledger.deaf = writes
    shop = Shop(ledger=ledger)
    assert await shop.paid("detect", answer) == 1
    assert (shop.states(), await shop.spent()) == ([PAID], PRICE)


@in_virtual_time
async def test_an_answer_is_in_its_file_before_the_page_says_that_it_was_paid_for() -> None:
    """Else a crash in between would lose it."""
    shop = Shop()

    def on_change(page: TaskSpend) -> None:
        if page.calls and page.calls[0].state is PAID:
            assert "jobs/t1/detect.1.answered.json" in shop.assets.assets

    await shop.steps(on_change=on_change).run(step("detect", answer))


# --- Calls whose end is not known ---------------------------------------------------------


@pytest.mark.parametrize(
    "end", [ChargeUnknown("no answer"), ValueError("a bug")], ids=["no answer", "a bug"]
)
@in_virtual_time
async def test_a_call_that_was_cut_off_is_accounted_for(end: Exception) -> None:
    shop = Shop()
    with pytest.raises(type(end)):
        await shop.paid("detect", failing(end))
    assert (shop.states(), await shop.spent()) == ([UNKNOWN], ESTIMATE)
