"""API keys, as an item for each in the task table.

The items have neither a status nor a lane, so no index of tasks has them. `key#<id>` is a key,
which only operators write; `used#<id>` says when it was last used, which services write; `key#`
lists the ids. An id is listed before its key is there, so that none is ever there unlisted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import attribute, read_attribute
from short_drama.backends.aws.one_item import CONFLICT, read_item
from short_drama.domain.api_keys import ApiKey
from short_drama.ports import KeyExists

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

_KEY, _USED = "key#", "used#"


class DynamoKeyStore:
    """Implements `ports.KeyStore`."""

    def __init__(self, dynamodb: DynamoDBClient, *, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    async def add(self, key: ApiKey) -> None:
        await self._update(_KEY, "ADD #ids :ids", {"#ids": "ids"}, {":ids": {"SS": [key.key_id]}})
        try:
            await self._update(
                _KEY + key.key_id,
                "SET #record = :record",
                {"#record": "record"},
                {":record": attribute(key.to_json())},
                only_if="attribute_not_exists(task_id)",
            )
        except ClientError:
            raise KeyExists(key.key_id) from None

    async def get(self, key_id: str) -> ApiKey | None:
        item = await self._item(_KEY + key_id)
        return _read(item) if item else None

    async def list(self) -> Sequence[ApiKey]:
        ids = (await self._item(_KEY)).get("ids", {"SS": []})["SS"]
        found = await asyncio.gather(*map(self._with_its_use, ids))
        keys = [key for key in found if key is not None]
        return sorted(keys, key=lambda key: (key.created_at, key.key_id))

    async def revoke(self, key_id: str, *, at: float) -> ApiKey | None:
        try:
            await self._update(
                _KEY + key_id,
                "SET #at = if_not_exists(#at, :at)",
                {"#at": "revoked_at"},
                {":at": attribute(at)},
                only_if="attribute_exists(task_id)",
            )
        except ClientError:
            return None
        return await self.get(key_id)

    async def used(self, key_id: str, *, at: float) -> None:
        await self._update(
            _USED + key_id, "SET #at = :at", {"#at": "last_used_at"}, {":at": attribute(at)}
        )

    async def _with_its_use(self, key_id: str) -> ApiKey | None:
        key, use = await asyncio.gather(self._item(_KEY + key_id), self._item(_USED + key_id))
        return _read(key, use.get("last_used_at")) if key else None

    async def _item(self, name: str) -> Mapping[str, Any]:
        return await read_item(self._dynamodb, self._table, name) or {}

    async def _update(
        self,
        name: str,
        change: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
        *,
        only_if: str | None = None,
    ) -> None:
        """Raises ClientError where `only_if` does not hold."""
        condition: Any = {} if only_if is None else {"ConditionExpression": only_if}
        await answer(
            "dynamodb",
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_named(name),
                UpdateExpression=change,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                **condition,
            ),
            expected={CONFLICT} if only_if else (),
        )


def _named(name: str) -> dict[str, Any]:
    return {"task_id": {"S": name}}


def _read(item: Mapping[str, Any], used: Mapping[str, Any] | None = None) -> ApiKey:
    times = {"revoked_at": item.get("revoked_at"), "last_used_at": used}
    told = {name: read_attribute(at) for name, at in times.items() if at is not None}
    return ApiKey.from_json({**read_attribute(item["record"]), **told})
