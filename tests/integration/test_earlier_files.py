"""Files of earlier versions are brought up to date with all that is in them; newer ones refused."""

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from short_drama.backends.embedded import upgrade
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.read_only import ReadOnlyDatabase
from short_drama.backends.embedded.schema import VERSION, VERSIONS
from short_drama.backends.embedded.shot_store import EmbeddedShotStore
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.errors import EngineFailed, Unavailable
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.record import record_of
from short_drama.domain.shots import Shot
from short_drama.domain.task import Task
from short_drama.domain.timings import timings_of
from short_drama.settings import Settings
from short_drama.wiring.backend import look_into, open_backend
from tests.samples import NOW, a_task

EARLIER = range(1, VERSION)
HELD = a_task("held", version=1, created_at=NOW + 1, labels={"shot": "7"}).claim(
    "alice", now=NOW, lease=60
)
DONE = HELD.heartbeat("alice", 1, now=NOW + 5, lease=60, stage="running").complete(
    "alice", 1, Outcome(result_key="k", details={}), now=NOW + 9
)
TASKS = [
    a_task("waits", version=1, created_at=NOW + 2, labels={"episode": "三", "shot": "7"}),
    HELD,
    replace(DONE, task_id="done"),
    replace(
        HELD.fail("alice", 1, Failure.of(EngineFailed("broken")), now=NOW + 3), task_id="failed"
    ),
    a_task("ended", version=1, owner="other", kind="face-mask", created_at=NOW).cancel(now=NOW),
]
INSERT = (
    "INSERT INTO tasks (task_id, version, status, kind, lane, owner, created_at, ended_at,"
    " run_seconds, due_at, labels, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def the_row(task: Task) -> tuple[object, ...]:
    """As every version up to the fifth wrote it."""
    return (
        task.task_id,
        task.version,
        task.status,
        task.kind,
        task.lane,
        task.owner,
        task.created_at,
        task.ended_at,
        timings_of(task).running_seconds if task.outcome else None,
        task.due_at,
        json.dumps(dict(task.labels)),
        json.dumps(record_of(task)),
    )


@contextlib.contextmanager
def a_file(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


def filled(connection: sqlite3.Connection) -> None:
    connection.executemany(INSERT, map(the_row, TASKS))
    connection.execute(
        "INSERT INTO messages (queue, body, sent_at, visible_at) VALUES (?, 'body', ?, ?)",
        (Lane.GPU.queue, NOW, NOW),
    )


def made_by(version: int, path: Path) -> None:
    with a_file(path) as old:
        for script in VERSIONS[:version]:
            old.executescript(script)
        filled(old)


async def everything_is_there(database: Database, folder: Path) -> None:
    async with Wakeups(folder) as wakeups:
        store = EmbeddedTaskStore(database, wakeups)
        for task in TASKS:
            assert await store.get(task.task_id) == task
        assert await store.held() == [HELD]
        assert await store.oldest_pending(Lane.GPU) == NOW + 2
        queue = EmbeddedTaskQueue(database, wakeups, Lane.GPU.queue)
        delivery = await queue.receive(wait=0, lease=60)
        assert delivery is not None
        assert delivery.body == "body"
        await queue.release(delivery, delay=0)


def labels_in(path: Path) -> list[tuple[str, str, str]]:
    with a_file(path) as connection:
        return connection.execute(
            "SELECT key, value, task_id FROM labels JOIN tasks USING (number)"
            " WHERE key NOT LIKE ':%' ORDER BY 1, 3"
        ).fetchall()


def all_labels_in(path: Path) -> list[tuple[str, str, str]]:
    with a_file(path) as connection:
        return connection.execute(
            "SELECT key, value, task_id FROM labels JOIN tasks USING (number) ORDER BY 1, 2, 3"
        ).fetchall()


LABELS = [
    ("episode", "三", "waits"),
    *(("shot", "7", name) for name in ("done", "failed", "held", "waits")),
]


@pytest.mark.parametrize("version", EARLIER)
async def test_nothing_is_lost_from_a_file_of_an_earlier_version(version: int, path: Path) -> None:
    made_by(version, path)
    for _ in range(2):
        async with Database(path) as database:
            await everything_is_there(database, path.parent)
    assert labels_in(path) == LABELS
    with a_file(path) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert now.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not now.execute("SELECT 1 FROM sqlite_master WHERE name LIKE '%of_5'").fetchall()


@pytest.mark.parametrize("version", EARLIER)
async def test_shots_of_earlier_versions_are_found(version: int, path: Path) -> None:
    made_by(version, path)
    async with Database(path) as database:
        page = await EmbeddedShotStore(database).list("local", "", None, cursor=None, limit=9)
    shots = [Shot(shot="7"), Shot(episode="三", shot="7")]
    assert page.shots == shots
    assert [place for key, place, _ in all_labels_in(path) if key == ":shot"] == [
        *[shots[0].place] * 3,
        shots[1].place,
    ]


async def test_a_move_that_was_cut_off_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "_AT_ONCE", 2)
    made_by(5, path)
    moved, steps = upgrade._moved, iter([True, False])

    def dies_in_the_second(connection: sqlite3.Connection) -> bool:
        more = moved(connection)
        if not next(steps):
            raise KeyboardInterrupt
        return more

    with monkeypatch.context() as patched:
        patched.setattr(upgrade, "_moved", dies_in_the_second)
        with a_file(path) as connection, pytest.raises(KeyboardInterrupt):
            upgrade.bring_up_to_date(connection)
    with a_file(path) as half:
        assert half.execute("SELECT count(*) FROM tasks").fetchone() == (2,)
        assert half.execute("SELECT count(*) FROM tasks_of_5").fetchone() == (3,)
    with pytest.raises(Unavailable, match="being brought"):
        async with ReadOnlyDatabase(path):
            pass
    async with Database(path) as database:
        await everything_is_there(database, path.parent)
    assert labels_in(path) == LABELS


async def test_processes_that_start_together_move_it_together(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "_AT_ONCE", 1)
    made_by(4, path)
    async with contextlib.AsyncExitStack() as stack:
        opening = (stack.enter_async_context(Database(path)) for _ in range(3))
        for database in await asyncio.gather(*opening):
            await everything_is_there(database, path.parent)


@pytest.mark.parametrize("many", [1, len(TASKS)])
async def test_a_large_files_move_is_in_the_log(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, many: int
) -> None:
    monkeypatch.setattr(upgrade, "_MANY", many)
    monkeypatch.setattr(upgrade, "_AT_ONCE", 2)
    made_by(3, path)
    with caplog.at_level(logging.INFO):
        async with Database(path):
            pass
    said = [record.message for record in caplog.records if "up to date" in record.message]
    assert len(said) == (2 if many < len(TASKS) else 0)


async def test_a_process_of_the_fifth_version_may_still_write(path: Path) -> None:
    async with Database(path):
        with a_file(path) as other:
            filled(other)
            other.execute("PRAGMA user_version = 5")  # as it does after a full disk
    async with Database(path) as database:
        await everything_is_there(database, path.parent)
    assert labels_in(path) == LABELS


# --- Labels follow their tasks ------------------------------------------------------------


async def test_a_deleted_task_takes_its_labels_along(path: Path) -> None:
    made_by(5, path)
    async with Database(path) as database:
        await database.write(
            lambda db: db.execute("DELETE FROM tasks WHERE task_id IN ('waits', 'done')") and None
        )
    assert labels_in(path) == [("shot", "7", "failed"), ("shot", "7", "held")]


# --- Newer files --------------------------------------------------------------------------


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


async def test_a_newer_file_is_refused_and_left_as_it_is(path: Path) -> None:
    async with Database(path):
        pass
    with a_file(path) as newer:
        newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = bytes_of(path)
    settings = Settings(data_dir=path.parent)
    for opening in (
        Database(path),
        ReadOnlyDatabase(path),
        open_backend(settings, assets_url=""),
        look_into(settings),
    ):
        with pytest.raises(Unavailable, match=f"has version {VERSION + 1}, and this") as refused:
            async with opening:
                pass
        assert "newer short-drama" in (refused.value.fix or "")
    assert bytes_of(path) == before


async def test_a_trouble_that_is_over_does_not_set_a_files_version_back(path: Path) -> None:
    async with Database(path) as database:
        with a_file(path) as newer:
            newer.execute(f"PRAGMA user_version = {VERSION + 1}")
        await database.try_to_write()
    with a_file(path) as newer:
        assert newer.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
