"""Characters, as a row for each, and one for each task that a character is used in."""

import json
import sqlite3
from collections.abc import Sequence

from short_drama.backends.embedded.database import Database, Reads
from short_drama.domain.characters import Character
from short_drama.ports import StaleCharacter

_ONE = "SELECT version, record FROM characters WHERE owner = ? AND name = ?"
_ALL = "SELECT version, record FROM characters WHERE owner = ? ORDER BY name"
_ADD = "INSERT OR IGNORE INTO characters (record, owner, name, version) VALUES (?, ?, ?, ? + 1)"
_CHANGE = """
UPDATE characters SET record = ?, version = version + 1
WHERE owner = ? AND name = ? AND version = ?
"""
_DELETE = "DELETE FROM characters WHERE owner = ? AND name = ? AND version = ?"
_FORGET = "DELETE FROM character_uses WHERE owner = ? AND name = ?"
_USE = "INSERT OR IGNORE INTO character_uses (owner, name, task_id) VALUES (?, ?, ?)"
_USES = "SELECT task_id FROM character_uses WHERE owner = ? AND name = ? ORDER BY task_id"


class EmbeddedCharacterStore:
    """Implements `ports.CharacterStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, owner: str, name: str) -> Character | None:
        row = self._database.look(lambda db: db.execute(_ONE, (owner, name)).fetchone())
        return None if row is None else _of_row(row)

    async def list(self, owner: str) -> Sequence[Character]:
        return await self._database.read(
            lambda db: [_of_row(row) for row in db.execute(_ALL, (owner,))], by=Reads.LISTS
        )

    async def write(self, character: Character) -> Character:
        record = json.dumps(character.to_json(), ensure_ascii=False)
        row = (record, character.owner, character.name, character.version)
        statement = _CHANGE if character.version else _ADD
        if not await self._database.write(lambda db: db.execute(statement, row).rowcount):
            raise StaleCharacter(character.name)
        return Character.from_json(json.loads(record), version=character.version + 1)

    async def delete(self, character: Character) -> None:
        named = (character.owner, character.name)

        def delete(db: sqlite3.Connection) -> int:
            gone = db.execute(_DELETE, (*named, character.version)).rowcount
            if gone:
                db.execute(_FORGET, named)
            return gone

        if not await self._database.write(delete):
            raise StaleCharacter(character.name)

    async def note_use(self, owner: str, name: str, task_id: str) -> None:
        await self._database.write(lambda db: db.execute(_USE, (owner, name, task_id)).rowcount)

    async def uses(self, owner: str, name: str) -> Sequence[str]:
        return await self._database.read(
            lambda db: [row["task_id"] for row in db.execute(_USES, (owner, name))],
            by=Reads.LISTS,
        )


def _of_row(row: sqlite3.Row) -> Character:
    return Character.from_json(json.loads(row["record"]), version=row["version"])
