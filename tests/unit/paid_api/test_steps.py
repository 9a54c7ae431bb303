"""One paid step from end to end: who is let in, what is accounted for, and what a cancel does."""

import asyncio
import gc
import logging

import pytest

from short_drama.domain.errors import AssetNotFound, BudgetExceeded, ContentRefused, ShortDramaError
from short_drama.domain.task import WAITING
from tests.protocol.memory import MemoryAssets, MemoryLedger
from tests.unit.paid_api.paid_steps import (
    DAY,
    ESTIMATE,
    PRICE,
    Ask,
    paid,
    plenty,
    step,
    steps_of,
)


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


async def cancelled_in(provider: SlowProvider, running: "asyncio.Task[object]") -> None:
    """Cancels while the provider is at it, more than once; it is waited for all the same."""
    await asyncio.wait_for(provider.asked.wait(), 5)
    for _ in range(2):
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=0.02)
        assert not done
    provider.free.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)


def never() -> Ask:
    async def ask() -> int:
        pytest.fail("nothing is asked")

    return ask


async def test_money_is_reserved_before_it_is_spent() -> None:
    assets, ledger = MemoryAssets(), MemoryLedger()
    seen: list[int] = []

    async def ask() -> int:
        await assets.head("jobs/t1/detect.1.asked.json")
        seen.append(await ledger.spent(DAY))
        return 1

    await paid(assets, "detect", ask, ledger)
    assert (seen, await ledger.spent(DAY)) == ([ESTIMATE], PRICE)


async def test_what_is_under_way_when_the_job_is_cancelled_is_kept() -> None:
    assets, ledger, provider = MemoryAssets(), MemoryLedger(), SlowProvider()
    await cancelled_in(provider, asyncio.create_task(paid(assets, "detect", provider.call, ledger)))
    assert await ledger.spent(DAY) == PRICE
    assert await paid(assets, "detect", never()) == (1, False)


async def test_what_is_refused_after_the_job_was_cancelled_costs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assets, ledger, provider = MemoryAssets(), MemoryLedger(), SlowProvider(ContentRefused("no"))
    with caplog.at_level(logging.WARNING):
        await cancelled_in(
            provider, asyncio.create_task(paid(assets, "detect", provider.call, ledger))
        )
        gc.collect()
    assert await ledger.spent(DAY) == 0
    assert caplog.records == []  # no error that nobody has looked at
    await assets.head("jobs/t1/detect.1.failed.json")


async def test_a_job_that_is_cancelled_while_it_waits_asks_nothing() -> None:
    assets, ledger, limits = MemoryAssets(), MemoryLedger(), plenty()
    stages: list[str] = []
    waiting = asyncio.create_task(
        steps_of(assets, ledger, on_stage=stages.append).run(step("detect", never(), limits=limits))
    )
    async with limits._turn:
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert (stages, await ledger.spent(DAY)) == ([WAITING], 0)


async def test_a_budget_that_is_used_up_leaves_no_trace() -> None:
    assets, ledger = MemoryAssets(), MemoryLedger()
    with pytest.raises(BudgetExceeded):
        await steps_of(assets, ledger, per_day=ESTIMATE - 1).run(step("detect", never()))
    assert await ledger.spent(DAY) == 0
    with pytest.raises(AssetNotFound):
        await assets.head("jobs/t1/detect.1.asked.json")


async def answer() -> int:
    return 1


async def test_what_was_paid_for_earlier_waits_for_nobody() -> None:
    assets, stages = MemoryAssets(), list[str]()
    steps = steps_of(assets, on_stage=stages.append)
    await steps.run(step("detect", answer))
    assert stages == [WAITING, "running"]
    again = steps_of(assets, per_day=0, on_stage=stages.append)
    async with (limits := plenty())._turn:
        assert await again.run(step("detect", never(), limits=limits)) == 1
    assert stages == [WAITING, "running"]
    assert again.cost == steps.cost  # told again: this attempt's record is the one that counts
