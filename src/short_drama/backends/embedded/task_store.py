"""Tasks as rows: the record as JSON, and beside it the columns that are searched."""

import itertools
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic_core import from_json, to_json

from short_drama.backends.cursor import (
    not_ours,
    read_cursor,
    read_moment,
    read_places,
    write_places,
)
from short_drama.backends.embedded.audit_log import write_line
from short_drama.backends.embedded.database import Database, Reads
from short_drama.backends.embedded.line import Line, older
from short_drama.backends.embedded.row_filters import DELETED
from short_drama.backends.embedded.search_labels import searched_by
from short_drama.backends.embedded.shot_order import Place, by_shot
from short_drama.backends.embedded.task_lists import Found, Position, by_time, counted
from short_drama.backends.embedded.task_queue import enqueue
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.backends.left_out import LEFT_OUT
from short_drama.backends.outlook import outlook
from short_drama.domain import formats
from short_drama.domain.audit import AuditLine
from short_drama.domain.kinds import Lane
from short_drama.domain.lifetimes import USUAL, Lifetimes
from short_drama.domain.message import TaskMessage
from short_drama.domain.record import record_of, task_of
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.domain.timings import timings_of
from short_drama.ports import (
    Order,
    Outlook,
    StaleTask,
    TaskCount,
    TaskExists,
    TaskFilter,
    TaskPage,
)

_COLUMNS = (
    "task_id", "version", "status", "kind", "lane", "owner", "created_at", "ended_at",
    "run_seconds", "due_at", "labels", "record",
)  # fmt: skip
_INSERT = f"INSERT INTO tasks ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_UPDATE = (
    f"UPDATE tasks SET {', '.join(f'{name} = ?' for name in _COLUMNS[1:])}"  # noqa: S608
    " WHERE task_id = ? AND version = ?"
)
_COUNT_OPEN = """
SELECT count(*) FROM (
    SELECT 1 FROM tasks WHERE owner = ? AND lane = ? AND status IN ('pending', 'processing')
    LIMIT ?)
"""
_LONGEST_NUMBER = 18
"""Digits of what SQLite can count to."""
_MOST_LEFT_OUT = 10_000
"""Due tasks that cannot be read and must not hide the others; they are looked at in each pass."""


class EmbeddedTaskStore:
    """Implements `ports.TaskStore`; a new task and its message are one transaction."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        *,
        lifetimes: Lifetimes = USUAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lifetimes = lifetimes
        self._database, self._wakeups, self._clock = database, wakeups, clock
        self._line = Line(database)

    async def create(self, task: Task, *, line: AuditLine | None = None) -> Task:
        stored = replace(task, outbox_due=None, version=task.version + 1)
        row, body, now = _row(stored), TaskMessage.of(stored).to_body(), self._clock()

        def insert(db: sqlite3.Connection) -> None:
            try:
                db.execute(_INSERT, row)
            except sqlite3.IntegrityError:
                existing = read_task(db, task.task_id)
                if existing is None:
                    raise
                raise TaskExists(existing) from None
            enqueue(db, stored.lane.queue, body, group=stored.owner, now=now, visible=now)
            self._write_line(db, line)

        await self._database.write(insert, then=lambda _: self._wakeups.notify(stored.lane.queue))
        return stored

    async def get(self, task_id: str) -> Task | None:
        return self._database.look(lambda db: read_task(db, task_id))

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        def write(db: sqlite3.Connection) -> Task:
            stored = write_over(db, task)
            self._write_line(db, line)
            return stored

        return await self._database.write(
            write, then=lambda _: self._wakeups.notify(topic_of(task.task_id))
        )

    def _write_line(self, db: sqlite3.Connection, line: AuditLine | None) -> None:
        if line is not None:
            write_line(db, line, self._lifetimes)

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        until = time.monotonic() + timeout
        with self._wakeups.listen(topic_of(task_id)) as bell:
            while True:
                left = until - time.monotonic()
                if left <= 0 or self._database.look(lambda db: _version(db, task_id)) != version:
                    return await self.get(task_id)
                await bell.wait(left)

    async def list(
        self,
        where: TaskFilter,
        *,
        cursor: str | None,
        limit: int,
        order: Order = Order.NEWEST,
    ) -> TaskPage:
        def look(db: sqlite3.Connection) -> TaskPage:
            found = _listed(db, where, cursor, limit, order)
            end = None if found.end is None else write_places(*found.end)
            tasks = list(tasks_of(found.records))
            return TaskPage(tasks, end, len(found.records) - len(tasks))

        return await self._database.read(look, by=Reads.LISTS)

    async def count(self, where: TaskFilter, *, most: int) -> TaskCount:
        return await self._database.read(lambda db: counted(db, where, most), by=Reads.LISTS)

    async def due(self, now: float, *, limit: int) -> Sequence[Task]:
        sql = "SELECT record FROM tasks WHERE due_at <= ? ORDER BY due_at LIMIT ?"

        def look(db: sqlite3.Connection) -> Sequence[Task]:
            rows = db.execute(sql, (now, limit + _MOST_LEFT_OUT))
            return list(itertools.islice(tasks_of(row[0] for row in rows), limit))

        return await self._database.read(look, by=Reads.SWEEPS)

    async def held(self) -> Sequence[Task]:
        """Every task some worker holds: what a process that finds itself alone takes back."""
        return await self._database.read(
            lambda db: [task for lane in Lane for task in _held(db, lane)]
        )

    async def oldest_pending(self, lane: Lane) -> float | None:
        def first(db: sqlite3.Connection) -> float | None:
            (created_at,) = db.execute(
                "SELECT min(created_at) FROM tasks WHERE lane = ? AND status = 'pending'", (lane,)
            ).fetchone()
            return None if created_at is None else float(created_at)

        return self._database.look(first)

    async def count_open(self, owner: str, lane: Lane, *, most: int) -> int:
        def count(db: sqlite3.Connection) -> int:
            (found,) = db.execute(_COUNT_OPEN, (owner, lane, most)).fetchone()
            return int(found)

        return await self._database.read(count)

    async def outlook(self, task: Task) -> Outlook:
        now, marks = self._clock(), await self._line.marks(task.lane)

        def look(db: sqlite3.Connection) -> Outlook:
            before = older(db, task.lane, task.created_at, marks)
            recent = db.execute(
                "SELECT run_seconds FROM tasks WHERE kind = ? AND run_seconds IS NOT NULL"
                " ORDER BY ended_at DESC LIMIT 20",
                (task.kind,),
            ).fetchall()
            each = statistics.median(row[0] for row in recent) if recent else None
            return outlook(task, _held(db, task.lane), before=before, seconds_each=each, now=now)

        return await self._database.read(look)


def _listed(
    db: sqlite3.Connection, where: TaskFilter, cursor: str | None, limit: int, order: Order
) -> Found:
    """Raises InvalidRequest for a cursor that is none of this order."""
    if order is Order.SHOT:
        return by_shot(db, where, None if cursor is None else _place_of_shot(cursor), limit)
    place = None if cursor is None else _place(cursor)
    return by_time(db, where, place, limit, is_oldest_first=order is Order.OLDEST)


def _place(cursor: str) -> Position:
    """Raises InvalidRequest."""
    created_at, number = read_cursor(cursor)
    return created_at, _number(number)


def _place_of_shot(cursor: str) -> Place:
    """Raises InvalidRequest."""
    shot, created_at, number = read_places(cursor, 3)
    return shot, read_moment(created_at), _number(number)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        raise not_ours()
    return int(text)


def topic_of(task_id: str) -> str:
    return f"task:{task_id}"


def read_task(db: sqlite3.Connection, task_id: str) -> Task | None:
    row = db.execute("SELECT record FROM tasks WHERE task_id = ?", (task_id,)).fetchone()
    return None if row is None else _task(row[0])


def write_over(db: sqlite3.Connection, task: Task) -> Task:
    """As `ports.TaskStore.replace`, as a part of whichever transaction is open."""
    stored = replace(task, version=task.version + 1)
    if db.execute(_UPDATE, (*_row(stored)[1:], task.task_id, task.version)).rowcount != 1:
        raise StaleTask(task.task_id)
    return stored


def _row(task: Task) -> tuple[Any, ...]:
    """In the order of _COLUMNS."""
    ran = task.status is TaskStatus.COMPLETED
    return (
        task.task_id,
        task.version,
        task.status if task.deleted_at is None else DELETED,
        task.kind,
        task.lane,
        task.owner,
        task.created_at,
        task.ended_at,
        timings_of(task).running_seconds if ran else None,
        task.due_at,
        _json(searched_by(task)),
        _json(record_of(task)),
    )


def _json(value: Any) -> str:
    return to_json(value).decode()


def _task(record: str) -> Task:
    return task_of(from_json(record))


def tasks_of(records: Iterable[str]) -> Iterator[Task]:
    """Those that can be read."""
    return LEFT_OUT.readable(formats.TASK, records, _task)


def _held(db: sqlite3.Connection, lane: Lane) -> list[Task]:
    """The status is spelled out here and elsewhere, or an index of some statuses is not used."""
    sql = "SELECT record FROM tasks WHERE lane = ? AND status = 'processing'"
    return list(tasks_of(row[0] for row in db.execute(sql, (lane,))))


def _version(db: sqlite3.Connection, task_id: str) -> int | None:
    row = db.execute("SELECT version FROM tasks WHERE task_id = ?", (task_id,)).fetchone()
    return None if row is None else int(row[0])
