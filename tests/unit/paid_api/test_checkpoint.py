"""Paid steps: what was paid for is not paid for again, wherever the process dies."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.domain.errors import (
    ChargeUnknown,
    ContentRefused,
    EngineFailed,
    RetryableError,
    ShortDramaError,
    Throttled,
)
from short_drama.paid_api.paying.checkpoint import Checkpoint, Codec, Paid
from tests.protocol.memory import MemoryAssets

STEPS = ("detect", "generate")
NUMBER: Codec[int] = Codec(lambda answer: {"number": answer}, lambda facts: int(facts["number"]))


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


def checkpoint(assets: MemoryAssets) -> Checkpoint:
    return Checkpoint(assets, "t1", STEPS, clock=lambda: 1.0)


def failing(error: BaseException) -> Callable[[], Awaitable[int]]:
    async def call() -> int:
        raise error

    return call


async def test_an_answer_is_paid_for_once() -> None:
    assets, provider = MemoryAssets(), Provider()
    first = await checkpoint(assets).once("detect", provider.call, NUMBER, model="m")
    again = await checkpoint(assets).once("detect", provider.call, NUMBER)
    assert first == Paid(1, resumed=False, maybe_charged=False)
    assert again == Paid(1, resumed=True, maybe_charged=False)
    assert provider.charged == 1


async def test_what_cost_nothing_may_be_tried_again() -> None:
    assets, provider = MemoryAssets(), Provider()
    for error in (Throttled("slow down"), ContentRefused("no"), Throttled("slow down")):
        with pytest.raises(ShortDramaError) as raised:
            await checkpoint(assets).once("detect", failing(error), NUMBER)
        assert raised.value is error
    assert (await checkpoint(assets).once("detect", provider.call, NUMBER)).answer == 1


@pytest.mark.parametrize("end", [ChargeUnknown("no answer"), asyncio.CancelledError(), Killed()])
async def test_a_call_that_was_cut_off_is_repeated_once(end: BaseException) -> None:
    assets, provider = MemoryAssets(), Provider()
    with pytest.raises(type(end)):
        await checkpoint(assets).once("detect", failing(end), NUMBER)
    paid = await checkpoint(assets).once("detect", provider.call, NUMBER)
    assert paid == Paid(1, resumed=False, maybe_charged=True)
    assert (await checkpoint(assets).once("detect", provider.call, NUMBER)).maybe_charged


async def test_no_more_is_spent_after_two_calls_that_were_cut_off() -> None:
    assets, provider = MemoryAssets(), Provider()
    for _ in range(2):
        with pytest.raises(ChargeUnknown):
            await checkpoint(assets).once("detect", failing(ChargeUnknown("no answer")), NUMBER)
    for step in STEPS:
        with pytest.raises(EngineFailed, match="cut off twice"):
            await checkpoint(assets).once(step, provider.call, NUMBER)
    assert provider.charged == 0


async def test_the_repetition_is_shared_by_the_steps() -> None:
    assets, provider = MemoryAssets(), Provider()
    for step in STEPS:
        with pytest.raises(ChargeUnknown):
            await checkpoint(assets).once(step, failing(ChargeUnknown("no answer")), NUMBER)
        if step == "detect":
            await checkpoint(assets).once(step, provider.call, NUMBER)
    with pytest.raises(EngineFailed):
        await checkpoint(assets).once("generate", provider.call, NUMBER)


class FarAssets(MemoryAssets):
    """Each read takes a while, so that several look before one writes."""

    async def get(self, key: str) -> bytes:
        await asyncio.sleep(0.01)
        return await super().get(key)


async def test_of_two_workers_at_the_same_step_one_makes_the_call() -> None:
    assets, provider = FarAssets(), Provider()
    both = (checkpoint(assets).once("detect", provider.call, NUMBER) for _ in range(2))
    ended = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ended) == ["Paid", "Throttled"]
    assert provider.charged == 1


async def test_no_client_can_read_the_files() -> None:
    assets = MemoryAssets()
    await checkpoint(assets).once("detect", Provider().call, NUMBER, provider="qwen")
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
    assets, provider = DyingAssets(), Provider()
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
                paid = await checkpoint(assets).once(step, call, NUMBER)
                answers[step].add(paid.answer)
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
