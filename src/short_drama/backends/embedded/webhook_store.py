"""Endpoints of webhooks, as a row for each owner."""

import json
import sqlite3
from dataclasses import replace

from short_drama.backends.embedded.database import Database
from short_drama.domain.webhooks import Endpoints
from short_drama.ports import StaleEndpoints

_OF = "SELECT version, record FROM webhooks WHERE owner = ?"
_FIRST = "INSERT OR IGNORE INTO webhooks (version, record, owner) VALUES (?, ?, ?)"
_NEXT = "UPDATE webhooks SET version = ?, record = ? WHERE owner = ? AND version = ?"


class EmbeddedWebhookStore:
    """Implements `ports.WebhookStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, owner: str) -> Endpoints:
        row = self._database.look(lambda db: db.execute(_OF, (owner,)).fetchone())
        if row is None:
            return Endpoints(owner)
        return Endpoints.from_json(owner, row["version"], json.loads(row["record"]))

    async def replace(self, endpoints: Endpoints) -> Endpoints:
        stored = replace(endpoints, version=endpoints.version + 1)
        record = json.dumps(stored.to_json(), ensure_ascii=False)
        row = (stored.version, record, stored.owner)

        def write(db: sqlite3.Connection) -> int:
            if endpoints.version == 0:
                return db.execute(_FIRST, row).rowcount
            return db.execute(_NEXT, (*row, endpoints.version)).rowcount

        if await self._database.write(write) != 1:
            raise StaleEndpoints(stored.owner)
        return stored
