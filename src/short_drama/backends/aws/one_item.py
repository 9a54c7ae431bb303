"""One item of the table: as it is now, and conditions for writing over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from short_drama.backends.aws.clients import answer

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

CONFLICT: Final = "ConditionalCheckFailedException"
"""The code of an error: a write's condition does not hold."""


async def read_item(dynamodb: DynamoDBClient, table: str, key: str) -> dict[str, Any] | None:
    """None where there is none. Raises Unavailable."""
    found = await answer(
        "dynamodb",
        dynamodb.get_item(TableName=table, Key={"task_id": {"S": key}}, ConsistentRead=True),
    )
    return found.get("Item")


def only_over(version: int) -> dict[str, Any]:
    """Arguments of a write that replaces this version of an item, 0 for none at all."""
    if version == 0:
        return {"ConditionExpression": "attribute_not_exists(task_id)"}
    return {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": {"N": str(version)}},
    }
