"""What adapters say of kinds, as an item for each kind in the task table.

The items have neither a status nor a lane, so no index of tasks has them; their keys begin with
`kind#`, which no task's id does. They expire a day after the last word in them. An item holds what
all adapters say, and is replaced only over the version it was computed from.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.domain.errors import Unavailable
from short_drama.ports import KindNotice

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Iterable, Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

_KEPT_SECONDS = 86_400
_TRIES, _PAUSE_SECONDS = 12, 0.02
"""When others write the item at the same moment; the pause grows with each try."""
_CONFLICT = "ConditionalCheckFailedException"


class DynamoKindNotices:
    """Implements `ports.KindNotices`."""

    def __init__(self, dynamodb: DynamoDBClient, *, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    async def say(self, kind: str, notice: KindNotice) -> None:
        for number in range(1, _TRIES + 1):
            item = await self._item(kind)
            others = [one for one in _read(item) if one.speaker != notice.speaker]
            lately = [one for one in others if one.until > notice.until - _KEPT_SECONDS]
            version = int(item.get("version", {"N": "0"})["N"])
            if await self._replace(kind, [*lately, notice], version):
                return
            await asyncio.sleep(number * _PAUSE_SECONDS)
        raise Unavailable(f"too many write what is said of {kind} at once")

    async def said(self, kind: str, *, now: float) -> Sequence[KindNotice]:
        return [one for one in _read(await self._item(kind)) if one.until > now]

    async def _item(self, kind: str) -> Mapping[str, Any]:
        found = await answer(
            "dynamodb",
            self._dynamodb.get_item(TableName=self._table, Key=_key(kind), ConsistentRead=True),
        )
        return found.get("Item", {})

    async def _replace(self, kind: str, notices: Iterable[KindNotice], version: int) -> bool:
        """Whether nobody was quicker."""
        notices = list(notices)
        last = max(one.until for one in notices)
        try:
            await answer(
                "dynamodb",
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item={
                        **_key(kind),
                        "version": {"N": str(version + 1)},
                        "notices": {"M": {one.speaker: _written(one) for one in notices}},
                        "expires_at": {"N": str(int(last) + _KEPT_SECONDS)},
                    },
                    ConditionExpression="attribute_not_exists(task_id) OR version = :version",
                    ExpressionAttributeValues={":version": {"N": str(version)}},
                ),
                expected={_CONFLICT},
            )
        except ClientError:
            return False
        return True


def _key(kind: str) -> dict[str, Any]:
    return {"task_id": {"S": f"kind#{kind}"}}


def _written(notice: KindNotice) -> dict[str, Any]:
    words = {"reason": notice.reason, "fix": notice.fix}
    told = {name: {"S": text} for name, text in words.items() if text is not None}
    return {"M": {"until": {"N": repr(notice.until)}, **told}}


def _read(item: Mapping[str, Any]) -> Iterable[KindNotice]:
    for speaker, told in item.get("notices", {"M": {}})["M"].items():
        parts = told["M"]
        yield KindNotice(
            speaker=speaker,
            until=float(parts["until"]["N"]),
            reason=parts.get("reason", {}).get("S"),
            fix=parts.get("fix", {}).get("S"),
        )
