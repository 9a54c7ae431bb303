"""Several writes to the table, all or nothing."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.domain.errors import Unavailable

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

_CANCELLED, _REFUSED = "TransactionCanceledException", "ConditionalCheckFailed"
_TRIES, _PAUSE_SECONDS = 12, 0.02
"""When others write an item at the same moment; the pause grows with each try."""


async def transact(
    dynamodb: DynamoDBClient, items: Sequence[dict[str, Any]], *, what: str
) -> int | None:
    """The place of one whose condition does not hold; None when all have been written.

    It can be repeated safely: the SDK repeats a request whose answer was lost, and DynamoDB knows
    it again by its token (for ten minutes). Raises Unavailable, also when others keep writing
    `what` first.
    """
    for number in range(1, _TRIES + 1):
        try:
            await answer(
                "dynamodb",
                dynamodb.transact_write_items(
                    TransactItems=items,  # type: ignore[arg-type]
                    ClientRequestToken=str(uuid.uuid4()),
                ),
                expected={_CANCELLED},
            )
        except ClientError as error:
            codes = _codes(error)
            if _REFUSED in codes:
                return codes.index(_REFUSED)
            await asyncio.sleep(number * _PAUSE_SECONDS)
        else:
            return None
    raise Unavailable(f"too many write {what} at once")


def _codes(error: ClientError) -> list[str | None]:
    """Of the reasons why a transaction was cancelled, in the order of what it was to do."""
    reasons: Any = error.response.get("CancellationReasons") or ()
    return [reason.get("Code") for reason in reasons]
