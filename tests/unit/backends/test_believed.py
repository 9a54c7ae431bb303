"""What many ask for at once is read once."""

import asyncio
from dataclasses import dataclass, field

import pytest

from short_drama.backends.believed import Believed
from short_drama.domain.errors import Unavailable


@dataclass
class Source:
    """Tells how often it was read, once it may."""

    now: float = 0.0
    reads: int = 0
    failing: bool = False
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, key: str) -> int:
        self.reads += 1
        number = self.reads
        await self.may_answer.wait()
        if self.failing:
            raise Unavailable(f"no answer about {key}")
        return number


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def believed(source: Source) -> Believed[str, int]:
    return Believed(source.read, seconds=lambda _: 2.0, clock=lambda: source.now)


async def asked(source: Source, *asking: "asyncio.Future[int]") -> list[int]:
    for _ in range(5):
        await asyncio.sleep(0)
    source.may_answer.set()
    return list(await asyncio.gather(*asking))


async def test_all_who_ask_at_once_share_one_reading(
    source: Source, believed: Believed[str, int]
) -> None:
    crowd = [asyncio.ensure_future(believed.get("a")) for _ in range(100)]
    assert await asked(source, *crowd) == [1] * 100
    source.now = 1.9
    assert await believed.get("a") == 1
    assert await believed.get("b") == 2
    source.now = 2.0
    again = [asyncio.ensure_future(believed.get("a")) for _ in range(100)]
    assert await asked(source, *again) == [3] * 100


async def test_what_does_not_tell_enough_is_read_once_more_for_all(
    source: Source, believed: Believed[str, int]
) -> None:
    first = asyncio.ensure_future(believed.get("a"))
    await asyncio.sleep(0)
    newer = [asyncio.ensure_future(believed.get("a", tells=lambda n: n > 1)) for _ in range(50)]
    assert await asked(source, first, *newer) == [1, *[2] * 50]
    assert source.reads == 2


async def test_what_nothing_tells_is_read_once_for_each_who_asks_later(
    source: Source, believed: Believed[str, int]
) -> None:
    source.may_answer.set()
    for number in (1, 2):
        assert await believed.get("a", tells=lambda _: False) == number


async def test_one_who_stops_waiting_does_not_take_it_from_the_others(
    source: Source, believed: Believed[str, int]
) -> None:
    first, second = (asyncio.ensure_future(believed.get("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await asked(source, second) == [1]


async def test_a_failure_is_all_theirs_who_waited_and_is_not_believed(
    source: Source, believed: Believed[str, int]
) -> None:
    source.failing = True
    source.may_answer.set()
    told = await asyncio.gather(believed.get("a"), believed.get("a"), return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable, Unavailable]
    assert source.reads == 1
    source.failing = False
    assert await believed.get("a") == 2
