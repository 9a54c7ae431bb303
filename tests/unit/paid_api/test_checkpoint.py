"""Paid steps: what was paid for is not paid for again, wherever the process dies."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.domain.errors import (
    ChargeUnknown,
    ContentRefused,
    EngineFailed,
    ProviderFailed,
    RetryableError,
    ShortDramaError,
)
from tests.protocol.memory import MemoryAssets, MemoryLedger
from tests.unit.paid_api.paid_steps import DAY, PRICE, STEPS, Ask, paid


class Killed(BaseException):
    """As by kill -9: nothing after it runs."""


class Provider:
    """Counts what it did, and so what it charges for."""

    def __init__(self) -> None:
        self.charged = 0

    async def call(self) -> int:
        self.charged += 1
        return self.charged


class DyingAssets(MemoryAssets):
    """Dies before or after a write whose number is in `deaths`."""

    def __init__(self) -> None:
        super().__init__()
        self.deaths: dict[int, str] = {}
        self.writes = 0

    async def put(self, key: str, data: bytes, **options: object) -> None:
        self.writes += 1
        when = self.deaths.get(self.writes)
        if when == "before":
            raise Killed
        await super().put(key, data, content_type=str(options["content_type"]))
        if when == "after":
            raise Killed


def failing(error: BaseException) -> Ask:
    async def call() -> int:
        raise error

    return call


async def test_an_answer_is_paid_for_once() -> None:
    assets, provider = MemoryAssets(), Provider()
    for _ in range(2):
        assert await paid(assets, "detect", provider.call) == (1, False)
    assert provider.charged == 1


async def test_what_cost_nothing_may_be_tried_again() -> None:
    assets, provider = MemoryAssets(), Provider()
    for error in (ProviderFailed("oh"), ContentRefused("no"), ProviderFailed("oh")):
        with pytest.raises(ShortDramaError) as raised:
            await paid(assets, "detect", failing(error))
        assert raised.value is error
    assert await paid(assets, "detect", provider.call) == (1, False)


@pytest.mark.parametrize("end", [ChargeUnknown("no answer"), asyncio.CancelledError(), Killed()])
async def test_a_call_that_was_cut_off_is_repeated_once(end: BaseException) -> None:
    assets, provider = MemoryAssets(), Provider()
    with pytest.raises(type(end)):
        await paid(assets, "detect", failing(end))
    for _ in range(2):
        assert await paid(assets, "detect", provider.call) == (1, True)
    assert provider.charged == 1


async def test_no_more_is_spent_after_two_calls_that_were_cut_off() -> None:
    assets, provider = MemoryAssets(), Provider()
    for _ in range(2):
        with pytest.raises(ChargeUnknown):
            await paid(assets, "detect", failing(ChargeUnknown("no answer")))
    for step in STEPS:
        with pytest.raises(EngineFailed, match="cut off twice"):
            await paid(assets, step, provider.call)
    assert provider.charged == 0


async def test_the_repetition_is_shared_by_the_steps() -> None:
    assets, provider = MemoryAssets(), Provider()
    for step in STEPS:
        with pytest.raises(ChargeUnknown):
            await paid(assets, step, failing(ChargeUnknown("no answer")))
        if step == "detect":
            await paid(assets, step, provider.call)
    with pytest.raises(EngineFailed):
        await paid(assets, "generate", provider.call)


class FarAssets(MemoryAssets):
    """Each read takes a while, so that several look before one writes."""

    async def get(self, key: str) -> bytes:
        await asyncio.sleep(0.01)
        return await super().get(key)


async def test_of_two_workers_at_the_same_step_one_makes_the_call() -> None:
    assets, provider = FarAssets(), Provider()
    both = (paid(assets, "detect", provider.call) for _ in range(2))
    ended = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ended) == ["Throttled", "tuple"]
    assert provider.charged == 1


async def test_no_client_can_read_the_files() -> None:
    assets = MemoryAssets()
    await paid(assets, "detect", Provider().call)
    for name in ("asked", "answered"):
        await assets.head(f"jobs/t1/detect.1.{name}.json")


# --- Dying anywhere -----------------------------------------------------------------------

moments = st.sampled_from(["before", "after"])


@given(
    deaths=st.dictionaries(st.integers(1, 12), moments, max_size=6),
    calls=st.lists(st.sampled_from(["fine", "dies before", "dies after", "lost"]), max_size=6),
)
@settings(max_examples=400, deadline=None)
async def test_wherever_it_dies_at_most_one_call_is_repeated(
    deaths: dict[int, str], calls: list[str]
) -> None:
    assets, provider, ledger = DyingAssets(), Provider(), MemoryLedger()
    assets.deaths, left = deaths, list(calls)

    async def call() -> int:
        how = left.pop(0) if left else "fine"
        if how == "dies before":
            raise Killed
        number = await provider.call()
        if how == "dies after":
            raise Killed
        if how == "lost":
            raise ChargeUnknown("no answer came")
        return number

    answers: dict[str, set[int]] = {step: set() for step in STEPS}
    ended = ""
    for _ in range(30):  # attempts, on whatever machine
        try:
            for step in STEPS:
                answer, _ = await paid(assets, step, call, ledger)
                answers[step].add(answer)
            ended = "done"
            break
        except (Killed, RetryableError):
            continue
        except EngineFailed:
            ended = "given up"
            break
    assert ended
    assert provider.charged <= len(STEPS) + 1
    assert all(len(found) <= 1 for found in answers.values())  # never two answers of one step
    assert await ledger.spent(DAY) >= provider.charged * PRICE  # nothing was paid unaccounted for
