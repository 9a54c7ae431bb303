"""What a server may have died of runs alone."""

import asyncio

import pytest

from short_drama.comfyui_api.engine.quarantine import Quarantine


class Inside:
    """Who is in the server, and a way to let them go."""

    def __init__(self) -> None:
        self.quarantine = Quarantine()
        self.tasks: list[str] = []
        self._leaving: dict[str, asyncio.Event] = {}

    def enter(self, task: str) -> "asyncio.Task[None]":
        self._leaving[task] = asyncio.Event()
        return asyncio.create_task(self._stay(task))

    async def leave(self, task: str) -> None:
        self._leaving[task].set()
        await settle()

    async def _stay(self, task: str) -> None:
        async with self.quarantine.place(task):
            self.tasks.append(task)
            await self._leaving[task].wait()
            self.tasks.remove(task)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def inside() -> Inside:
    return Inside()


async def test_who_is_not_suspected_is_together_with_others(inside: Inside) -> None:
    staying = [inside.enter(task) for task in "ab"]
    await settle()
    assert inside.tasks == ["a", "b"]
    for task in "ab":
        await inside.leave(task)
    await asyncio.gather(*staying)


async def test_a_suspect_is_alone(inside: Inside) -> None:
    inside.quarantine.suspect("s")
    staying = [inside.enter(task) for task in "asb"]
    await settle()
    assert inside.tasks == ["a"]
    await inside.leave("a")
    assert inside.tasks == ["s"]
    await inside.leave("s")
    assert inside.tasks == ["b"]
    await inside.leave("b")
    await asyncio.gather(*staying)


async def test_suspects_go_one_after_the_other(inside: Inside) -> None:
    for task in "st":
        inside.quarantine.suspect(task)
    staying = [inside.enter(task) for task in "st"]
    await settle()
    assert inside.tasks == ["s"]
    await inside.leave("s")
    assert inside.tasks == ["t"]
    await inside.leave("t")
    await asyncio.gather(*staying)


async def test_a_suspect_that_no_longer_wants_in_holds_up_nobody(inside: Inside) -> None:
    inside.quarantine.suspect("s")
    first, suspect, last = (inside.enter(task) for task in "asb")
    await settle()
    suspect.cancel()
    await settle()
    assert inside.tasks == ["a", "b"]
    for task in "ab":
        await inside.leave(task)
    await asyncio.gather(first, last)


def test_deaths_are_counted_until_it_ends_once() -> None:
    quarantine = Quarantine()
    assert "each" not in quarantine.died_of("s").detail
    assert "each of the 2 times" in quarantine.died_of("s").detail
    quarantine.survived("s")
    assert "each" not in quarantine.died_of("s").detail
