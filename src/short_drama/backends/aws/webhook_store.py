"""Endpoints of webhooks, as an item for each owner in the task table.

The items have neither a status nor a lane, so no index of tasks has them; their keys begin with
`webhook#`, which no task's id does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import attribute, read_attribute
from short_drama.backends.aws.one_item import CONFLICT, only_over, read_item
from short_drama.domain.webhooks import Endpoints
from short_drama.ports import StaleEndpoints

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient


class DynamoWebhookStore:
    """Implements `ports.WebhookStore`."""

    def __init__(self, dynamodb: DynamoDBClient, *, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    async def of(self, owner: str) -> Endpoints:
        item = await read_item(self._dynamodb, self._table, _name(owner))
        if item is None:
            return Endpoints(owner)
        return Endpoints.from_json(
            owner, read_attribute(item["version"]), read_attribute(item["record"])
        )

    async def replace(self, endpoints: Endpoints) -> Endpoints:
        stored = replace(endpoints, version=endpoints.version + 1)
        item: Any = {
            "task_id": {"S": _name(stored.owner)},
            "version": attribute(stored.version),
            "record": attribute(stored.to_json()),
        }
        put = self._dynamodb.put_item(
            TableName=self._table, Item=item, **only_over(endpoints.version)
        )
        try:
            await answer("dynamodb", put, expected={CONFLICT})
        except ClientError:
            found = await self.of(stored.owner)
            if found != stored:  # else an answer was lost, and the write was not
                raise StaleEndpoints(stored.owner) from None
        return stored


def _name(owner: str) -> str:
    return f"webhook#{owner}"
