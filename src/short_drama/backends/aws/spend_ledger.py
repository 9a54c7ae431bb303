"""What was spent: an item for each task's page and one for each account, in the task table.

Their keys begin with `spend#`, which no task's id does. No list of tasks has them: an account has
neither a status nor a lane, and those of a page are no task's. In the index by status all pages
are found by when they were last written; in the one by lane only those that are open.

A page and its accounts are written in one transaction. A page expires a good year after it was
last written, and so does an account.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from short_drama.backends.aws.batch import fetch
from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import (
    DUE_INDEX,
    STATUS_INDEX,
    Item,
    attribute,
    read_attribute,
)
from short_drama.backends.aws.one_item import read_item
from short_drama.backends.aws.transaction import transact
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.record import page_of, record_of_page
from short_drama.ports import OverLimit, StaleSpend

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

    from short_drama.domain.spending import TaskSpend

_KEPT_SECONDS = 400 * 86_400
_EVERY, _OPEN = "spend", "spend#open"
"""The status of all pages, and the lane of those that are open."""
_PAGE = "SET spend = :spend, version = :next, #status = :every, created_at = :now, {}"
_IS_OPEN = "lane = :open, due_at = :now, expires_at = :expires_at"
_IS_CLOSED = "expires_at = :expires_at REMOVE lane, due_at"
_CHUNK = 100


class DynamoSpendLedger:
    """Implements `ports.SpendLedger`."""

    def __init__(
        self, dynamodb: DynamoDBClient, *, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb, self._table, self._clock = dynamodb, table, clock

    async def read(self, task_id: str) -> TaskSpend | None:
        item = await self._item(_key_of(task_id))
        return None if item is None else _page(item)

    async def write(self, page: TaskSpend, *, limits: Mapping[str, int] | None = None) -> TaskSpend:
        before = await self.read(page.task_id) if page.version else None
        if page.version != (0 if before is None else before.version):
            raise StaleSpend(page.task_id)
        stored = replace(page, version=page.version + 1, written_at=self._clock())
        more = stored.counted_more(before)
        additions = [
            self._addition(account, micros, (limits or {}).get(account))
            for account, micros in more.items()
        ]
        updates = [{"Update": update} for update in (self._new_version(stored), *additions)]
        refused = await transact(self._dynamodb, updates, what="the same budgets")
        if refused == 0:
            raise StaleSpend(page.task_id)
        if refused is not None:
            raise OverLimit(list(more)[refused - 1])
        return stored

    async def total(self, account: str) -> int:
        item = await self._item(f"spend#{account}") or {}
        return int(item.get("micros", {"N": "0"})["N"])

    async def open(self, *, limit: int, after: TaskSpend | None = None) -> Sequence[TaskSpend]:
        last = None if after is None else _key_of(after.task_id)
        since = 0.0 if after is None else after.written_at
        pages: list[TaskSpend] = []
        async for found in self._keys(DUE_INDEX, "lane", "due_at", _OPEN, since):
            others = await self._pages([key for key in found if key != last])
            pages += [page for page in others if page.is_open]
            if len(pages) >= limit:
                break
        return sorted(pages, key=lambda page: page.written_at)[:limit]

    async def written_since(self, moment: float) -> AsyncIterator[TaskSpend]:
        seen: set[str] = set()
        async for found in self._keys(STATUS_INDEX, "status", "created_at", _EVERY, moment):
            for page in await self._pages([key for key in found if key not in seen]):
                yield page
            # One that is written meanwhile comes again, at the end.
            seen.update(found)

    # --- Writing ---------------------------------------------------------------------------

    def _new_version(self, page: TaskSpend) -> dict[str, Any]:
        values: dict[str, Any] = {
            ":spend": attribute(record_of_page(page)),
            ":next": attribute(page.version),
            ":every": attribute(_EVERY),
            ":now": attribute(page.written_at),
        }
        condition = "attribute_not_exists(task_id)"
        if page.version > 1:
            condition, values[":before"] = "version = :before", attribute(page.version - 1)
        if page.is_open:
            values[":open"] = attribute(_OPEN)
        return {
            **self._update(_key_of(page.task_id), values),
            "UpdateExpression": _PAGE.format(_IS_OPEN if page.is_open else _IS_CLOSED),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#status": "status"},
        }

    def _addition(self, account: str, micros: int, limit: int | None) -> dict[str, Any]:
        values: dict[str, Any] = {":micros": attribute(micros)}
        addition: dict[str, Any] = {
            **self._update(f"spend#{account}", values),
            "UpdateExpression": "SET expires_at = :expires_at ADD micros :micros",
        }
        if limit is not None and micros > 0:
            room = limit - micros
            fits = "micros <= :room"
            if room >= 0:
                fits = f"attribute_not_exists(micros) OR {fits}"
            addition["ConditionExpression"] = fits
            addition["ExpressionAttributeValues"][":room"] = attribute(room)
        return addition

    def _update(self, key: str, values: dict[str, Any]) -> dict[str, Any]:
        expires_at = attribute(int(self._clock()) + _KEPT_SECONDS)
        return {
            "TableName": self._table,
            "Key": {"task_id": {"S": key}},
            "ExpressionAttributeValues": {**values, ":expires_at": expires_at},
        }

    # --- Reading ---------------------------------------------------------------------------

    async def _item(self, key: str) -> Item | None:
        return await read_item(self._dynamodb, self._table, key)

    async def _pages(self, keys: Sequence[str]) -> list[TaskSpend]:
        """The pages there are and that can be read."""
        items = await fetch(self._dynamodb, self._table, keys)
        return list(LEFT_OUT.readable(formats.PAGE, items, _page))

    async def _keys(
        self, index: str, hash_name: str, range_name: str, wanted: str, since: float
    ) -> AsyncIterator[list[str]]:
        """What an index has of one kind from a moment on, earliest first."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": "#hash = :wanted AND #range >= :since",
            "ExpressionAttributeNames": {"#hash": hash_name, "#range": range_name},
            "ExpressionAttributeValues": {
                ":wanted": attribute(wanted), ":since": attribute(since)
            },
            "Limit": _CHUNK,
        }  # fmt: skip
        while True:
            found = await answer("dynamodb", self._dynamodb.query(**query))
            yield [item["task_id"]["S"] for item in found["Items"]]
            if "LastEvaluatedKey" not in found:
                return
            query["ExclusiveStartKey"] = found["LastEvaluatedKey"]


def _key_of(task_id: str) -> str:
    return f"spend#task/{task_id}"


def _page(item: Item) -> TaskSpend:
    return page_of(read_attribute(item["spend"]))
