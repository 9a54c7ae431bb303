"""API keys, as a row for each."""

import json
import sqlite3
from collections.abc import Sequence

from short_drama.backends.embedded.database import Database, Reads
from short_drama.domain.api_keys import ApiKey
from short_drama.ports import KeyExists

_ADD = "INSERT OR IGNORE INTO api_keys (key_id, created_at, record) VALUES (?, ?, ?)"
_ONE = "SELECT record, revoked_at, used_at FROM api_keys WHERE key_id = ?"
_ALL = "SELECT record, revoked_at, used_at FROM api_keys ORDER BY created_at, key_id"
_REVOKE = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE key_id = ?"
_USED = "UPDATE api_keys SET used_at = max(coalesce(used_at, 0), ?) WHERE key_id = ?"


class EmbeddedKeyStore:
    """Implements `ports.KeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> None:
        row = (key.key_id, key.created_at, json.dumps(key.to_json(), ensure_ascii=False))
        if not await self._database.write(lambda db: db.execute(_ADD, row).rowcount):
            raise KeyExists(key.key_id)

    async def get(self, key_id: str) -> ApiKey | None:
        row = self._database.look(lambda db: db.execute(_ONE, (key_id,)).fetchone())
        return None if row is None else _of_row(row)

    async def list(self) -> Sequence[ApiKey]:
        return await self._database.read(
            lambda db: [_of_row(row) for row in db.execute(_ALL)], by=Reads.LISTS
        )

    async def revoke(self, key_id: str, *, at: float) -> ApiKey | None:
        await self._database.write(lambda db: db.execute(_REVOKE, (at, key_id)).rowcount)
        return await self.get(key_id)

    async def used(self, key_id: str, *, at: float) -> None:
        await self._database.write(lambda db: db.execute(_USED, (at, key_id)).rowcount)


def _of_row(row: sqlite3.Row) -> ApiKey:
    times = {"revoked_at": row["revoked_at"], "last_used_at": row["used_at"]}
    return ApiKey.from_json({**json.loads(row["record"]), **times})
