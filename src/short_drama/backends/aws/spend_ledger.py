"""What was spent, as an item for each account in the task table.

The items have neither a status nor a lane, so no index of tasks has them; their keys begin with
`spend#`, which no task's id does. They expire a good year after they were last written.

An amount is added in a transaction of one, because that can be repeated safely: the SDK repeats a
request whose answer was lost, and DynamoDB knows it again by its token (for ten minutes).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.domain.errors import Unavailable

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Callable

    from types_aiobotocore_dynamodb import DynamoDBClient

_KEPT_SECONDS = 400 * 86_400
_ROOM_LEFT = "attribute_not_exists(micros) OR micros <= :room"
_CANCELLED, _NO_ROOM = "TransactionCanceledException", "ConditionalCheckFailed"
_TRIES, _PAUSE_SECONDS = 12, 0.02
"""When others write the account at the same moment; the pause grows with each try."""


class DynamoSpendLedger:
    """Implements `ports.SpendLedger`."""

    def __init__(
        self, dynamodb: DynamoDBClient, *, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb, self._table, self._clock = dynamodb, table, clock

    async def reserve(self, account: str, micros: int, *, limit: int | None) -> bool:
        if limit is None:
            return await self._add(account, micros)
        if micros > limit:  # the condition lets an account that is not there yet through
            return False
        room = {":room": {"N": str(limit - micros)}}
        return await self._add(account, micros, room, ConditionExpression=_ROOM_LEFT)

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
    ) -> bool:
        """Whether the condition held."""
        expires_at = int(self._clock()) + _KEPT_SECONDS
        amounts = {":micros": {"N": str(micros)}, ":expires_at": {"N": str(expires_at)}}
        update: dict[str, Any] = {
            "TableName": self._table,
            "Key": _key(account),
            "UpdateExpression": "SET expires_at = :expires_at ADD micros :micros",
            "ExpressionAttributeValues": {**amounts, **(values or {})},
            **condition,
        }
        for number in range(1, _TRIES + 1):
            try:
                await answer(
                    "dynamodb",
                    self._dynamodb.transact_write_items(
                        TransactItems=[{"Update": update}],  # type: ignore[typeddict-item]
                        ClientRequestToken=str(uuid.uuid4()),
                    ),
                    expected={_CANCELLED},
                )
            except ClientError as error:
                if _NO_ROOM in _reasons(error):
                    return False
                await asyncio.sleep(number * _PAUSE_SECONDS)
            else:
                return True
        raise Unavailable(f"too many write the account {account} at once")


def _key(account: str) -> dict[str, Any]:
    return {"task_id": {"S": f"spend#{account}"}}


def _reasons(error: ClientError) -> set[str]:
    """The codes of a cancelled transaction's reasons."""
    reasons: Any = error.response.get("CancellationReasons") or ()
    return {str(reason.get("Code")) for reason in reasons} | (
        {_NO_ROOM} if _NO_ROOM in str(error) else set()
    )
