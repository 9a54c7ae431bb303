"""What has had its time goes: records of ended tasks first, then the files that no record names.

In this order nothing that a task shows is missing, and a kill leaves only files that are found
again: the next pass looks at all there is, and remembers nothing of the one before. A file goes
when it is old and named neither by a record nor by an id of a task that is open. Who is about to
name an old file renews it (`AssetStore.renew`): a task that is stored while the records are being
read, and is not among them, names what is young.

Everything is done in small steps with pauses between them, and by one process at a time.
"""

import asyncio
import contextlib
import fcntl
import itertools
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from short_drama import metrics
from short_drama.backends.embedded.asset_walk import Found, delete, delete_empty, walk
from short_drama.backends.embedded.database import Database, Reads
from short_drama.backends.embedded.disk import trouble_with
from short_drama.backends.embedded.marks import Marks
from short_drama.domain import asset_keys
from short_drama.domain.kinds import Lane
from short_drama.domain.lifetimes import DAY, SPEND_DAYS, Lifetimes
from short_drama.domain.stored import Stored

T = TypeVar("T")
Version = tuple[str, int]
"""A task's id and version."""

log = logging.getLogger(__name__)

_STEP = 200
_PAUSE = 0.02
"""Seconds between two steps: others come first."""
_NAMES_EACH = 5
"""About how many names a record holds."""
_RECORDS = """
SELECT task_id, version, created_at, ended_at, length(record) AS size, record,
    CASE status WHEN 'deleted' THEN json_extract(record, '$.deleted_at') END AS deleted_at
FROM tasks WHERE task_id > ? ORDER BY task_id LIMIT ?
"""
_RECORD = "SELECT task_id, ended_at, record FROM tasks WHERE task_id = ?"
_OLD_RECORD = "DELETE FROM tasks WHERE task_id = ? AND version = ?"
_PICKS = "SELECT record FROM picks"
_OLD_PICKS = "DELETE FROM picks WHERE written_at < ?"
_OLD_LETTERS = """
DELETE FROM messages WHERE queue = ? AND sent_at < ? AND NOT EXISTS (
    SELECT 1 FROM tasks WHERE task_id = CASE
        WHEN json_valid(body) THEN json_extract(body, '$.task_id') END)
"""
"""Dead letters whose tasks are gone; of others an orchestrator may make something yet."""
_OLD_PAGES = """
DELETE FROM spend_pages WHERE task_id IN (
    SELECT task_id FROM spend_pages WHERE written_at < ? AND NOT is_open
    ORDER BY written_at LIMIT ?)
"""
_PAGES = "SELECT count(*), coalesce(sum(length(record)), 0) FROM spend_pages"

_LINES = (
    "SELECT count(*), coalesce(sum(length(line) + length(digest) + length(before)), 0) FROM audit"
)
_OLD_LINES = """
DELETE FROM audit WHERE number IN (
    SELECT number FROM audit WHERE number < coalesce(
        (SELECT number FROM audit
            WHERE until IS NULL OR until >= CAST(strftime('%s', 'now') AS INTEGER)
            ORDER BY number LIMIT 1),
        (SELECT max(number) FROM audit))
    ORDER BY number LIMIT ?)
"""
"""From the oldest up to the first one whose time has not come, by the clock of the table's trigger;
the last line stays, for the next one follows it."""


class Keeper:
    """`root`: the data directory. `rest`: between two steps."""

    def __init__(
        self,
        database: Database,
        root: Path,
        lifetimes: Lifetimes,
        *,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._root, self._lifetimes = database, root, lifetimes
        self._assets, self._rest, self._clock = root / "assets", rest, clock

    async def tidy(self) -> None:
        """One pass, unless somebody else makes one just now. Raises Unavailable."""
        try:
            with alone(self._root) as are_we:
                if are_we:
                    tell(await self._go_through(delete_them=True))
        except OSError as error:
            _, trouble = trouble_with("what is old cannot be deleted", self._root, error)
            log.warning("%s. %s", trouble.detail, trouble.fix)
            raise trouble from error

    async def look(self) -> Stored:
        """What there is and what of it would go, deleting nothing. Raises Unavailable."""
        try:
            return await self._go_through(delete_them=False)
        except OSError as error:
            raise trouble_with("what is kept cannot be read", self._root, error)[1] from error

    async def _go_through(self, *, delete_them: bool) -> Stored:
        now = self._clock()
        stored = Stored(now=now)
        marks = await self._records(stored, delete_them=delete_them)
        await self._pages(stored, delete_them=delete_them)
        await self._lines(stored, delete_them=delete_them)
        found = walk(self._assets)
        while some := await asyncio.to_thread(lambda: list(itertools.islice(found, _STEP))):
            await asyncio.to_thread(self._files, stored, some, marks, delete_them)
            await self._rest(_PAUSE)
        if delete_them:
            folder = asset_keys.NOTES_PREFIX
            await asyncio.to_thread(delete_empty, self._assets, folder, before=now - DAY)
        return stored

    # --- The database ----------------------------------------------------------------------

    async def _records(self, stored: Stored, *, delete_them: bool) -> Marks:
        """What those that stay name."""
        size = "SELECT count(*) FROM tasks"
        count = await self._read(lambda db: db.execute(size).fetchone()[0])
        marks, place = Marks(count * _NAMES_EACH), ""
        while True:
            reading = self._step(stored, marks, place)
            last, going = await self._read(reading)
            if going and delete_them:
                await self._database.write(_deletion(going, marks))
            await self._rest(_PAUSE)
            if last is None:
                break
            place = last
        before = self._lifetimes.ended_before(stored.now)
        if before is not None and delete_them:
            await self._database.write(_letters(before))
            await self._database.write(lambda db: db.execute(_OLD_PICKS, (before,)).rowcount)
        await self._read(lambda db: _mark_picks(db, marks))
        return marks

    def _step(
        self, stored: Stored, marks: Marks, place: str
    ) -> Callable[[sqlite3.Connection], tuple[str | None, list[Version]]]:
        """After whom the next step begins, None after the last; and who goes."""

        def read(db: sqlite3.Connection) -> tuple[str | None, list[Version]]:
            rows, going = db.execute(_RECORDS, (place, _STEP)).fetchall(), []
            for row in rows:
                times = {"ended_at": row["ended_at"], "deleted_at": row["deleted_at"]}
                goes_at = self._lifetimes.goes_at(**times)
                stored.count("records", row["size"], row["created_at"], goes_at=goes_at)
                if goes_at is not None and goes_at < stored.now:
                    going.append((row["task_id"], row["version"]))
                else:
                    _mark(marks, row)
            return None if len(rows) < _STEP else rows[-1]["task_id"], going

        return read

    async def _pages(self, stored: Stored, *, delete_them: bool) -> None:
        pages, size = await self._read(lambda db: db.execute(_PAGES).fetchone())
        stored.count_all("spending", pages, size)
        if self._lifetimes.tasks and delete_them:
            old = stored.now - max(SPEND_DAYS, self._lifetimes.tasks) * DAY
            await self._delete(_OLD_PAGES, old)

    async def _lines(self, stored: Stored, *, delete_them: bool) -> None:
        lines, size = await self._read(lambda db: db.execute(_LINES).fetchone())
        stored.count_all("audit", lines, size)
        if delete_them:
            await self._delete(_OLD_LINES)

    async def _delete(self, sql: str, *given: float) -> None:
        """In steps; `sql` takes the size of one last."""
        gone = _STEP
        while gone == _STEP:
            gone = await self._database.write(lambda db: db.execute(sql, (*given, _STEP)).rowcount)
            await self._rest(_PAUSE)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._database.read(work, by=Reads.KEEPING)

    # --- Files, in threads -----------------------------------------------------------------

    def _files(self, stored: Stored, some: list[Found], marks: Marks, delete_them: bool) -> None:
        for found in some:
            goes_at = self._goes_at(found, marks)
            stored.count(_part_of(found), found.size, found.modified, goes_at=goes_at)
            if delete_them and goes_at is not None and goes_at < stored.now:
                before = stored.now - (goes_at - found.modified)
                delete(self._assets, found.key, before=before)

    def _goes_at(self, found: Found, marks: Marks) -> float | None:
        if found.is_unfinished:
            return found.modified + DAY
        age = self._lifetimes.unnamed(found.key)
        if age is None or found.key in marks:
            return None
        if any(owner in marks for owner in asset_keys.owners_of(found.key)):
            return None
        return found.modified + age


def tell(stored: Stored) -> None:
    """The metrics and the log."""
    for part, room in stored.parts.items():
        metrics.STORED_BYTES.tell(room.size - room.goes_size, part)
        metrics.COLLECTED.labels(part).inc(room.goes)
    gone = {part: room.goes for part, room in stored.parts.items() if room.goes}
    if gone:
        log.info("what had its time was deleted", extra=gone)


def _part_of(found: Found) -> str:
    return "unfinished" if found.is_unfinished else asset_keys.part_of(found.key)


def _mark(marks: Marks, row: sqlite3.Row) -> None:
    record = row["record"]
    for key in asset_keys.named_in(record):
        marks.add(key)
    if row["ended_at"] is None:
        for owner in {row["task_id"], *asset_keys.ids_in(record)}:
            marks.add(owner)
            marks.add(asset_keys.mask_id(owner))


def _mark_picks(db: sqlite3.Connection, marks: Marks) -> None:
    for (record,) in db.execute(_PICKS):
        for key in asset_keys.named_in(record):
            marks.add(key)


def _deletion(going: list[Version], marks: Marks) -> Callable[[sqlite3.Connection], None]:
    """Of records that are still as they were read. One that was revived names its files."""

    def delete_records(db: sqlite3.Connection) -> None:
        for task_id, version in going:
            if not db.execute(_OLD_RECORD, (task_id, version)).rowcount:
                for row in db.execute(_RECORD, (task_id,)):
                    _mark(marks, row)

    return delete_records


def _letters(before: float) -> Callable[[sqlite3.Connection], None]:
    letters = [(lane.dead_letter_queue, before) for lane in Lane]

    def delete_letters(db: sqlite3.Connection) -> None:
        db.executemany(_OLD_LETTERS, letters)

    return delete_letters


@contextlib.contextmanager
def alone(root: Path) -> Iterator[bool]:
    """Whether nobody else deletes what is old, nor relies on its being there, until this ends; with
    the process at the latest. Raises OSError."""
    with (root / "keeping").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
