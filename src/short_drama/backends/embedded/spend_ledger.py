"""What was spent, as a row for each account."""

import sqlite3

from short_drama.backends.embedded.database import Database

_ADD = """
INSERT INTO spending (account, micros) VALUES (?, ?)
ON CONFLICT (account) DO UPDATE SET micros = micros + excluded.micros
"""


class EmbeddedSpendLedger:
    """Implements `ports.SpendLedger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, account: str, micros: int, *, limit: int | None) -> bool:
        def add(db: sqlite3.Connection) -> bool:
            if limit is not None and _spent(db, account) + micros > limit:
                return False
            db.execute(_ADD, (account, micros))
            return True

        return await self._database.write(add)

    async def correct(self, account: str, micros: int) -> None:
        await self._database.write(lambda db: db.execute(_ADD, (account, micros)))

    async def spent(self, account: str) -> int:
        return self._database.look(lambda db: _spent(db, account))


def _spent(db: sqlite3.Connection, account: str) -> int:
    row = db.execute("SELECT micros FROM spending WHERE account = ?", (account,)).fetchone()
    return 0 if row is None else int(row["micros"])
