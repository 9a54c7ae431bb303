"""Characters, as items in the task table.

The items have neither a status nor a lane, so no index of tasks has them. `character#<owner>` lists
the names of an owner's, `character#<owner>/<name>` is one, and which tasks it was used in is spread
over sixteen more by the first digit of their ids: an item has room for some 10,000 of these. A name
is listed before its character is there, so that none is ever there unlisted.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.one_item import CONFLICT, only_over, read_item
from short_drama.domain.characters import Character
from short_drama.ports import StaleCharacter

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Awaitable, Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

PREFIX: Final = "character#"
_DIGITS: Final = "0123456789abcdef"


class DynamoCharacterStore:
    """Implements `ports.CharacterStore`."""

    def __init__(self, dynamodb: DynamoDBClient, *, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    async def get(self, owner: str, name: str) -> Character | None:
        item = await self._item(f"{owner}/{name}")
        return _read(item) if "record" in item else None

    async def list(self, owner: str) -> Sequence[Character]:
        found = await asyncio.gather(
            *(self.get(owner, name) for name in sorted(_members(await self._item(owner))))
        )
        return [character for character in found if character is not None]

    async def write(self, character: Character) -> Character:
        version, record = character.version, json.dumps(character.to_json(), ensure_ascii=False)
        if version == 0:
            await self._add(character.owner, character.name)
        await _done(self._write(character, record, version), character.name)
        return Character.from_json(json.loads(record), version=version + 1)

    async def delete(self, character: Character) -> None:
        owner, name = character.owner, character.name
        key: Any = _named(f"{owner}/{name}")
        gone = self._dynamodb.delete_item(
            TableName=self._table, Key=key, **only_over(character.version)
        )
        await _done(answer("dynamodb", gone, expected={CONFLICT}), name)
        for digit in _DIGITS:
            uses: Any = _named(f"{owner}/{name}/{digit}")
            await answer("dynamodb", self._dynamodb.delete_item(TableName=self._table, Key=uses))
        await self._change(owner, "DELETE #members :one", name)

    async def _write(self, character: Character, record: str, version: int) -> None:
        key: Any = _named(f"{character.owner}/{character.name}")
        over = only_over(version)
        names = {"#version": "version", "#record": "record"}
        values: Any = {
            **over.get("ExpressionAttributeValues", {}),
            ":next": {"N": str(version + 1)},
            ":record": {"S": record},
        }
        await answer(
            "dynamodb",
            self._dynamodb.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET #record = :record, #version = :next",
                ConditionExpression=over["ConditionExpression"],
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            ),
            expected={CONFLICT},
        )

    async def note_use(self, owner: str, name: str, task_id: str) -> None:
        await self._add(f"{owner}/{name}/{task_id[0]}", task_id)

    async def uses(self, owner: str, name: str) -> Sequence[str]:
        items = await asyncio.gather(*(self._item(f"{owner}/{name}/{digit}") for digit in _DIGITS))
        return sorted(one for item in items for one in _members(item))

    async def _item(self, name: str) -> Mapping[str, Any]:
        return await read_item(self._dynamodb, self._table, PREFIX + name) or {}

    async def _add(self, name: str, member: str) -> None:
        await self._change(name, "ADD #members :one", member)

    async def _change(self, name: str, change: str, member: str) -> None:
        key: Any = _named(name)
        await answer(
            "dynamodb",
            self._dynamodb.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression=change,
                ExpressionAttributeNames={"#members": "members"},
                ExpressionAttributeValues={":one": {"SS": [member]}},
            ),
        )


async def _done(call: Awaitable[object], name: str) -> None:
    """Raises StaleCharacter."""
    try:
        await call
    except ClientError:
        raise StaleCharacter(name) from None


def _named(name: str) -> dict[str, Any]:
    return {"task_id": {"S": PREFIX + name}}


def _members(item: Mapping[str, Any]) -> Sequence[str]:
    members: Sequence[str] = item.get("members", {"SS": []})["SS"]
    return members


def _read(item: Mapping[str, Any]) -> Character:
    return Character.from_json(json.loads(item["record"]["S"]), version=int(item["version"]["N"]))
