"""What was paid for is not paid for again, wherever the process dies, and by whichever task."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.domain.errors import (
    ChargeUnknown,
    EngineFailed,
    NewerFormat,
    RetryableError,
    Throttled,
)
from short_drama.domain.spending import TaskSpend
from short_drama.paid_api.paying.answers import Answers
from tests.protocol.memory import MemoryAssets, MemoryLedger
from tests.protocol.virtual_time import clock
from tests.unit.paid_api.paying.paid_steps import (
    ESTIMATE,
    PAID,
    PATIENCE,
    PRICE,
    RESERVED,
    STEPS,
    UNKNOWN,
    FlakyAssets,
    Shop,
    answer,
    failing,
    in_virtual_time,
    never,
    plenty,
    step,
)

Written = TypeVar("Written")

LOST = ChargeUnknown("no answer")


class Killed(BaseException):
    """As by kill -9: nothing after it runs."""


class Provider:
    """Counts what it did, and so what it charges for."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.charged, self.seconds = 0, seconds

    async def call(self) -> int:
        self.charged += 1
        await asyncio.sleep(self.seconds)
        return self.charged


async def waited_for(attempt: Callable[[], Awaitable[int]]) -> int:
    """As the queue does with what is given back uncounted."""
    while True:
        try:
            return await attempt()
        except Throttled as refusal:
            await asyncio.sleep(refusal.after or 0)


# --- One task -----------------------------------------------------------------------------


@in_virtual_time
async def test_an_answer_is_paid_for_once() -> None:
    shop, provider = Shop(), Provider()
    for _ in range(2):
        assert await shop.paid("detect", provider.call) == 1
    assert provider.charged == 1


@in_virtual_time
async def test_an_answer_of_a_newer_release_is_not_paid_for_again() -> None:
    shop, provider = Shop(), Provider()
    await shop.paid("detect", provider.call)
    (key,) = (key for key in shop.assets.assets if key.endswith(".answered.json"))
    data, info = shop.assets.assets[key]
    newer = json.dumps({"format": 2, "answer": json.loads(data)}).encode()
    shop.assets.assets[key] = newer, info
    with pytest.raises(NewerFormat) as waits:
        await shop.paid("detect", provider.call)
    assert provider.charged == 1
    assert not waits.value.counts  # its task goes on where somebody can read it


@in_virtual_time
async def test_a_call_that_was_cut_off_is_repeated_once() -> None:
    shop, provider = Shop(), Provider()
    with pytest.raises(ChargeUnknown):
        await shop.paid("detect", failing(LOST))
    for _ in range(2):
        assert await shop.paid("detect", provider.call) == 1
    assert (provider.charged, shop.states()) == (1, [UNKNOWN, PAID])
    assert shop.ledger.pages["t1"].cost()["maybe_usd"] == ESTIMATE / 1e6


@in_virtual_time
async def test_no_more_is_spent_after_two_calls_that_were_cut_off() -> None:
    shop = Shop()
    for _ in range(2):
        with pytest.raises(ChargeUnknown):
            await shop.paid("detect", failing(LOST))
    with pytest.raises(EngineFailed, match="cut off twice"):
        await shop.paid("detect", never)


@in_virtual_time
async def test_each_step_has_a_repetition_of_its_own() -> None:
    """An uncertain detection is no reason to give up a picture that is worth forty of it."""
    shop = Shop()
    for name in STEPS:
        with pytest.raises(ChargeUnknown):
            await shop.paid(name, failing(LOST))
        assert await shop.paid(name, answer) == 1


@in_virtual_time
async def test_a_call_whose_end_is_not_known_is_waited_for() -> None:
    shop, provider = Shop(), Provider(seconds=40.0)
    first = asyncio.create_task(shop.paid("detect", provider.call))
    await asyncio.sleep(1)
    assert await waited_for(lambda: shop.paid("detect", never)) == 1
    assert (provider.charged, await first, shop.states()) == (1, 1, [PAID])


@in_virtual_time
async def test_a_call_is_repeated_when_its_end_will_never_be_known() -> None:
    shop, looks, begun = Shop(), list[float](), clock()
    with pytest.raises(Killed):
        await shop.paid("detect", failing(Killed()))
    assert shop.states() == [RESERVED]

    def attempt() -> Awaitable[int]:
        looks.append(clock() - begun)
        return shop.paid("detect", answer)

    assert await waited_for(attempt) == 1
    assert looks[-1] == pytest.approx(PATIENCE, abs=0.01)
    assert len(looks) < 12  # each of them is an attempt
    assert shop.states() == [UNKNOWN, PAID]


@in_virtual_time
async def test_an_answer_that_only_its_file_tells_of_is_used() -> None:
    """Killed after the file and before the page."""

    class DyingLedger(MemoryLedger):
        async def write(self, page: TaskSpend, **limits: object) -> TaskSpend:
            if any(call.state is PAID for call in page.calls) and not dead:
                dead.append(True)
                raise Killed
            return await super().write(page)

    dead: list[bool] = []
    shop = Shop(ledger=DyingLedger(clock))
    with pytest.raises(Killed):
        await shop.paid("detect", answer)
    assert shop.states() == [RESERVED]
    assert await shop.paid("detect", never) == 1
    assert (shop.states(), await shop.spent()) == ([PAID], PRICE)
    assert shop.calls()[0].request_id == "r1"


@in_virtual_time
async def test_an_answer_that_comes_after_all_is_used() -> None:
    """A worker that nobody believed to be alive was answered while another waited for its turn."""
    shop, provider = Shop(), Provider(seconds=2 * PATIENCE)
    slow = asyncio.create_task(shop.paid("detect", provider.call))
    await asyncio.sleep(PATIENCE + 1)
    limits = plenty()
    waiting = asyncio.create_task(shop.steps().run(step("detect", never, limits=limits)))
    async with limits._turn:
        assert await slow == 1
    with pytest.raises(Throttled):
        await waiting
    assert await shop.paid("detect", never) == 1
    assert (provider.charged, shop.states()) == (1, [PAID])


@in_virtual_time
async def test_an_answer_is_believed_though_its_call_was_given_up() -> None:
    """The one that was answered after all died before it could write it on the page."""
    shop = Shop()
    with pytest.raises(ChargeUnknown):
        await shop.paid("detect", failing(LOST))
    (line,) = shop.calls()
    found = step("detect", answer).answered(7, at=clock())
    await Answers(shop.assets).keep("t1", line, found)
    assert await shop.paid("detect", never) == 7
    assert (shop.states(), await shop.spent()) == ([PAID], PRICE)


@in_virtual_time
async def test_of_two_workers_at_the_same_step_one_makes_the_call() -> None:
    class FarLedger(MemoryLedger):
        """Both read before one writes."""

        async def read(self, task_id: str) -> TaskSpend | None:
            page = await super().read(task_id)
            await asyncio.sleep(0.01)
            return page

    shop, provider = Shop(ledger=FarLedger(clock)), Provider(seconds=1.0)
    both = (shop.paid("detect", provider.call) for _ in range(2))
    ended = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ended) == ["Throttled", "int"]
    assert provider.charged == 1


@in_virtual_time
async def test_an_answer_that_could_not_be_kept_is_asked_for_once_more() -> None:
    assets, provider = FlakyAssets(), Provider()
    shop = Shop(assets=assets)
    for _ in range(2):
        assets.away = 1e9
        await shop.paid("detect", provider.call)
    with pytest.raises(EngineFailed):
        await shop.paid("detect", provider.call)
    assert (provider.charged, shop.states()) == (2, [PAID, PAID])


@in_virtual_time
async def test_no_client_can_read_the_files() -> None:
    shop = Shop()
    await shop.paid("detect", answer)
    (data, _) = shop.assets.assets["jobs/t1/detect.1.answered.json"]
    told = json.loads(data)
    assert told.pop("at") == pytest.approx(clock())
    assert told == {
        "format": 1,
        "micros": PRICE,
        "estimated": False,
        "request_id": "r1",
        "answer": {"number": 1},
    }


# --- Tasks that repeat others -------------------------------------------------------------


@in_virtual_time
async def test_a_task_begins_with_what_the_one_it_repeats_has_paid_for() -> None:
    shop = Shop()
    await shop.paid("detect", answer, task="t1")
    assert await shop.paid("detect", never, task="t2", retry_of="t1") == 1
    assert await shop.paid("detect", never, task="t3", retry_of="t2") == 1
    assert (shop.calls("t2"), shop.calls("t3"), await shop.spent()) == ([], [], PRICE)


@in_virtual_time
async def test_the_call_of_a_cancelled_task_is_waited_for_and_paid_for_once() -> None:
    shop, provider = Shop(), Provider(seconds=30.0)
    cancelled = asyncio.create_task(shop.paid("generate", provider.call, task="t1"))
    await asyncio.sleep(1)
    cancelled.cancel()
    found = await waited_for(lambda: shop.paid("generate", never, task="t2", retry_of="t1"))
    assert (found, provider.charged, shop.calls("t2")) == (1, 1, [])


@in_virtual_time
async def test_a_call_of_an_earlier_task_that_was_cut_off_is_not_this_ones_repetition() -> None:
    shop = Shop()
    with pytest.raises(Killed):
        await shop.paid("generate", failing(Killed()), task="t1")
    await asyncio.sleep(PATIENCE)
    with pytest.raises(ChargeUnknown):
        await shop.paid("generate", failing(LOST), task="t2", retry_of="t1")
    assert await shop.paid("generate", answer, task="t2", retry_of="t1") == 1
    assert (shop.states("t1"), shop.states("t2")) == ([UNKNOWN], [UNKNOWN, PAID])


@in_virtual_time
async def test_useless_answers_are_not_adopted() -> None:
    shop = Shop()
    steps = shop.steps("t1")
    await steps.run(step("detect", answer))
    await steps.useless("detect")
    assert await shop.paid("detect", never, task="t1") == 1  # it comes to the same end
    assert await shop.paid("detect", answer, task="t2", retry_of="t1") == 1
    assert await shop.spent() == 2 * PRICE


@in_virtual_time
async def test_an_answer_is_marked_where_it_was_paid_for() -> None:
    shop = Shop()
    await shop.paid("generate", answer, task="t1")
    repeated = shop.steps("t2", retry_of="t1")
    await repeated.run(step("generate", never))
    assert not repeated.is_own("generate")
    await repeated.useless("generate")
    assert await shop.paid("generate", answer, task="t2", retry_of="t1") == 1
    assert (shop.states("t1"), shop.states("t2")) == ([PAID], [PAID])


@in_virtual_time
async def test_another_providers_answer_is_not_adopted() -> None:
    shop = Shop()
    await shop.paid("detect", answer, task="t1")
    (line,) = shop.calls("t1")
    page = shop.ledger.pages["t1"]
    other = page.without(line).reserve(
        "detect", provider="y", model="m", micros=1, today=page.day, now=clock()
    )
    await shop.ledger.write(other.paid(other.calls[0], 1, request_id=None))
    assert await shop.paid("detect", answer, task="t2", retry_of="t1") == 1
    assert shop.states("t2") == [PAID]


@in_virtual_time
async def test_tasks_that_repeat_each_other_are_not_followed_for_ever() -> None:
    shop = Shop()
    for task, other in (("t1", "t2"), ("t2", "t1")):
        with pytest.raises(ChargeUnknown):
            await shop.paid("detect", failing(LOST), task=task, retry_of=other)
    assert await shop.paid("detect", answer, task="t1", retry_of="t2") == 1


# --- Bytes that an answer points to -------------------------------------------------------


async def fetched(answered_at: float) -> bytes:
    assert answered_at == pytest.approx(clock())
    return b"picture"


async def unwanted(_: float) -> bytes:
    raise AssertionError("nothing is fetched")


@in_virtual_time
async def test_bytes_are_fetched_once() -> None:
    shop = Shop()
    for task, retry_of, fetch in (
        ("t1", None, fetched),
        ("t1", None, unwanted),
        ("t2", "t1", unwanted),
    ):
        steps = shop.steps(task, retry_of=retry_of)
        await steps.run(step("generate", answer))
        assert await steps.bytes_of("generate", fetch) == b"picture"


@in_virtual_time
async def test_bytes_outlive_a_store_that_is_away() -> None:
    assets = FlakyAssets()
    shop = Shop(assets=assets)
    steps = shop.steps()
    await steps.run(step("generate", answer))
    assets.away = 1e9
    assert await steps.bytes_of("generate", fetched) == b"picture"


# --- Dying anywhere -----------------------------------------------------------------------


class Deaths:
    """Dies before or after a write whose number is in `moments`; the writes of both stores are
    numbered together."""

    def __init__(self, moments: Mapping[int, str]) -> None:
        self.moments, self.writes = moments, 0

    async def around(self, write: Callable[[], Awaitable[Written]]) -> Written:
        self.writes += 1
        when = self.moments.get(self.writes)
        if when == "before":
            raise Killed
        written = await write()
        if when == "after":
            raise Killed
        return written


class MortalAssets(MemoryAssets):
    def __init__(self, deaths: Deaths) -> None:
        super().__init__()
        self.deaths = deaths

    async def put(self, key: str, data: bytes, **options: Any) -> None:
        await self.deaths.around(partial(super().put, key, data, **options))


class MortalLedger(MemoryLedger):
    def __init__(self, deaths: Deaths) -> None:
        super().__init__(clock)
        self.deaths = deaths

    async def write(self, page: TaskSpend, **limits: Any) -> TaskSpend:
        return await self.deaths.around(partial(super().write, page, **limits))


class MortalProvider(Provider):
    """`endings`: of its calls; those beyond are fine."""

    def __init__(self, endings: Sequence[str]) -> None:
        super().__init__()
        self.endings = iter(endings)

    async def call(self) -> int:
        how = next(self.endings, "fine")
        if how == "dies before":
            raise Killed
        number = await super().call()
        if how == "dies after":
            raise Killed
        if how == "lost":
            raise LOST
        return number


async def all_steps(shop: Shop, provider: Provider, answers: Mapping[str, set[int]]) -> bool:
    """Whether they come to an end, in however many attempts on whatever machines."""
    for _ in range(200):
        try:
            for name in STEPS:
                answers[name].add(await shop.paid(name, provider.call))
        except Throttled as refusal:
            await asyncio.sleep(refusal.after or 0)
        except (Killed, RetryableError):
            continue
        except EngineFailed:
            return True
        else:
            return True
    return False


@given(
    moments=st.dictionaries(st.integers(1, 16), st.sampled_from(["before", "after"]), max_size=6),
    endings=st.lists(st.sampled_from(["fine", "dies before", "dies after", "lost"]), max_size=6),
)
@settings(max_examples=300, deadline=None)
@in_virtual_time
async def test_wherever_it_dies_at_most_one_call_of_a_step_is_repeated(
    moments: Mapping[int, str], endings: Sequence[str]
) -> None:
    deaths = Deaths(moments)
    shop, provider = Shop(MortalAssets(deaths), MortalLedger(deaths)), MortalProvider(endings)
    answers: dict[str, set[int]] = {name: set() for name in STEPS}
    assert await all_steps(shop, provider, answers)
    assert provider.charged <= 2 * len(STEPS)
    assert all(len(found) <= 1 for found in answers.values())  # never two answers of one step
    assert await shop.spent() >= provider.charged * PRICE  # nothing was paid unaccounted for
    assert RESERVED not in shop.states()
