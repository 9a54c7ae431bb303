"""How many pending tasks of a lane are older than one, without counting them all each time.

Every thousandth one is a mark, whose place is believed for some seconds; from the nearest mark on
it is counted. So a place costs the same in a line of a hundred and of a million.
"""

import math
import sqlite3
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

from short_drama.backends.believed import Believed
from short_drama.backends.embedded.database import Database
from short_drama.domain.kinds import Lane

_APART = 1_000
_BELIEVED_SECONDS = 2.0
_EACH_MORE = 0.02
"""Seconds that each mark adds: reading them takes a fixed share of the time, however many."""

_MARKS = """
SELECT created_at, older FROM (
    SELECT created_at, row_number() OVER line AS place, rank() OVER line - 1 AS older
    FROM tasks WHERE lane = ? AND status = 'pending'
    WINDOW line AS (ORDER BY created_at)
) WHERE place % ? = 0
"""
_SINCE = (
    "SELECT count(*) FROM tasks"
    " WHERE lane = ? AND status = 'pending' AND created_at >= ? AND created_at < ?"
)
Marks = Sequence[tuple[float, int]]
"""When some were created, and how many are older than each."""


class Line:
    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._marks = Believed(self._read, seconds=_believed, clock=clock)

    async def marks(self, lane: Lane) -> Marks:
        return await self._marks.get(lane)

    async def _read(self, lane: Lane) -> Marks:
        return await self._database.read(
            lambda db: [(row[0], row[1]) for row in db.execute(_MARKS, (lane, _APART))]
        )


def older(db: sqlite3.Connection, lane: Lane, created_at: float, marks: Marks) -> int:
    """Pending tasks that were created before that moment."""
    passed = bisect_left(marks, (created_at,))
    mark, before = marks[passed - 1] if passed else (-math.inf, 0)
    (more,) = db.execute(_SINCE, (lane, mark, created_at)).fetchone()
    return before + int(more)


def _believed(marks: Marks) -> float:
    return _BELIEVED_SECONDS + _EACH_MORE * len(marks)
