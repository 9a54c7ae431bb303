"""What was spent: a row for each task's page, with its record as JSON, and one for each account."""

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace

from short_drama.backends.embedded.database import Database, Reads
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.record import page_of, record_of_page
from short_drama.domain.spending import TaskSpend
from short_drama.ports import OverLimit, StaleSpend

_ADD = """
INSERT INTO spending (account, micros) VALUES (?, ?)
ON CONFLICT (account) DO UPDATE SET micros = micros + excluded.micros
"""
_WRITE = """
INSERT OR REPLACE INTO spend_pages (task_id, version, is_open, written_at, record)
VALUES (?, ?, ?, ?, ?)
"""
_OPEN = """
SELECT record FROM spend_pages WHERE is_open AND (written_at, task_id) > (?, ?)
ORDER BY written_at, task_id
"""
_WRITTEN = """
SELECT record FROM spend_pages WHERE (written_at, task_id) > (?, ?)
ORDER BY written_at, task_id
"""
_CHUNK = 500


class EmbeddedSpendLedger:
    """Implements `ports.SpendLedger`."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    async def read(self, task_id: str) -> TaskSpend | None:
        return self._database.look(lambda db: _page(db, task_id))

    async def write(self, page: TaskSpend, *, limits: Mapping[str, int] | None = None) -> TaskSpend:
        stored = replace(page, version=page.version + 1, written_at=self._clock())
        row = (stored.task_id, stored.version, stored.is_open, stored.written_at, _json(stored))

        def change(db: sqlite3.Connection) -> None:
            before = _page(db, page.task_id)
            if page.version != (0 if before is None else before.version):
                raise StaleSpend(page.task_id)
            for account, micros in stored.counted_more(before).items():
                limit = (limits or {}).get(account)
                if limit is not None and micros > 0 and _total(db, account) + micros > limit:
                    raise OverLimit(account)
                db.execute(_ADD, (account, micros))
            db.execute(_WRITE, row)

        await self._database.write(change)
        return stored

    async def total(self, account: str) -> int:
        return self._database.look(lambda db: _total(db, account))

    async def open(self, *, limit: int, after: TaskSpend | None = None) -> Sequence[TaskSpend]:
        place = (0.0, "") if after is None else (after.written_at, after.task_id)
        return await self._pages(_OPEN, place, limit)

    async def written_since(self, moment: float) -> AsyncIterator[TaskSpend]:
        seen: set[str] = set()
        place = (moment, "")
        while pages := await self._pages(_WRITTEN, place, _CHUNK):
            for page in pages:
                if page.task_id not in seen:
                    yield page
            # One that is written meanwhile comes again, at the end.
            seen.update(page.task_id for page in pages)
            place = (pages[-1].written_at, pages[-1].task_id)

    async def _pages(self, sql: str, place: tuple[float, str], limit: int) -> Sequence[TaskSpend]:
        """More rows than `limit` are read only where some cannot be."""

        def look(db: sqlite3.Connection) -> Sequence[TaskSpend]:
            with contextlib.closing(db.execute(sql, place)) as rows:
                pages = LEFT_OUT.readable(formats.PAGE, rows, _of_row)
                return list(itertools.islice(pages, limit))

        return await self._database.read(look, by=Reads.BOOKS)


def _page(db: sqlite3.Connection, task_id: str) -> TaskSpend | None:
    row = db.execute("SELECT record FROM spend_pages WHERE task_id = ?", (task_id,)).fetchone()
    return None if row is None else _of_row(row)


def _of_row(row: sqlite3.Row) -> TaskSpend:
    return page_of(json.loads(row["record"]))


def _json(page: TaskSpend) -> str:
    return json.dumps(record_of_page(page), ensure_ascii=False, separators=(",", ":"))


def _total(db: sqlite3.Connection, account: str) -> int:
    row = db.execute("SELECT micros FROM spending WHERE account = ?", (account,)).fetchone()
    return 0 if row is None else int(row["micros"])
