"""Lists of tasks, newest first: stretches of indexes, merged.

Every stretch has one owner, and one lane and status, one kind and status, or one label; so it lies
in an index in the order of lists. Whatever is asked for beside that is looked at row by row, and
only in so many rows at a time.
"""

import heapq
import itertools
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from short_drama.domain.kinds import Lane
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import TaskFilter

_MOST_LOOKS = 750
"""Rows looked at for one page, at some microseconds each."""
_COUNTED = 1_000, 12_000
"""Rows counted to find the shortest way; more only where no way is shorter than the first."""

Position = tuple[float, int]
"""Creation time and number: the order of lists. Of one moment, the last to arrive is the newest."""

_OWNERS = """
WITH RECURSIVE owners (owner) AS (
    SELECT min(owner) FROM tasks
    UNION ALL
    SELECT (SELECT min(owner) FROM tasks WHERE owner > owners.owner)
        FROM owners WHERE owner IS NOT NULL
)
SELECT owner FROM owners WHERE owner IS NOT NULL
"""
"""A step in the index for each owner, not for each task."""
_HAS_LABEL = (
    "EXISTS (SELECT 1 FROM labels AS other WHERE other.owner = tasks.owner AND other.key = ?"
    " AND other.value = ? AND other.created_at = tasks.created_at"
    " AND other.number = tasks.number)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Records, newest first, and where the next page begins, if there may be one."""

    records: Sequence[str]
    end: Position | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of an index of `table`: the columns that are fixed, and their values."""

    table: str
    fixed: Sequence[str]
    values: Sequence[Any]

    def where(self, since: float, before: Position) -> tuple[str, Sequence[Any]]:
        fixed = "".join(f"{self.table}.{column} = ? AND " for column in self.fixed)
        condition = (
            f"{fixed}{self.table}.created_at >= ?"
            f" AND ({self.table}.created_at, {self.table}.number) < (?, ?)"
        )
        return condition, (*self.values, since, *before)


def newest(db: sqlite3.Connection, where: TaskFilter, before: Position | None, limit: int) -> Found:
    """The first `limit` that match, of those beyond `before`; fewer, if they lie far apart."""
    since, before = _span(where, before)
    with _one_state(db):
        ways = ways_to(where, _owners(db, where))
        way = ways[0] if len(ways) == 1 else _shortest(db, ways, since, before)
        with _merged(db, way, where, since, before) as rows:
            return _page(rows, limit)


def ways_to(where: TaskFilter, owners: Sequence[str]) -> list[list[Stretch]]:
    """Each of which goes past everything that matches."""
    ways = [
        [Stretch("labels", ("owner", "key", "value"), (owner, *label)) for owner in owners]
        for label in dict.fromkeys(where.labels)
    ]
    statuses = dict.fromkeys(where.statuses or TaskStatus)
    if where.kinds:
        columns, parts = ("owner", "kind", "status"), dict.fromkeys(where.kinds)
    elif where.statuses or where.lane or not ways:
        columns = ("owner", "lane", "status")
        parts = dict.fromkeys([where.lane] if where.lane else Lane)
    else:
        return ways
    return [
        *ways,
        [
            Stretch("tasks", columns, values)
            for values in itertools.product(owners, parts, statuses)
        ],
    ]


def statement(stretch: Stretch, where: TaskFilter, since: float, before: Position) -> Any:
    """All rows of a stretch, each with its record if all of `where` matches."""
    conditions, wanted = _conditions(where)
    record = f"CASE WHEN {' AND '.join(conditions)} THEN record END" if conditions else "record"
    source = "tasks" if stretch.table == "tasks" else "labels CROSS JOIN tasks USING (number)"
    condition, values = stretch.where(since, before)
    sql = (
        f"SELECT {stretch.table}.created_at, {stretch.table}.number, {record} FROM {source}"  # noqa: S608
        f" WHERE {condition}"
        f" ORDER BY {stretch.table}.created_at DESC, {stretch.table}.number DESC"
    )
    return sql, (*wanted, *values)


def _span(where: TaskFilter, before: Position | None) -> tuple[float, Position]:
    since = -math.inf if where.created_after is None else where.created_after
    until = math.inf if where.created_before is None else where.created_before
    return since, min(before or (math.inf, 0), (until, 0))


@contextmanager
def _one_state(db: sqlite3.Connection) -> Iterator[None]:
    """For several statements: a task that changes meanwhile is in one stretch."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def _owners(db: sqlite3.Connection, where: TaskFilter) -> Sequence[str]:
    if where.owner is not None:
        return [where.owner]
    return [row[0] for row in db.execute(_OWNERS)]


def _shortest(
    db: sqlite3.Connection, ways: Sequence[Sequence[Stretch]], since: float, before: Position
) -> Sequence[Stretch]:
    shortest = ways[0]
    for most in _COUNTED:
        left = most
        for way in ways:  # of each no more is counted than of the shortest so far
            if (length := _length(db, way, since, before, left)) < left:
                shortest, left = way, length
        if left < most:
            break
    return shortest


def _length(
    db: sqlite3.Connection, way: Sequence[Stretch], since: float, before: Position, most: int
) -> int:
    """How many rows lie on the way, up to so many."""
    count = 0
    for stretch in way:
        condition, values = stretch.where(since, before)
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {stretch.table} WHERE {condition} LIMIT ?)"  # noqa: S608
        count += db.execute(sql, (*values, most - count)).fetchone()[0]
        if count >= most:
            break
    return count


@contextmanager
def _merged(
    db: sqlite3.Connection,
    way: Sequence[Stretch],
    where: TaskFilter,
    since: float,
    before: Position,
) -> Iterator[Iterator[Any]]:
    cursors = [db.execute(*statement(stretch, where, since, before)) for stretch in way]
    try:
        yield heapq.merge(*cursors, key=_position, reverse=True)
    finally:
        for cursor in cursors:
            cursor.close()


def _page(rows: Iterator[Any], limit: int) -> Found:
    records: list[str] = []
    end: Position | None = None
    for looks, row in enumerate(rows):
        if looks >= max(_MOST_LOOKS, limit):
            return Found(records, end)
        if row[2] is not None and len(records) == limit:
            return Found(records, end)
        if row[2] is not None:
            records.append(row[2])
        end = _position(row)
    return Found(records, None)


def _position(row: sqlite3.Row) -> Position:
    return row[0], row[1]


def _conditions(where: TaskFilter) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    lanes = [where.lane] if where.lane else []
    for column, wanted in (("lane", lanes), ("status", where.statuses), ("kind", where.kinds)):
        if wanted:
            conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values += wanted
    for label in where.labels:
        conditions.append(_HAS_LABEL)
        values += label
    return conditions, values
