"""What was spent, as an item for each account in the task table.

The items have neither a status nor a lane, so no index of tasks has them; their keys begin with
`spend#`, which no task's id does. They expire a good year after they were last written.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Callable

    from types_aiobotocore_dynamodb import DynamoDBClient

_KEPT_SECONDS = 400 * 86_400
_ROOM_LEFT = "attribute_not_exists(micros) OR micros <= :room"


class DynamoSpendLedger:
    """Implements `ports.SpendLedger`."""

    def __init__(
        self, dynamodb: DynamoDBClient, *, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb, self._table, self._clock = dynamodb, table, clock

    async def reserve(self, account: str, micros: int, *, limit: int | None) -> bool:
        if limit is None:
            await self._add(account, micros)
            return True
        if micros > limit:  # the condition lets an account that is not there yet through
            return False
        room = {":room": {"N": str(limit - micros)}}
        try:
            await self._add(account, micros, room, ConditionExpression=_ROOM_LEFT)
        except ClientError:
            return False
        return True

    async def correct(self, account: str, micros: int) -> None:
        await self._add(account, micros)

    async def spent(self, account: str) -> int:
        found = await answer(
            "dynamodb",
            self._dynamodb.get_item(TableName=self._table, Key=_key(account), ConsistentRead=True),
        )
        return int(found.get("Item", {}).get("micros", {"N": "0"})["N"])

    async def _add(
        self, account: str, micros: int, values: dict[str, Any] | None = None, **condition: Any
    ) -> None:
        expires_at = int(self._clock()) + _KEPT_SECONDS
        amounts = {":micros": {"N": str(micros)}, ":expires_at": {"N": str(expires_at)}}
        await answer(
            "dynamodb",
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(account),
                UpdateExpression="SET expires_at = :expires_at ADD micros :micros",
                ExpressionAttributeValues={**amounts, **(values or {})},
                **condition,
            ),
            expected={"ConditionalCheckFailedException"},
        )


def _key(account: str) -> dict[str, Any]:
    return {"task_id": {"S": f"spend#{account}"}}
