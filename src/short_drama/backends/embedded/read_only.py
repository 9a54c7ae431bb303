"""The SQLite file for those who only look: nothing is made, brought up to date or locked."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.upgrade import require_today
from short_drama.domain.errors import Unavailable

T = TypeVar("T")

_MOST_FAULTS = 3


class ReadOnlyDatabase(Database):
    """Opening it raises Unavailable too when there is no such file, or one of another version."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # Without a log beside it nobody has it open, and SQLite need not look for one: it would
        # make the log's index, in a folder that may not be writable.
        alone = not path.with_name(f"{path.name}-wal").exists()
        self._address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}"

    async def __aenter__(self) -> "ReadOnlyDatabase":
        self._connection = await asyncio.to_thread(self._opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def write(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        then: Callable[[T], None] | None = None,
    ) -> T:
        raise Unavailable("the task database is open to be read only")

    async def faults(self) -> list[str]:
        """What SQLite finds damaged, its first few sentences; it reads all of the file."""
        check = f"PRAGMA quick_check({_MOST_FAULTS})"
        found = await self.read(lambda db: [str(row[0]) for row in db.execute(check)])
        return [] if found == ["ok"] else found

    def _opened(self) -> sqlite3.Connection:
        with self._translated("read"):
            connection = self._connect(busy_seconds=1.0)
            try:
                require_today(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _connect(self, *, busy_seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address,
            uri=True,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        return connection
