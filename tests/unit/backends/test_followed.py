"""One poll for each task that is followed, whoever follows it."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from short_drama.backends.aws import followed as module
from short_drama.backends.aws.followed import Followed
from short_drama.domain.errors import Unavailable
from short_drama.domain.task import Task
from tests.samples import a_task


class Table:
    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.reads = Counter[str]()
        self.failing = False
        self.followed = Followed(self.get, clock=asyncio.get_running_loop().time)

    async def get(self, task_id: str) -> Task | None:
        self.reads[task_id] += 1
        found = self.tasks.get(task_id)
        await asyncio.sleep(0)
        if self.failing:
            raise Unavailable("no answer")
        return found

    def put(self, version: int, task_id: str = "t1") -> None:
        self.tasks[task_id] = replace(a_task(task_id), version=version)

    async def waiting(
        self, version: int, count: int = 1, *, timeout: float = 30.0
    ) -> "list[asyncio.Task[Task | None]]":
        waiting = [
            asyncio.create_task(self.followed.wait("t1", version, timeout=timeout))
            for _ in range(count)
        ]
        await asyncio.sleep(0.02)
        return waiting


async def versions(waiting: "list[asyncio.Task[Task | None]]") -> set[int | None]:
    async with asyncio.timeout(10):
        found = await asyncio.gather(*waiting)
    return {None if task is None else task.version for task in found}


@pytest.fixture
async def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(module, "FIRST_LOOK", 0.01)
    monkeypatch.setattr(module, "LONGEST_LOOK", 0.05)
    return Table()


async def test_all_who_wait_for_a_task_share_its_looks(table: Table) -> None:
    table.put(1)
    waiting = await table.waiting(1, 100)
    began = table.reads["t1"]
    await asyncio.sleep(0.3)
    assert table.reads["t1"] - began <= 31
    table.put(2)  # by another process, of which nobody hears
    assert await versions(waiting) == {2}
    assert len(table.followed) == 0


async def test_our_own_write_is_seen_at_once(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LOOK", 60.0)
    table.put(1)
    waiting = await table.waiting(1, 3)
    table.put(2)
    table.followed.ring("t1")
    assert await versions(waiting) == {2}


async def test_each_waits_for_another_version_than_its_own(table: Table) -> None:
    table.put(2)
    assert await versions(await table.waiting(1)) == {2}
    waiting = await table.waiting(2)
    assert not waiting[0].done()
    table.tasks.clear()
    assert await versions(waiting) == {None}


async def test_who_waits_long_enough_is_told_how_it_is(table: Table) -> None:
    table.put(1)
    assert await versions(await table.waiting(1, 2, timeout=0.1)) == {1}
    assert await versions(await table.waiting(1, timeout=0.0)) == {1}
    assert len(table.followed) == 0


async def test_a_table_that_does_not_answer_is_told_to_all(table: Table) -> None:
    table.put(1)
    waiting = await table.waiting(1, 3)
    table.failing = True
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable] * 3
    table.failing = False
    waiting = await table.waiting(1, 2)
    table.put(2)
    assert await versions(waiting) == {2}


async def test_a_change_while_one_begins_to_wait_is_not_missed(table: Table) -> None:
    """Its own look is slower than the one that brings the change to the others."""
    table.put(1)
    first = await table.waiting(1)
    quick, answer = table.get, asyncio.Event()

    async def slow(task_id: str) -> Task | None:
        found = await quick(task_id)
        await answer.wait()
        return found

    table.followed._get = slow
    second = await table.waiting(1)
    table.put(2)
    assert await versions(first) == {2}
    answer.set()
    assert await versions(second) == {2}
