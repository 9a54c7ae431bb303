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
from short_drama.domain.webhooks import Endpoints
from short_drama.ports import StaleEndpoints

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

_CONFLICT = "ConditionalCheckFailedException"


class DynamoWebhookStore:
    """Implements `ports.WebhookStore`."""

    def __init__(self, dynamodb: DynamoDBClient, *, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    async def of(self, owner: str) -> Endpoints:
        found = await answer(
            "dynamodb",
            self._dynamodb.get_item(TableName=self._table, Key=_key(owner), ConsistentRead=True),
        )
        item = found.get("Item")
        if item is None:
            return Endpoints(owner)
        return Endpoints.from_json(
            owner, read_attribute(item["version"]), read_attribute(item["record"])
        )

    async def replace(self, endpoints: Endpoints) -> Endpoints:
        stored = replace(endpoints, version=endpoints.version + 1)
        members = {"version": stored.version, "record": stored.to_json()}
        try:
            await answer(
                "dynamodb",
                self._put(stored.owner, members, endpoints.version),
                expected={_CONFLICT},
            )
        except ClientError:
            found = await self.of(stored.owner)
            if found != stored:  # else an answer was lost, and the write was not
                raise StaleEndpoints(stored.owner) from None
        return stored

    async def _put(self, owner: str, members: dict[str, Any], version: int) -> Any:
        """Over this version of it."""
        condition: Any = (
            {"ConditionExpression": "attribute_not_exists(task_id)"}
            if version == 0
            else {
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":version": attribute(version)},
            }
        )
        item = {name: attribute(value) for name, value in members.items()}
        return await self._dynamodb.put_item(
            TableName=self._table, Item={**_key(owner), **item}, **condition
        )


def _key(owner: str) -> dict[str, Any]:
    return {"task_id": {"S": f"webhook#{owner}"}}
