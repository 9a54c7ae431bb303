"""How fast a provider is asked, on a clock that the tests turn."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.errors import ProviderPaused
from short_drama.paid_api.paying.limits import Circuit, ProviderLimits, Rate, Turn
from tests.figures import counted
from tests.patience import SOON


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def sent_at(rate: Rate, calls: int, *, start: float = 0.0) -> list[float]:
    """When so many calls are made, each as soon as it may be."""
    now, times = start, []
    for _ in range(calls):
        now += rate.wait(now)
        rate.take(now)
        times.append(now)
    return times


@given(st.integers(1, 300), st.integers(1, 20), st.integers(2, 400))
def test_no_minute_has_more_calls_than_allowed(per_minute: int, burst: int, calls: int) -> None:
    times = sent_at(Rate(per_minute, burst=burst), calls)
    for index, time in enumerate(times):
        assert sum(time - 60.5 < other <= time for other in times[: index + 1]) <= per_minute


def test_calls_are_spread_over_the_minute() -> None:
    times = sent_at(Rate(60, burst=4), 120)
    assert times[:4] == [0.0] * 4
    assert times[-1] == pytest.approx(118.0, abs=4)
    assert sum(time < 10 for time in times) <= 14


def test_a_few_at_once_need_not_wait() -> None:
    assert sent_at(Rate(600, burst=8), 8) == [0.0] * 8


def test_retry_after_is_obeyed() -> None:
    rate = Rate(600, burst=8)
    rate.slow_down(10.0, after=7.0)
    assert rate.wait(10.0) == pytest.approx(7.0)
    assert rate.wait(17.0) == 0.0


def test_a_provider_that_complains_is_asked_less_and_then_more_again() -> None:
    rate = Rate(60, burst=1)
    for _ in range(2):
        rate.slow_down(0.0, after=None)
    slow = sent_at(rate, 5)
    assert slow[-1] == pytest.approx(16.0, abs=0.5)  # a quarter as fast
    for _ in range(50):
        rate.speed_up()
    quick = sent_at(rate, 5, start=1000.0)
    assert quick[-1] - 1000.0 == pytest.approx(4.0, abs=0.1)


def test_it_is_never_asked_not_at_all() -> None:
    rate = Rate(60, burst=1)
    for _ in range(50):
        rate.slow_down(0.0, after=None)
    assert sent_at(rate, 2)[-1] <= 61.0


# --- The circuit --------------------------------------------------------------------------

OVERDUE = ProviderPaused("seedream: AccountOverdueError", fix="Pay the bill.")


def test_an_open_circuit_says_why_and_for_how_long() -> None:
    circuit = Circuit()
    circuit.open(OVERDUE, 100.0)
    with pytest.raises(ProviderPaused, match="AccountOverdueError") as refused:
        circuit.check(110.0)
    assert (refused.value.after, refused.value.fix) == (20.0, "Pay the bill.")


def test_one_call_tries_and_the_pauses_grow() -> None:
    circuit, now = Circuit(), 0.0
    tries: list[float] = []
    circuit.open(OVERDUE, now)
    while len(tries) < 7:
        now += 1.0
        try:
            circuit.try_now(now)
        except ProviderPaused:
            continue
        tries.append(now)
        with pytest.raises(ProviderPaused):
            circuit.try_now(now)  # nobody else, until it is known what became of it
        circuit.open(OVERDUE, now)
    pauses = [later - earlier for earlier, later in zip([0.0, *tries], tries, strict=False)]
    assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]


async def test_a_success_closes_it(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    limits = ProviderLimits("seedream", in_flight=2, per_minute=600, clock=clock)
    with caplog.at_level(logging.ERROR):
        async with limits.slot() as turn, limits.slot() as other:
            turn.paused(OVERDUE)
            other.paused(OVERDUE)
    assert len(caplog.records) == 1  # it pages once
    with pytest.raises(ProviderPaused):
        limits.check()
    with pytest.raises(ProviderPaused):
        async with limits.slot():
            pytest.fail("nothing is asked")
    clock.now += 60.0
    async with limits.slot() as turn:
        turn.succeeded()
    limits.check()
    async with limits.slot():
        pass


# --- What is said of calls that were made together ----------------------------------------


@contextlib.asynccontextmanager
async def turns(limits: ProviderLimits, number: int) -> AsyncIterator[list[Turn]]:
    """Of so many calls that are in flight together."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(limits.slot()) for _ in range(number)]


def paused_for(limits: ProviderLimits) -> float | None:
    """Seconds, or None when it is not paused."""
    try:
        limits.check()
    except ProviderPaused as refused:
        return refused.after
    return None


def eight_at_a_time() -> tuple[ProviderLimits, Clock]:
    clock = Clock()
    return ProviderLimits("x", in_flight=8, per_minute=600, clock=clock), clock


async def test_a_burst_of_refusals_is_one_pause() -> None:
    limits, clock = eight_at_a_time()
    async with turns(limits, 8) as burst:
        for turn in burst:
            clock.now += 0.5
            turn.paused(OVERDUE)
    assert paused_for(limits) == 26.5  # 30 from the first


async def test_a_burst_of_requests_to_slow_down_is_one() -> None:
    limits, _ = eight_at_a_time()
    async with turns(limits, 8) as burst:
        pass
    for turn in burst:  # told after they have ended
        turn.throttled(None)
    assert limits._rate._share == 1 / 2
    async with turns(limits, 8) as burst:
        for turn in burst:
            turn.throttled(None)
    assert limits._rate._share == 1 / 4


async def test_what_holds_calls_up_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, clock = eight_at_a_time()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    rate = partial(counted, "limits_hit_total", limit="rate", of="x")
    asked = partial(counted, "limits_hit_total", limit="provider", of="x")
    before = rate(), asked()
    for _ in range(61):
        async with limits.slot() as turn:
            pass
    turn.throttled(None)
    turn.throttled(None)
    assert (rate() - before[0], asked() - before[1]) == (1, 2)


async def test_an_answer_from_before_says_nothing_of_now() -> None:
    limits, clock = eight_at_a_time()
    async with turns(limits, 2) as (first, straggler):
        first.paused(OVERDUE)
        first.throttled(None)
        straggler.succeeded()
        assert paused_for(limits) == 30.0
        assert limits._rate._share == 1 / 2
        clock.now += 30.0
        async with limits.slot() as trial:
            trial.succeeded()
        straggler.paused(OVERDUE)  # of a bill that has been paid meanwhile
        assert paused_for(limits) is None


async def test_the_pause_goes_by_the_call_that_tries() -> None:
    limits, clock = eight_at_a_time()
    async with turns(limits, 2) as (first, straggler):
        first.paused(OVERDUE)
        clock.now += 30.0
        async with limits.slot() as trial:
            straggler.paused(OVERDUE)
            assert paused_for(limits) == 30.0
            trial.paused(OVERDUE)
            trial.paused(OVERDUE)
    assert paused_for(limits) == 60.0


@pytest.mark.parametrize("throttled", [False, True])
async def test_a_trial_that_says_nothing_is_soon_repeated(throttled: bool) -> None:
    limits, clock = eight_at_a_time()
    async with limits.slot() as turn:
        turn.paused(OVERDUE)
    clock.now += 30.0
    with contextlib.suppress(TimeoutError):
        async with limits.slot() as trial:
            with pytest.raises(ProviderPaused):
                limits.check()  # nobody else meanwhile
            if throttled:
                trial.throttled(None)
            raise TimeoutError
    assert paused_for(limits) == 1.0
    clock.now += 1.0
    async with limits.slot() as trial:
        trial.paused(OVERDUE)
    assert paused_for(limits) == 60.0


# --- Places -------------------------------------------------------------------------------


async def test_no_more_calls_are_in_flight_than_allowed() -> None:
    limits, inside, most = ProviderLimits("x", in_flight=3, per_minute=6000), 0, 0

    async def call() -> None:
        nonlocal inside, most
        async with limits.slot():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(call() for _ in range(9)))
    assert most == 3


async def test_a_call_that_is_cancelled_while_it_waits_leaves_its_place() -> None:
    limits = ProviderLimits("x", in_flight=1, per_minute=6000)
    async with limits.slot():
        waiting = asyncio.create_task(entered(limits, lambda: None))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(SOON), limits.slot():
        pass


async def entered(limits: ProviderLimits, then: Callable[[], None]) -> None:
    async with limits.slot():
        then()
