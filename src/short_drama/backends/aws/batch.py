"""Many items of a table by their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import Item
from short_drama.domain.errors import Unavailable

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

BATCH = 100
"""Items in one BatchGetItem, by the DynamoDB API reference."""
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Seconds before each request for what is left of a batch: DynamoDB leaves out what is over 16 MB,
or over the table's throughput."""


async def fetch(dynamodb: DynamoDBClient, table: str, keys: Sequence[str]) -> list[Item]:
    """The items there are, in the order of their keys, each once. Raises Unavailable."""
    keys = list(dict.fromkeys(keys))
    items: dict[str, Item] = {}
    for first in range(0, len(keys), BATCH):
        for item in await _batch(dynamodb, table, keys[first : first + BATCH]):
            items[item["task_id"]["S"]] = item
    return [items[key] for key in keys if key in items]


async def _batch(dynamodb: DynamoDBClient, table: str, keys: Sequence[str]) -> list[Item]:
    wanted: dict[str, Any] = {
        table: {"Keys": [{"task_id": {"S": key}} for key in keys], "ConsistentRead": True}
    }
    items: list[Item] = []
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        found = await answer("dynamodb", dynamodb.batch_get_item(RequestItems=wanted))
        items += found["Responses"].get(table, ())
        wanted = dict(found.get("UnprocessedKeys") or {})
        if not wanted:
            return items
    raise Unavailable("AWS dynamodb does not finish a batch", after=1.0)
