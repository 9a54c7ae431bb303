"""What adapters say of their lanes, as an item for each lane in the task table.

The items have neither a status nor a lane, so no index of tasks has them; their keys begin with
`lane#`, which no task's id does. They expire a day after the last word in them. An item holds what
all adapters of the lane say, and is replaced only over the version it was computed from.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import attribute, read_attribute
from short_drama.backends.aws.one_item import CONFLICT, read_item
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.errors import Unavailable
from short_drama.domain.lane_notices import LaneNotice

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

    from short_drama.domain.kinds import Lane

_KEPT_SECONDS = 86_400
_REMEMBERED_SECONDS = 3_600
"""For how long a lapsed notice stays while others speak: the item is written often, and paid by its
size."""
_TRIES, _PAUSE_SECONDS = 12, 0.02
"""When others write the item at the same moment; the pause grows with each try."""


class DynamoLaneNotices:
    """Implements `ports.LaneNotices`."""

    def __init__(self, dynamodb: DynamoDBClient, *, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    async def say(self, lane: Lane, notice: LaneNotice) -> None:
        for number in range(1, _TRIES + 1):
            item = await self._item(lane)
            lapsed = {
                one.speaker
                for one in _read(item)
                if one.until <= notice.until - _REMEMBERED_SECONDS
            }
            # As they are: some may be in words of a newer release.
            told = {who: word for who, word in _told(item).items() if who not in lapsed}
            version = int(item.get("version", {"N": "0"})["N"])
            if await self._replace(lane, told | {notice.speaker: _written(notice)}, version):
                return
            await asyncio.sleep(number * _PAUSE_SECONDS)
        raise Unavailable(f"too many write what is said of the {lane} lane at once")

    async def said(self, lane: Lane, *, since: float) -> Sequence[LaneNotice]:
        return [one for one in _read(await self._item(lane)) if one.until > since]

    async def _item(self, lane: Lane) -> Mapping[str, Any]:
        return await read_item(self._dynamodb, self._table, _name(lane)) or {}

    async def _replace(self, lane: Lane, told: Mapping[str, Any], version: int) -> bool:
        """Whether nobody was quicker."""
        last = max((one.until for one in _read({"notices": {"M": told}})), default=0.0)
        try:
            await answer(
                "dynamodb",
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item={
                        "task_id": {"S": _name(lane)},
                        "version": {"N": str(version + 1)},
                        "notices": {"M": told},
                        "expires_at": {"N": str(int(last) + _KEPT_SECONDS)},
                    },
                    ConditionExpression="attribute_not_exists(task_id) OR version = :version",
                    ExpressionAttributeValues={":version": {"N": str(version)}},
                ),
                expected={CONFLICT},
            )
        except ClientError:
            return False
        return True


def _name(lane: Lane) -> str:
    return f"lane#{lane}"


def _written(notice: LaneNotice) -> Any:
    return attribute(notice.to_json())


def _told(item: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = item.get("notices", {"M": {}})["M"]
    return found


def _read(item: Mapping[str, Any]) -> list[LaneNotice]:
    """Those that can be read."""
    return list(LEFT_OUT.readable(formats.NOTICE, _told(item).items(), _notice))


def _notice(said: tuple[str, Any]) -> LaneNotice:
    speaker, told = said
    return LaneNotice.from_json(speaker, read_attribute(told))
