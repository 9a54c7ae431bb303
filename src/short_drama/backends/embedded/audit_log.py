"""The audit: a table that only grows. Triggers refuse changes, whoever asks, and deletions of lines
whose time has not come; each line carries the digest of the one before.

What changes a task writes its line in the same transaction (`write_line`): neither is there
without the other.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence

from short_drama.backends.cursor import not_ours, read_cursor, write_cursor
from short_drama.backends.embedded.database import Database, Reads
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.audit import AuditEntry, AuditFilter, AuditLine
from short_drama.domain.lifetimes import USUAL, Lifetimes
from short_drama.ports import AuditPage

_LAST = "SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1"
_ADD = "INSERT INTO audit (number, until, before, digest, line) VALUES (?, ?, ?, ?, ?)"
_NEWEST = "SELECT * FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?"
_OLDER = "SELECT 1 FROM audit WHERE number < ? LIMIT 1"
_OLDEST = "SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ?"
_LOOK, _CHUNK = 5_000, 500
"""Lines that one page looks at, and that are read at once."""
_LONGEST_NUMBER = 18
"""Digits of what SQLite can count to."""


class EmbeddedAuditLog:
    """Implements `ports.AuditLog`."""

    def __init__(self, database: Database, *, lifetimes: Lifetimes = USUAL) -> None:
        self._database, self._lifetimes = database, lifetimes

    async def append(self, line: AuditLine) -> None:
        await self._database.write(lambda db: write_line(db, line, self._lifetimes))

    async def list(self, where: AuditFilter, *, cursor: str | None, limit: int) -> AuditPage:
        before = 10**_LONGEST_NUMBER if cursor is None else _place(cursor)

        def look(db: sqlite3.Connection) -> AuditPage:
            found: list[AuditEntry] = []
            last = before
            with contextlib.closing(db.execute(_NEWEST, (before, _LOOK))) as rows:
                for row in rows:
                    if len(found) == limit:
                        return AuditPage(found, _cursor(last))
                    last = row["number"]
                    readable = LEFT_OUT.readable(formats.LINE, [row], _readable)
                    found += [entry for entry in readable if where.matches(entry.line)]
            is_last = db.execute(_OLDER, (last,)).fetchone() is None
            return AuditPage(found, None if is_last else _cursor(last))

        return await self._database.read(look, by=Reads.BOOKS)

    async def every(self) -> AsyncIterator[AuditEntry]:
        last = 0
        while rows := await self._rows(last):
            for row in rows:
                yield _entry(row)
            last = rows[-1]["number"]

    async def _rows(self, after: int) -> Sequence[sqlite3.Row]:
        return await self._database.read(
            lambda db: db.execute(_OLDEST, (after, _CHUNK)).fetchall(), by=Reads.BOOKS
        )


def write_line(db: sqlite3.Connection, line: AuditLine, lifetimes: Lifetimes) -> None:
    """As a part of whichever transaction is open; that is the only one who writes."""
    number, before = db.execute(_LAST).fetchone() or (0, "")
    until = lifetimes.line_until(line.at)
    entry = AuditEntry.of(line, number=number + 1, before=before, until=until)
    db.execute(_ADD, (entry.number, entry.until, entry.before, entry.digest, entry.text))


def _entry(row: sqlite3.Row) -> AuditEntry:
    return AuditEntry(
        text=row["line"],
        number=row["number"],
        until=row["until"],
        before=row["before"],
        digest=row["digest"],
    )


def _readable(row: sqlite3.Row) -> AuditEntry:
    """One whose line can be read."""
    entry = _entry(row)
    _ = entry.line
    return entry


def _cursor(number: int) -> str:
    return write_cursor(0.0, str(number))


def _place(cursor: str) -> int:
    """Raises InvalidRequest."""
    _, number = read_cursor(cursor)
    if not number.isdecimal() or len(number) > _LONGEST_NUMBER:
        raise not_ours()
    return int(number)
