"""A message and the claim of its task are one write: both stand, or neither does."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from short_drama.backends.embedded.claiming_queue import EmbeddedClaimingQueue
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.errors import TaskConflict, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import Claim, Delivery
from tests.samples import a_task

NOW = 1000.0


@dataclass
class Line:
    database: Database
    store: EmbeddedTaskStore
    queue: EmbeddedClaimingQueue

    async def take(
        self, claim: Callable[[Task], Task] | None = None
    ) -> tuple[Delivery, Claim | None] | None:
        return await self.queue.receive_and_claim(claim or by_alice, wait=0, lease=60)


def by_alice(found: Task) -> Task:
    return found.claim("alice", now=NOW, lease=60)


@pytest_asyncio.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with Database(tmp_path / "tasks.db") as database, Wakeups(tmp_path) as wakeups:
        store = EmbeddedTaskStore(database, wakeups)
        yield Line(database, store, EmbeddedClaimingQueue(database, wakeups, Lane.GPU.queue))


async def test_the_task_is_claimed_as_its_message_is_received(line: Line) -> None:
    created = await line.store.create(a_task())
    taken = await line.take()
    assert taken is not None
    delivery, claim = taken
    assert claim is not None
    assert (TaskMessage.from_body(delivery.body).task_id, delivery.receives) == ("t1", 1)
    assert claim.found == created
    assert (claim.task.status, claim.task.lease_owner) == (TaskStatus.PROCESSING, "alice")
    assert await line.store.get("t1") == claim.task
    assert (await line.queue.depth()).in_flight == 1
    assert await line.take() is None


async def test_whoever_follows_the_task_hears_of_it(line: Line) -> None:
    created = await line.store.create(a_task())
    await line.take()
    changed = await line.store.wait_for_change("t1", created.version, timeout=0)
    assert changed is not None
    assert changed.status is TaskStatus.PROCESSING


async def test_a_claim_that_is_refused_leaves_the_task_as_it_was(line: Line) -> None:
    created = await line.store.create(a_task())

    def refused(found: Task) -> Task:
        raise TaskConflict("it has ended")

    taken = await line.take(refused)
    assert taken is not None
    assert taken[1] is None
    assert await line.store.get("t1") == created
    assert (await line.queue.depth()).in_flight == 1


@pytest.mark.parametrize("body", ["no message of ours", TaskMessage.of(a_task("gone")).to_body()])
async def test_a_message_without_a_task_is_received_alone(line: Line, body: str) -> None:
    await line.queue.send(body)
    taken = await line.take()
    assert taken is not None
    assert (taken[0].body, taken[1]) == (body, None)


async def test_neither_stands_when_the_write_fails(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await line.store.create(a_task())
    connection: Any = line.database._connection

    class Full:
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if statement == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            cursor: sqlite3.Cursor = connection.execute(statement, *arguments)
            return cursor

        def __getattr__(self, name: str) -> Any:
            return getattr(connection, name)

    with monkeypatch.context() as patched:
        patched.setattr(line.database, "_connection", Full())
        with pytest.raises(Unavailable):
            await line.take()
    assert await line.store.get("t1") == created
    assert (await line.queue.depth()).waiting == 1
    assert await line.take() is not None
