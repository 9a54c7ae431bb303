"""What adapters say of kinds, as a row for each of them and each kind."""

import sqlite3
from collections.abc import Sequence

from short_drama.backends.embedded.database import Database
from short_drama.ports import KindNotice

_KEPT_SECONDS = 86_400.0
"""How long after its end a row of an adapter that is gone may stay."""
_SAY = """
INSERT INTO kind_notices (kind, speaker, until, reason, fix) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, speaker) DO UPDATE
SET until = excluded.until, reason = excluded.reason, fix = excluded.fix
"""


class EmbeddedKindNotices:
    """Implements `ports.KindNotices`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def say(self, kind: str, notice: KindNotice) -> None:
        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM kind_notices WHERE until < ?", (notice.until - _KEPT_SECONDS,))
            db.execute(_SAY, (kind, notice.speaker, notice.until, notice.reason, notice.fix))

        await self._database.write(write)

    async def said(self, kind: str, *, now: float) -> Sequence[KindNotice]:
        rows = self._database.look(
            lambda db: db.execute(
                "SELECT speaker, until, reason, fix FROM kind_notices WHERE kind = ? AND until > ?",
                (kind, now),
            ).fetchall()
        )
        return [KindNotice(**row) for row in rows]
