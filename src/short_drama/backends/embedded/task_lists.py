"""Lists of tasks by their time: stretches of indexes, merged.

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

from short_drama.backends.embedded import search_labels
from short_drama.backends.embedded.row_filters import DELETED, conditions
from short_drama.domain.kinds import Lane
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import TaskCount, TaskFilter

_MOST_LOOKS = 750
"""Rows looked at for one page, at some microseconds each."""
_MOST_COUNTED = 20_000
"""Rows looked at to count."""
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


@dataclass(frozen=True, slots=True)
class Found:
    """Records in the order of the list, and where the next page begins, if there may be one."""

    records: Sequence[str]
    end: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Span:
    """Positions between two others, and in which order they are told."""

    after: Position = (-math.inf, 0)
    before: Position = (math.inf, 0)
    is_oldest_first: bool = False

    @classmethod
    def of(cls, where: TaskFilter, place: Position | None, *, is_oldest_first: bool) -> "Span":
        """`place`: beyond which the page begins."""
        after = -math.inf if where.created_after is None else where.created_after
        before = math.inf if where.created_before is None else where.created_before
        if is_oldest_first:
            return cls(max(place or (-math.inf, 0), (after, 0)), (before, 0), True)
        return cls((after, 0), min(place or (math.inf, 0), (before, 0)))

    def condition(self, table: str) -> tuple[str, Sequence[Any]]:
        """One bound by the time alone: an index is looked up by one pair only."""
        here = f"({table}.created_at, {table}.number)"
        if self.is_oldest_first:
            return f"{here} > (?, ?) AND {table}.created_at < ?", (*self.after, self.before[0])
        return f"{table}.created_at >= ? AND {here} < (?, ?)", (self.after[0], *self.before)

    def order(self, table: str) -> str:
        way = "ASC" if self.is_oldest_first else "DESC"
        return f"{table}.created_at {way}, {table}.number {way}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of an index of `table`: the columns that are fixed, and their values."""

    table: str
    fixed: Sequence[str]
    values: Sequence[Any]

    @property
    def source(self) -> str:
        return "tasks" if self.table == "tasks" else "labels CROSS JOIN tasks USING (number)"

    def where(self, span: Span) -> tuple[str, Sequence[Any]]:
        fixed = "".join(f"{self.table}.{column} = ? AND " for column in self.fixed)
        condition, bounds = span.condition(self.table)
        return fixed + condition, (*self.values, *bounds)


def by_time(
    db: sqlite3.Connection,
    where: TaskFilter,
    place: Position | None,
    limit: int,
    *,
    is_oldest_first: bool = False,
) -> Found:
    """The first `limit` that match, of those beyond `place`; fewer, if they lie far apart."""
    span = Span.of(where, place, is_oldest_first=is_oldest_first)
    with one_state(db), _merged(db, _way(db, where, span), where, span) as rows:
        return page(rows, limit)


def counted(db: sqlite3.Connection, where: TaskFilter, most: int) -> TaskCount:
    span, looks, found = Span.of(where, None, is_oldest_first=False), _MOST_COUNTED, 0
    wanted, values = conditions(where)
    with one_state(db):
        for stretch in _way(db, where, span):
            condition, bounds = stretch.where(span)
            source = stretch.source if wanted else stretch.table
            sql = (
                f"SELECT count(*), coalesce(sum(matches), 0) FROM (SELECT {wanted or '1'} AS"  # noqa: S608
                f" matches FROM {source} WHERE {condition} LIMIT ?)"
            )
            seen, matching = db.execute(sql, (*values, *bounds, looks)).fetchone()
            looks, found = looks - seen, found + matching
            if found > most or looks <= 0:
                return TaskCount(min(found, most), is_whole=False)
    return TaskCount(found, is_whole=True)


def ways_to(where: TaskFilter, owners: Sequence[str]) -> list[list[Stretch]]:
    """Each of which goes past everything that matches."""
    labels = [] if where.is_deleted else search_labels.shortest([*where.labels], where.derived_from)
    ways = [
        [Stretch("labels", ("owner", "key", "value"), (owner, *label)) for owner in owners]
        for label in labels
    ]
    statuses = [DELETED] if where.is_deleted else dict.fromkeys(where.statuses or TaskStatus)
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


def statement(stretch: Stretch, where: TaskFilter, span: Span) -> tuple[str, Sequence[Any]]:
    """All rows of a stretch, each with its record if all of `where` matches."""
    wanted, values = conditions(where)
    record = f"CASE WHEN {wanted} THEN record END" if wanted else "record"
    condition, bounds = stretch.where(span)
    sql = (
        f"SELECT {record}, {stretch.table}.created_at, {stretch.table}.number"  # noqa: S608
        f" FROM {stretch.source} WHERE {condition} ORDER BY {span.order(stretch.table)}"
    )
    return sql, (*values, *bounds)


def page(rows: Iterator[Any], limit: int) -> Found:
    """Of rows of a record, if it matches, and its place in the list."""
    records: list[str] = []
    end: tuple[Any, ...] | None = None
    for looks, (record, *place) in enumerate(rows):
        if looks >= max(_MOST_LOOKS, limit):
            return Found(records, end)
        if record is not None and len(records) == limit:
            return Found(records, end)
        if record is not None:
            records.append(record)
        end = tuple(place)
    return Found(records, None)


@contextmanager
def one_state(db: sqlite3.Connection) -> Iterator[None]:
    """For several statements: a task that changes meanwhile is in one stretch."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def _way(db: sqlite3.Connection, where: TaskFilter, span: Span) -> Sequence[Stretch]:
    ways = ways_to(where, _owners(db, where))
    return ways[0] if len(ways) == 1 else _shortest(db, ways, span)


def _owners(db: sqlite3.Connection, where: TaskFilter) -> Sequence[str]:
    if where.owner is not None:
        return [where.owner]
    return [row[0] for row in db.execute(_OWNERS)]


def _shortest(
    db: sqlite3.Connection, ways: Sequence[Sequence[Stretch]], span: Span
) -> Sequence[Stretch]:
    shortest = ways[0]
    for most in _COUNTED:
        left = most
        for way in ways:  # of each no more is counted than of the shortest so far
            if (length := _length(db, way, span, left)) < left:
                shortest, left = way, length
        if left < most:
            break
    return shortest


def _length(db: sqlite3.Connection, way: Sequence[Stretch], span: Span, most: int) -> int:
    """How many rows lie on the way, up to so many."""
    count = 0
    for stretch in way:
        condition, values = stretch.where(span)
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {stretch.table} WHERE {condition} LIMIT ?)"  # noqa: S608
        count += db.execute(sql, (*values, most - count)).fetchone()[0]
        if count >= most:
            break
    return count


@contextmanager
def _merged(
    db: sqlite3.Connection, way: Sequence[Stretch], where: TaskFilter, span: Span
) -> Iterator[Iterator[Any]]:
    cursors = [db.execute(*statement(stretch, where, span)) for stretch in way]
    try:
        yield heapq.merge(*cursors, key=_position, reverse=not span.is_oldest_first)
    finally:
        for cursor in cursors:
            cursor.close()


def _position(row: sqlite3.Row) -> Position:
    return row[1], row[2]
