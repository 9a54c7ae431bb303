"""How the embedded backend's lists are read: along indexes, and not further than a bound."""

import asyncio
import itertools
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded import line, shot_order, task_lists, task_queue
from short_drama.backends.embedded.database import Database, Reads
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.kinds import Lane
from short_drama.domain.shots import Shot
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import TaskFilter
from tests.samples import NOW, a_task

FILTERS: dict[str, dict[str, Any]] = {
    "owner": {"owner": "local"},
    "lane": {"lane": Lane.GPU},
    "status": {"statuses": [TaskStatus.FAILED]},
    "statuses": {"statuses": [TaskStatus.FAILED, TaskStatus.PENDING]},
    "kind": {"kinds": ["face-swap"]},
    "kinds": {"kinds": ["face-swap", "face-mask"]},
    "label": {"labels": [("shot", "7")]},
    "labels": {"labels": [("shot", "7"), ("episode", "3")]},
    "take of": {"labels": [("project", "x"), ("shot", "7")]},
    "made of": {"derived_from": "t"},
    "text": {"text": "words"},
    "after": {"created_after": NOW},
    "before": {"created_before": NOW},
}
TWO = [
    {**one, **other}
    for one, other in itertools.combinations([{}, *FILTERS.values()], 2)
    if not one.keys() & other.keys()
]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "tasks.db") as database:
        yield database


@pytest.fixture
async def store(database: Database, tmp_path: Path) -> AsyncIterator[EmbeddedTaskStore]:
    async with Wakeups(tmp_path) as wakeups:
        yield EmbeddedTaskStore(database, wakeups)


def plan(db: sqlite3.Connection, sql: str, values: Sequence[Any]) -> str:
    return "; ".join(row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values))


@pytest.mark.parametrize("is_oldest_first", [False, True])
async def test_no_one_or_two_filters_read_past_what_an_index_tells(
    database: Database, is_oldest_first: bool
) -> None:
    span = task_lists.Span((NOW, 7), (NOW + 9, 7), is_oldest_first)

    def look(db: sqlite3.Connection) -> list[str]:
        return [
            plan(db, *task_lists.statement(stretch, wanted, span))
            for wanted in (TaskFilter(**where) for where in TWO)
            for way in task_lists.ways_to(wanted, ["local"])
            for stretch in way
        ]

    plans = await database.read(look)
    assert len(plans) > len(TWO)
    for told in plans:
        assert not re.search("SCAN (tasks|labels|other)", told)
        assert "TEMP B-TREE" not in told  # for sorting
        assert told.startswith("SEARCH")
        assert "created_at>?" in told or "(created_at,number)>(?,?)" in told
        assert "created_at<?" in told or "(created_at,number)<(?,?)" in told


async def test_shots_are_read_in_the_order_of_their_labels(database: Database) -> None:
    where = TaskFilter(owner="local", labels=[("project", "x"), ("episode", "3")])
    place = Shot(project="x", episode="3", shot="7").place, NOW, 7
    told = await database.read(lambda db: plan(db, *shot_order.statement(where, place)))
    assert told.startswith("SEARCH labels USING PRIMARY KEY (owner=? AND key=? AND ")
    assert "SCAN labels" not in told
    assert "TEMP B-TREE" not in told


async def test_owners_are_found_a_step_each(database: Database) -> None:
    told = await database.read(lambda db: plan(db, task_lists._OWNERS, ()))
    assert "SCAN tasks" not in told
    assert told.count("SEARCH tasks USING COVERING INDEX") == 2


async def test_what_is_rarest_is_followed(
    store: EmbeddedTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then its few rows are all that is looked at, and one page has everything."""
    monkeypatch.setattr(task_lists, "_MOST_LOOKS", 5)
    for number in range(40):
        labels = {"show": "x", **({"shot": "7"} if number % 20 == 0 else {})}
        task = a_task(f"t{number:02}", created_at=NOW + number, labels=labels)
        await store.create(task.cancel(now=NOW) if number in (20, 25, 30) else task)
    cancelled = [TaskStatus.CANCELLED]
    for where, found in (
        ({"labels": [("show", "x"), ("shot", "7")]}, ["t20", "t00"]),
        ({"labels": [("show", "x")], "statuses": cancelled}, ["t30", "t25", "t20"]),
        ({"kinds": ["camera-angle"], "labels": [("shot", "7")]}, ["t20", "t00"]),
        ({"kinds": ["camera-angle"], "statuses": cancelled}, ["t30", "t25", "t20"]),
    ):
        page = await store.list(TaskFilter(**where), cursor=None, limit=10)
        assert [task.task_id for task in page.tasks] == found
        assert page.next_cursor is None


async def test_a_page_looks_at_so_many_rows_and_the_next_goes_on(
    store: EmbeddedTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_lists, "_MOST_LOOKS", 5)
    for number in range(30):
        labels = {"odd" if number % 2 else "even": "x", **({"last": "x"} if number < 15 else {})}
        await store.create(a_task(f"t{number:02}", created_at=NOW + number, labels=labels))
    where = TaskFilter(labels=[("odd", "x"), ("last", "x")])
    seen: list[list[str]] = []
    cursor, more = None, True
    while more:
        page = await store.list(where, cursor=cursor, limit=3)
        seen.append([task.task_id for task in page.tasks])
        cursor, more = page.next_cursor, page.next_cursor is not None
    assert sum(seen, []) == [f"t{number:02}" for number in range(13, 0, -2)]  # noqa: RUF017
    assert [] in seen
    assert len(seen) <= 5


@pytest.mark.parametrize("apart", [1, 2, 3, 1_000])
async def test_a_place_counts_from_the_nearest_mark(
    store: EmbeddedTaskStore, monkeypatch: pytest.MonkeyPatch, apart: int
) -> None:
    monkeypatch.setattr(line, "_APART", apart)
    made = [
        await store.create(a_task(f"t{number}", created_at=NOW + number // 3))  # three at once
        for number in range(12)
    ]
    await store.create(a_task("elsewhere", kind="face-mask", created_at=NOW - 1))
    for number, task in enumerate(made):
        assert (await store.outlook(task)).position == number // 3 * 3 + 1
    # One that has come since the marks were read is counted as well.
    for last in (a_task("u", created_at=NOW + 50), a_task("v", created_at=NOW + 60)):
        assert (await store.outlook(await store.create(last))).position > len(made)


async def test_many_views_at_once_read_the_line_once(
    store: EmbeddedTaskStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, asked = await store.create(a_task()), Counter[str]()
    read = database.read

    async def counted(work: Any, **by: Any) -> Any:
        asked[work.__qualname__.split(".")[0]] += 1
        return await read(work, **by)

    monkeypatch.setattr(database, "read", counted)
    await asyncio.gather(*(store.outlook(task) for _ in range(20)))
    assert asked == {"Line": 1, "EmbeddedTaskStore": 20}


async def test_many_messages_are_counted_once_for_a_while(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_queue, "_MANY", 2)
    async with Wakeups(tmp_path) as wakeups:
        queue = EmbeddedTaskQueue(database, wakeups, "q")
        depths = []
        for number in range(5):
            await queue.send(str(number))
            depths.append((await queue.depth()).waiting)
        assert depths[:4] == [1, 2, 3, 3]


async def test_lists_views_and_the_sweeper_do_not_wait_for_each_other(
    store: EmbeddedTaskStore, database: Database
) -> None:
    task = await store.create(a_task())
    let_go = threading.Event()
    slow = [
        asyncio.create_task(database.read(lambda _: let_go.wait(30), by=by))
        for by in (Reads.LISTS, Reads.BOOKS)
    ]
    try:
        assert (await store.outlook(task)).position == 1
        assert await store.due(NOW, limit=1) == []
        assert not any(one.done() for one in slow)
    finally:
        let_go.set()
        await asyncio.gather(*slow)
