"""Tables: created where missing, never changed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.resources import TASKS, Table
from short_drama.domain.errors import Unavailable

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

_SECONDS = 30.0
_UNKNOWN = frozenset({"UnknownOperationException", "UnknownOperation"})
"""What servers say that lack an operation DynamoDB has."""
_TOO_EARLY = frozenset({"ContinuousBackupsUnavailableException"})
_TRIES, _PAUSE_SECONDS = 20, 1.0
"""A table that has just become active may not be ready for backups yet."""


async def create_table(dynamodb: DynamoDBClient, name: str, table: Table = TASKS) -> bool:
    """Whether there was no table of this name; either way it can be used now.

    Args:
        table: what is created; what exists is used as it is.

    Raises Unavailable.
    """
    try:
        await answer(
            "dynamodb",
            dynamodb.create_table(TableName=name, **table.shape),
            seconds=_SECONDS,
            expected={"ResourceInUseException"},
        )
    except ClientError:  # there is one, or somebody else is about to make it
        await _until_active(dynamodb, name)
        await _warn_if_kept_forever(dynamodb, name)
        return False
    await _until_active(dynamodb, name)
    await _expire_records(dynamodb, name, table.expires)
    await _keep_backups(dynamodb, name)
    return True


async def _until_active(dynamodb: DynamoDBClient, table: str) -> None:
    try:
        async with asyncio.timeout(_SECONDS):
            await dynamodb.get_waiter("table_exists").wait(
                TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )
    except (WaiterError, TimeoutError) as error:
        raise Unavailable(f"table {table} does not become active") from error


async def _expire_records(dynamodb: DynamoDBClient, table: str, attribute: str) -> None:
    try:
        await answer(
            "dynamodb",
            dynamodb.update_time_to_live(
                TableName=table,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute},
            ),
            seconds=_SECONDS,
            expected=_UNKNOWN,
        )
    except ClientError:
        log.warning("this server does not expire records")


async def _warn_if_kept_forever(dynamodb: DynamoDBClient, table: str) -> None:
    """Somebody may have wanted it so, hence no more than a warning."""
    try:
        found = await answer(
            "dynamodb",
            dynamodb.describe_time_to_live(TableName=table),
            seconds=_SECONDS,
            expected=_UNKNOWN,
        )
    except ClientError:  # as said when it was created
        return
    if found["TimeToLiveDescription"]["TimeToLiveStatus"] in ("DISABLED", "DISABLING"):
        log.warning("table %s keeps ended tasks forever: its time to live is off", table)


async def _keep_backups(dynamodb: DynamoDBClient, table: str) -> None:
    """Point-in-time recovery: the table as it was at any second of the last 35 days."""
    for _ in range(_TRIES):
        try:
            await answer(
                "dynamodb",
                dynamodb.update_continuous_backups(
                    TableName=table,
                    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
                ),
                seconds=_SECONDS,
                expected=_UNKNOWN | _TOO_EARLY,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _UNKNOWN:
                log.warning("this server does not keep backups")
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
    raise Unavailable(f"table {table} was created, but cannot be backed up yet")
