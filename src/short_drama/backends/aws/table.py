"""The task table: created where missing, never changed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import DUE_INDEX, IN_STATUS_INDEX, STATUS_INDEX
from short_drama.domain.errors import Unavailable

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

_SECONDS = 30.0
_SHAPE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "task_id", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "task_id", "AttributeType": "S"},
        {"AttributeName": "status", "AttributeType": "S"},
        {"AttributeName": "created_at", "AttributeType": "N"},
        {"AttributeName": "lane", "AttributeType": "S"},
        {"AttributeName": "due_at", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": STATUS_INDEX,
            "KeySchema": [
                {"AttributeName": "status", "KeyType": "HASH"},
                {"AttributeName": "created_at", "KeyType": "RANGE"},
            ],
            "Projection": {
                "ProjectionType": "INCLUDE",
                "NonKeyAttributes": list(IN_STATUS_INDEX),
            },
        },
        {
            "IndexName": DUE_INDEX,
            "KeySchema": [
                {"AttributeName": "lane", "KeyType": "HASH"},
                {"AttributeName": "due_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        },
    ],
}
_UNKNOWN = frozenset({"UnknownOperationException", "UnknownOperation"})
"""What servers say that lack an operation DynamoDB has."""


async def create_table(dynamodb: DynamoDBClient, table: str) -> bool:
    """Whether there was no such table. Raises Unavailable."""
    try:
        await answer(
            "dynamodb",
            dynamodb.create_table(TableName=table, **_SHAPE),
            seconds=_SECONDS,
            expected={"ResourceInUseException"},
        )
    except ClientError:
        return False
    await _until_active(dynamodb, table)
    await _expire_records(dynamodb, table)
    return True


async def _until_active(dynamodb: DynamoDBClient, table: str) -> None:
    try:
        async with asyncio.timeout(_SECONDS):
            await dynamodb.get_waiter("table_exists").wait(
                TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )
    except (WaiterError, TimeoutError) as error:
        raise Unavailable(f"table {table} was created but does not become active") from error


async def _expire_records(dynamodb: DynamoDBClient, table: str) -> None:
    try:
        await answer(
            "dynamodb",
            dynamodb.update_time_to_live(
                TableName=table,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
            ),
            seconds=_SECONDS,
            expected=_UNKNOWN,
        )
    except ClientError:
        log.warning("this server does not expire records")
