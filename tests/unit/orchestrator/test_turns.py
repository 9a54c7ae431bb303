"""One look for all who wait for another thing to be seen."""

import asyncio

import pytest

from short_drama.orchestrator import turns as module
from short_drama.orchestrator.turns import Turns


class Sight:
    def __init__(self) -> None:
        self.turns: Turns[str] = Turns()
        self.now, self.looks = "day", 0

    async def look(self) -> None:
        self.looks += 1
        self.turns.saw(self.now)

    async def waiting(self, count: int) -> "list[asyncio.Task[None]]":
        waiting = [asyncio.create_task(self.turns.next(self.look)) for _ in range(count)]
        await asyncio.sleep(0)
        return waiting


@pytest.fixture
def sight(monkeypatch: pytest.MonkeyPatch) -> Sight:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    return Sight()


async def test_all_who_wait_hear_of_a_turn_and_share_the_looks(sight: Sight) -> None:
    await sight.look()
    waiting = await sight.waiting(100)
    await asyncio.sleep(0.1)
    assert sum(task.done() for task in waiting) == 0
    assert 1 < sight.looks <= 11
    sight.now = "night"
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)


async def test_who_happens_to_look_tells_all_who_wait(sight: Sight) -> None:
    await sight.look()
    waiting = await sight.waiting(2)
    sight.turns.saw("night")
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert sight.looks == 1


async def test_nobody_looks_while_nobody_waits(sight: Sight) -> None:
    for task in await sight.waiting(3):
        task.cancel()
    await asyncio.sleep(0.05)
    assert sight.looks == 0


async def test_one_look_that_fails_does_not_end_the_looking(sight: Sight) -> None:
    await sight.look()
    (first,) = await sight.waiting(1)
    assert sight.turns._looking is not None
    sight.turns._looking.cancel()
    await asyncio.sleep(0)
    sight.now = "night"
    second = asyncio.create_task(sight.turns.next(sight.look))
    async with asyncio.timeout(5):
        await asyncio.gather(first, second)
