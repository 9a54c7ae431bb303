"""Tasks in a DynamoDB table; one conditional write, over the version a change was computed from."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import (
    DUE_INDEX,
    STATUS_INDEX,
    Item,
    new_write_id,
    to_item,
    to_task,
)
from short_drama.backends.cursor import read_cursor, write_cursor
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task, TaskStatus
from short_drama.ports import Outlook, StaleTask, TaskExists, TaskFilter, TaskPage

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

_CONFLICT = frozenset({"ConditionalCheckFailedException"})
_FIRST_LOOK, _LONGEST_LOOK = 0.05, 1.0
"""Seconds between two looks of somebody who waits for a task to change: a task that takes long
is looked at less and less often."""
_BATCH = 100
"""Items in one BatchGetItem, by the DynamoDB API reference."""
_PAGE = 200
_PAGES = 25
"""Index items evaluated in one query, and queries in one list: the rest is the next page's."""
_RECENT = 20
_RECENT_SECONDS = 10.0
"""Tasks whose time tells how long the next one takes, and for how long that is believed."""

_NAMES = {"#status": "status"}
"""A word that DynamoDB's expressions reserve."""
_AFTER_EVERY_ID = chr(0x10FFFF)

Position = tuple[float, str]
"""Creation time and id: the order of lists."""


@dataclass(slots=True)
class Stream:
    """What was found of one status; beyond `end`, where there is one, nobody has looked."""

    found: list[Position] = field(default_factory=list)
    end: Position | None = None


class DynamoTaskStore:
    """Implements `ports.TaskStore`. Reads by id are consistent; indexes lag a moment behind."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        *,
        table: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dynamodb, self._table, self._clock = dynamodb, table, clock
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._known_seconds: dict[str, tuple[float, float | None]] = {}

    async def create(self, task: Task) -> Task:
        stored = replace(task, version=task.version + 1)
        existing = await self._put(stored, "attribute_not_exists(task_id)", {})
        if existing is not None:
            raise TaskExists(to_task(existing))
        return stored

    async def get(self, task_id: str) -> Task | None:
        item = await self._item(task_id)
        return None if item is None else to_task(item)

    async def replace(self, task: Task) -> Task:
        stored = replace(task, version=task.version + 1)
        expected = {":version": {"N": str(task.version)}}
        if await self._put(stored, "version = :version", expected) is not None:
            raise StaleTask(task.task_id)
        for waiter in self._waiting.get(task.task_id, ()):
            waiter.set()
        return stored

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        until, pause = self._clock() + timeout, _FIRST_LOOK
        changed = asyncio.Event()
        self._waiting[task_id].add(changed)
        try:
            while True:
                changed.clear()
                task = await self.get(task_id)
                left = until - self._clock()
                if task is None or task.version != version or left <= 0:
                    return task
                await _rung(changed, min(pause, left))
                pause = min(pause * 1.5, _LONGEST_LOOK)
        finally:
            self._waiting[task_id].discard(changed)
            if not self._waiting[task_id]:
                del self._waiting[task_id]

    async def list(self, where: TaskFilter, *, cursor: str | None, limit: int) -> TaskPage:
        """A page may be short and have a successor: one call looks at so many items at most."""
        before = None if cursor is None else read_cursor(cursor)
        statuses = list(TaskStatus) if where.status is None else [where.status]
        streams = await asyncio.gather(
            *(self._newest(status, where, before, limit) for status in statuses)
        )
        found = sorted((position for stream in streams for position in stream.found), reverse=True)
        patience = max((stream.end for stream in streams if stream.end is not None), default=None)
        if patience is not None:
            found = [position for position in found if position > patience]
        last = found[limit - 1] if len(found) > limit else patience
        tasks = await self._fetch([task_id for _, task_id in found[:limit]])
        return TaskPage(
            [task for task in tasks if _matches(task, where)],
            None if last is None else write_cursor(*last),
        )

    async def due(self, now: float, *, limit: int) -> Sequence[Task]:
        ids: list[str] = []
        for lane in Lane:
            values = {":lane": {"S": lane.value}, ":now": {"N": repr(now)}}
            condition = "lane = :lane AND due_at <= :now"
            items = await self._first(DUE_INDEX, condition, values, limit=limit)
            ids += [item["task_id"]["S"] for item in items]
        tasks = [task for task in await self._fetch(ids) if _is_due(task, now)]
        return sorted(tasks, key=lambda task: task.due_at or 0.0)[:limit]

    async def oldest_pending(self, lane: Lane) -> float | None:
        values = {":status": {"S": TaskStatus.PENDING.value}, ":lane": {"S": lane.value}}
        condition, filters = "#status = :status", ["lane = :lane"]
        items = await self._first(STATUS_INDEX, condition, values, filters=filters, limit=1)
        return float(items[0]["created_at"]["N"]) if items else None

    async def outlook(self, task: Task) -> Outlook:
        values = {
            ":status": {"S": TaskStatus.PENDING.value},
            ":created": {"N": repr(task.created_at)},
            ":lane": {"S": task.lane.value},
        }
        condition, filters = "#status = :status AND created_at < :created", ["lane = :lane"]
        ahead = await self._first(
            STATUS_INDEX, condition, values, filters=filters, limit=_PAGES * _PAGE
        )
        return Outlook(len(ahead) + 1, await self._seconds_each(task.kind))

    async def _seconds_each(self, kind: str) -> float | None:
        """Asked for with every view of a pending task, so remembered for a moment."""
        known = self._known_seconds.get(kind)
        if known is not None and self._clock() < known[0]:
            return known[1]
        recent = await self._newest(TaskStatus.COMPLETED, TaskFilter(kind=kind), None, _RECENT)
        tasks = await self._fetch([task_id for _, task_id in recent.found[:_RECENT]])
        seconds = [
            task.ended_at - task.started_at
            for task in tasks
            if task.ended_at is not None and task.started_at is not None
        ]
        each = statistics.median(seconds) if seconds else None
        self._known_seconds[kind] = (self._clock() + _RECENT_SECONDS, each)
        return each

    # --- One item --------------------------------------------------------------------------

    async def _put(self, task: Task, condition: str, values: Item) -> Item | None:
        """None once it is written; else the item that is there instead.

        botocore repeats a call whose answer was lost, and the repetition meets our own item.
        """
        write_id = new_write_id()
        write: dict[str, Any] = {
            "TableName": self._table,
            "Item": to_item(task, write_id=write_id),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:
            write["ExpressionAttributeValues"] = values
        try:
            await answer("dynamodb", self._dynamodb.put_item(**write), expected=_CONFLICT)
        except ClientError as error:
            refusal: Mapping[str, Any] = error.response
            existing = refusal.get("Item") or await self._item(task.task_id)
            if existing is None:
                raise StaleTask(task.task_id) from None
            return None if existing.get("write_id") == {"S": write_id} else dict(existing)
        return None

    async def _item(self, task_id: str) -> Item | None:
        key = {"task_id": {"S": task_id}}
        found = await answer(
            "dynamodb",
            self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True),
        )
        return found.get("Item")

    # --- Many items ------------------------------------------------------------------------

    async def _newest(
        self, status: TaskStatus, where: TaskFilter, before: Position | None, limit: int
    ) -> Stream:
        """More than `limit` positions of one status, newest first, if there are so many."""
        values: Item = {":status": {"S": status.value}}
        condition = "#status = :status"
        if before is not None:
            condition += " AND created_at <= :before"
            values[":before"] = {"N": repr(before[0])}
        filters, names, wanted = _conditions(where)
        stream, moment = Stream(), 0.0
        async for items, start in self._pages(
            STATUS_INDEX, condition, values | wanted, filters=filters, names=names, newest=True
        ):
            places = (_position(item) for item in items)
            stream.found += [place for place in places if before is None or place < before]
            stream.found.sort(reverse=True)
            if start is None:
                return stream
            moment = float(start["created_at"]["N"])
            # All of the same moment must have been seen: the index does not order those.
            if len(stream.found) > limit and stream.found[limit][0] > moment:
                return stream
        stream.end = (moment, _AFTER_EVERY_ID)
        return stream

    async def _first(
        self,
        index: str,
        condition: str,
        values: Item,
        *,
        filters: Sequence[str] = (),
        limit: int,
    ) -> Sequence[Item]:
        found: list[Item] = []
        async for items, _ in self._pages(index, condition, values, filters=filters):
            found += items
            if len(found) >= limit:
                break
        return found[:limit]

    async def _pages(
        self,
        index: str,
        condition: str,
        values: Item,
        *,
        filters: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
        newest: bool = False,
        size: int = _PAGE,
    ) -> AsyncIterator[tuple[Sequence[Item], Item | None]]:
        """Items of an index, and the key after which the next page starts. At most _PAGES."""
        start: Item | None = None
        for _ in range(_PAGES):
            query: dict[str, Any] = {
                "TableName": self._table,
                "IndexName": index,
                "KeyConditionExpression": condition,
                "ExpressionAttributeValues": values,
                "ScanIndexForward": not newest,
                "Limit": size,
            }
            used = {name: real for name, real in _NAMES.items() if name in condition}
            if used | dict(names or {}):
                query["ExpressionAttributeNames"] = used | dict(names or {})
            if filters:
                query["FilterExpression"] = " AND ".join(filters)
            if start is not None:
                query["ExclusiveStartKey"] = start
            page = await answer("dynamodb", self._dynamodb.query(**query))
            start = page.get("LastEvaluatedKey")
            yield page["Items"], start
            if start is None:
                return

    async def _fetch(self, ids: Sequence[str]) -> Sequence[Task]:
        """The tasks there are, in the order of their ids."""
        tasks: dict[str, Task] = {}
        for first in range(0, len(ids), _BATCH):
            wanted: Item | None = {
                self._table: {
                    "Keys": [
                        {"task_id": {"S": task_id}} for task_id in ids[first : first + _BATCH]
                    ],
                    "ConsistentRead": True,
                }
            }
            for _ in range(_BATCH):
                found = await answer(
                    "dynamodb", self._dynamodb.batch_get_item(RequestItems=wanted or {})
                )
                for item in found["Responses"].get(self._table, ()):
                    task = to_task(item)
                    tasks[task.task_id] = task
                wanted = dict(found.get("UnprocessedKeys") or {})
                if not wanted:
                    break
            else:
                raise Unavailable("AWS dynamodb does not finish a batch")
        return [tasks[task_id] for task_id in ids if task_id in tasks]


def _position(item: Item) -> Position:
    return float(item["created_at"]["N"]), item["task_id"]["S"]


def _is_due(task: Task, now: float) -> bool:
    return task.due_at is not None and task.due_at <= now


def _conditions(where: TaskFilter) -> tuple[list[str], dict[str, str], Item]:
    """Filter expressions over what the index carries, with their names and values."""
    filters: list[str] = []
    names: dict[str, str] = {}
    values: Item = {}
    for attribute in ("owner", "lane", "kind"):
        if (wanted := getattr(where, attribute)) is not None:
            filters.append(f"#{attribute} = :{attribute}")
            names[f"#{attribute}"] = attribute
            values[f":{attribute}"] = {"S": str(wanted)}
    if where.label is not None:
        key, value = where.label
        filters.append("#labels.#label = :label")
        names |= {"#labels": "labels", "#label": key}
        values[":label"] = {"S": value}
    return filters, names, values


def _matches(task: Task, where: TaskFilter) -> bool:
    """Does the record agree with what its index said a moment ago?"""
    label = where.label is None or task.labels.get(where.label[0]) == where.label[1]
    return label and all(
        getattr(where, name) in (None, getattr(task, name))
        for name in ("owner", "lane", "status", "kind")
    )


async def _rung(bell: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await bell.wait()
