"""Whose message is next on the embedded queue: that of whoever has the least running."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from short_drama.backends.embedded.claiming_queue import EmbeddedClaimingQueue
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.ports import Delivery

QUEUE, LETTERS = "line", "line-dlq"


@dataclass
class Line:
    database: Database
    wakeups: Wakeups
    now: float = 1000.0

    def queue(self, most_each: int | None = None, max_receives: int = 3) -> EmbeddedClaimingQueue:
        return EmbeddedClaimingQueue(
            self.database,
            self.wakeups,
            QUEUE,
            dead_letter=LETTERS,
            max_receives=max_receives,
            most_each=most_each,
            clock=lambda: self.now,
        )

    async def send(self, *bodies: str) -> None:
        """Each of whose name it begins with, a moment after the one before."""
        for body in bodies:
            self.now += 0.001
            await self.queue().send(body, group=body.rstrip("0123456789"))


@pytest_asyncio.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with Database(tmp_path / "tasks.db") as database, Wakeups(tmp_path) as wakeups:
        yield Line(database, wakeups)


async def take(queue: EmbeddedClaimingQueue, but: tuple[str, ...] = ()) -> Delivery | None:
    taken = await queue.receive_and_claim(lambda found: found, wait=0, lease=60, but=but)
    return None if taken is None else taken[0]


async def bodies(queue: EmbeddedClaimingQueue, number: int) -> list[str]:
    """Of so many, all of them held."""
    taken = [await take(queue) for _ in range(number)]
    return [one.body for one in taken if one is not None]


async def test_one_owners_come_in_the_order_of_their_arrival(line: Line) -> None:
    await line.send("a1", "a2", "a3")
    assert await bodies(line.queue(), 4) == ["a1", "a2", "a3"]


async def test_a_newcomer_is_next_however_many_wait(line: Line) -> None:
    await line.send(*(f"a{number}" for number in range(40)))
    assert await bodies(line.queue(), 2) == ["a0", "a1"]
    await line.send("b0", "b1", "b2")
    assert await bodies(line.queue(), 5) == ["b0", "b1", "a2", "b2", "a3"]


async def test_of_those_with_as_many_running_the_least_recently_served_is_next(line: Line) -> None:
    await line.send("a0", "a1", "b0", "b1", "c0")
    queue, served = line.queue(), []
    for _ in range(5):
        held = await take(queue)
        assert held is not None
        served.append(held.body)
        await queue.ack(held)
    assert served == ["a0", "b0", "c0", "a1", "b1"]


async def test_what_was_given_back_or_lapsed_does_not_run(line: Line) -> None:
    await line.send("a0", "a1", "b0")
    queue = line.queue()
    held = await take(queue)
    assert held is not None
    await queue.release(held, delay=30)  # it is tried again later: nobody works on it
    assert await bodies(queue, 1) == ["b0"]
    assert await bodies(queue, 1) == ["a1"]
    line.now += 61
    assert sorted(await bodies(queue, 3)) == ["a0", "a1", "b0"]


async def test_no_more_of_one_owner_run_than_may(line: Line) -> None:
    await line.send("a0", "a1", "a2", "b0")
    queue = line.queue(most_each=2)
    held = [await take(queue) for _ in range(4)]
    assert [one and one.body for one in held] == ["a0", "b0", "a1", None]
    assert held[0] is not None
    await queue.ack(held[0])
    again = await take(queue)
    assert again is not None
    assert (again.body, again.receives) == ("a2", 1)


async def test_whoever_waits_hears_that_an_owner_may_go_on(tmp_path: Path) -> None:
    async with Database(tmp_path / "tasks.db") as database, Wakeups(tmp_path) as wakeups:
        queue = EmbeddedClaimingQueue(database, wakeups, QUEUE, most_each=1)
        for body in ("a0", "a1"):
            await queue.send(body, group="a")
        held = await take(queue)
        assert held is not None
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(queue.receive(wait=60, lease=60))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await queue.ack(held)
        delivery = waiting.result()
        assert delivery is not None
        assert delivery.body == "a1"


async def test_some_owners_may_be_left_out(line: Line) -> None:
    await line.send("a0", "b0")
    assert await take(line.queue(), but=("a", "b")) is None
    other = await take(line.queue(), but=("a",))
    assert other is not None
    assert other.body == "b0"


async def test_who_leaves_some_out_looks_once_at_news_of_many(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = [0], line.database.look

    def counted(work: Callable[[sqlite3.Connection], Any]) -> Any:
        looks[0] += 1
        return look(work)

    await line.send("a0", "a1")
    monkeypatch.setattr(line.database, "look", counted)
    waiting = line.queue().receive_and_claim(
        lambda found: found, wait=60, lease=60, but=frozenset("a")
    )
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(waiting)
        for _ in range(100):
            line.wakeups.notify(QUEUE)
            await asyncio.sleep(0)
        await line.send("b0")
    taken = taking.result()
    assert taken is not None
    assert taken[0].body == "b0"
    assert looks[0] < 20


async def test_a_dead_letter_is_still_its_owners(line: Line) -> None:
    await line.send("a0")
    queue = line.queue(max_receives=1)
    held = await take(queue)
    assert held is not None
    await queue.release(held, delay=0)
    assert await take(queue) is None

    def letters(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
        rows = db.execute("SELECT queue, owner, is_held FROM messages").fetchall()
        return [tuple(row) for row in rows]

    assert line.database.look(letters) == [(LETTERS, "a", 0)]


async def test_a_hundred_thousand_of_one_owner_are_not_gone_through(line: Line) -> None:
    """Counted in steps of SQLite's machine, which are the same on every computer."""

    def flood(db: sqlite3.Connection) -> None:
        db.executemany(
            "INSERT INTO messages (queue, owner, body, sent_at, visible_at) VALUES (?, ?, ?, 0, ?)",
            ((QUEUE, "a", f"a{number}", number / 1e3) for number in range(100_000)),
        )

    await line.send("b0")
    few = await _steps(line)
    await line.database.write(flood)
    line.now += 1000
    await line.send("b1")
    assert await _steps(line) < few + 500


async def _steps(line: Line) -> int:
    """Of one receive, in tens."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connection = line.database._connection
    connection.set_progress_handler(count, 10)
    try:
        assert await take(line.queue()) is not None
    finally:
        connection.set_progress_handler(None, 0)
    return 10 * counted
