"""A file of an earlier version is brought up to date, and one of a later version refused."""

import json
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterator

from short_drama.backends.embedded.schema import VERSION, VERSIONS
from short_drama.backends.embedded.search_labels import with_short_ways
from short_drama.domain.errors import Unavailable

log = logging.getLogger(__name__)

_COLUMNS = (
    "task_id, version, status, kind, lane, owner, created_at, ended_at, run_seconds, due_at, "
    "labels, record"
)
_EARLIEST = "FROM tasks_of_5 ORDER BY created_at, task_id LIMIT ?"
_MOVE = f"INSERT OR IGNORE INTO tasks ({_COLUMNS}) SELECT {_COLUMNS} {_EARLIEST}"
_FORGET = f"DELETE FROM tasks_of_5 WHERE task_id IN (SELECT task_id {_EARLIEST})"  # noqa: S608
_UNSEARCHED = """
SELECT number, labels FROM unsearched LEFT JOIN tasks USING (number) ORDER BY number LIMIT ?
"""
_MOVED_UNSEARCHED = """
INSERT OR IGNORE INTO unsearched
    SELECT DISTINCT number FROM labels WHERE key IN ('project', 'shot')
"""
_SEARCHED = "UPDATE tasks SET labels = ? WHERE number = ?"
_DONE = "DELETE FROM unsearched WHERE number = ?"
_TABLES_SINCE = {
    "labels": 6, "api_keys": 7, "served": 8, "webhooks": 9, "characters": 10, "audit": 11,
    "picks": 12,
}  # fmt: skip
"""A table that each later version than 5 was the first to have."""
_AT_ONCE = 2_000
"""Tasks moved in one transaction: a fraction of a second, for which others may wait."""
_MANY = 10_000
"""Tasks whose move is worth a word."""
_PAUSE = 10.0
"""Seconds between two words of one move."""


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, or make those of an earlier version today's.

    Tasks move in steps of a transaction each, so that neither memory nor log holds them twice, and
    what was interrupted goes on where it was; several processes may do it together. What that frees
    stays in the file, for tasks to come.

    Raises Unavailable for a file of a newer version, which is left as it is.
    """
    require_known(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for script in VERSIONS[_version(connection) :]:
        for statement in _statements(script):
            connection.execute(statement)
    connection.execute("COMMIT")
    _move(connection)
    while _step(connection, "unsearched", _made_findable):
        pass


def require_known(connection: sqlite3.Connection) -> None:
    """Raises Unavailable for a file of a newer version."""
    version = _version(connection)
    if version > VERSION:
        raise Unavailable(
            f"the task database has version {version}, and this short-drama knows versions up to "
            f"{VERSION}",
            fix="Use the newer short-drama that wrote it, or the backup from before the upgrade.",
        )


def require_today(connection: sqlite3.Connection) -> None:
    """For those who only look. Raises Unavailable for a file of any other version."""
    require_known(connection)
    version = _version(connection)
    if version < VERSION or _is_moving(connection):
        raise Unavailable(
            f"the task database has version {version}, and this is for version {VERSION}"
            if version < VERSION
            else f"the task database is being brought to version {VERSION}",
            fix="Start the service once: it brings the file up to date.",
        )


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection) -> int:
    """Of a file that was set back by a process of version 5, which does so when a full disk is
    empty again, it is the tables'."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != 5:
        return int(version)
    return max(
        (since for table, since in _TABLES_SINCE.items() if _has(connection, table)), default=5
    )


def _is_moving(connection: sqlite3.Connection) -> bool:
    return _has(connection, "tasks_of_5") or _has(connection, "unsearched")


def _has(connection: sqlite3.Connection, table: str) -> bool:
    named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(named, (table,)).fetchone() is not None


def _move(connection: sqlite3.Connection) -> None:
    """Earliest first, so that tasks of one time come to lie together."""
    if not _has(connection, "tasks_of_5"):
        return
    (left,) = connection.execute("SELECT count(*) FROM tasks_of_5").fetchone()
    many, spoken = left > _MANY, -math.inf
    while _step(connection, "tasks_of_5", _moved):
        left = max(left - _AT_ONCE, 0)
        if many and time.monotonic() - spoken >= _PAUSE:
            spoken = time.monotonic()
            log.info("the task database is being brought up to date", extra={"tasks_left": left})
    if many:
        log.info("the task database is up to date", extra={"version": VERSION})


def _step(
    connection: sqlite3.Connection, table: str, work: Callable[[sqlite3.Connection], bool]
) -> bool:
    """Some of what the table holds, in a transaction; whether there may be more."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        more = _has(connection, table) and work(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return more


def _moved(connection: sqlite3.Connection) -> bool:
    connection.execute(_MOVE, (_AT_ONCE,))
    if connection.execute(_FORGET, (_AT_ONCE,)).rowcount == _AT_ONCE:
        return True
    connection.execute("DROP TABLE tasks_of_5")
    connection.execute(_MOVED_UNSEARCHED)
    return False


def _made_findable(connection: sqlite3.Connection) -> bool:
    rows = connection.execute(_UNSEARCHED, (_AT_ONCE,)).fetchall()
    for number, labels in rows:
        if labels is not None:  # the task has not been deleted since
            found = json.dumps(with_short_ways(json.loads(labels)), ensure_ascii=False)
            connection.execute(_SEARCHED, (found, number))
        connection.execute(_DONE, (number,))
    if len(rows) < _AT_ONCE:
        connection.execute("DROP TABLE unsearched")
    return len(rows) == _AT_ONCE
