"""Tasks in a DynamoDB table; one conditional write, over the version a change was computed from."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.audit_log import line_item
from short_drama.backends.aws.batch import BATCH, fetch
from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.followed import Followed
from short_drama.backends.aws.item import DELETED, Item, new_write_id, to_item, to_task
from short_drama.backends.aws.one_item import CONFLICT, read_item
from short_drama.backends.aws.shot_items import ShotItems
from short_drama.backends.aws.shot_order import ShotOrder
from short_drama.backends.aws.task_index import PendingTimes, Position, Stream, TaskIndex
from short_drama.backends.aws.transaction import transact
from short_drama.backends.believed import Believed
from short_drama.backends.cursor import read_cursor, write_cursor
from short_drama.backends.left_out import LEFT_OUT
from short_drama.backends.outlook import outlook
from short_drama.domain import formats
from short_drama.domain.audit import AuditLine
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.lifetimes import USUAL, Lifetimes
from short_drama.domain.shots import Shot
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.domain.timings import timings_of
from short_drama.ports import (
    Order,
    Outlook,
    StaleTask,
    TaskCount,
    TaskExists,
    TaskFilter,
    TaskPage,
)

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

_OPEN = (TaskStatus.PENDING, TaskStatus.PROCESSING)
_MOST_READ = 1_000
"""Records that are read to be counted."""
_RECENT = 20
_RECENT_SECONDS, _WAITING_SECONDS = 10.0, 2.0
"""Tasks whose time tells how long the next one takes, and for how long that and the line of
those that wait are believed: both are asked for with every view of a task that waits."""


class _Refused(Exception):
    """Something else is stored; `item` is None where nothing is."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write does not hold")
        self.item = item


class DynamoTaskStore:
    """Implements `ports.TaskStore`. Reads by id are consistent; indexes lag a moment behind."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        *,
        table: str,
        lifetimes: Lifetimes = USUAL,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._lifetimes = lifetimes
        self._dynamodb, self._table, self._clock, self._wall = dynamodb, table, clock, wall
        self._index = TaskIndex(dynamodb, table=table)
        self._shots = ShotItems(dynamodb, table=table, lifetimes=lifetimes, wall=wall)
        self._by_shot = ShotOrder(dynamodb, self._shots, table=table)
        self._waiting = Followed(self.get, clock=clock)
        self._seconds_each = Believed(self._median_seconds, seconds=_believed, clock=clock)
        self._line = Believed(self._those_that_wait, seconds=_line_believed, clock=clock)

    async def create(self, task: Task, *, line: AuditLine | None = None) -> Task:
        stored = replace(task, version=task.version + 1)
        if (shot := Shot.of(task.labels)) is not None:
            await self._shots.name(task.owner, shot, task.task_id)
        try:
            await self._put(stored, "attribute_not_exists(task_id)", {}, line)
        except _Refused as refused:
            if refused.item is None:  # it expired between our two requests
                raise Unavailable(f"an earlier task {task.task_id} has just gone") from None
            raise TaskExists(to_task(refused.item)) from None
        return stored

    async def get(self, task_id: str) -> Task | None:
        item = await self._item(task_id)
        return None if item is None else to_task(item)

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        stored = replace(task, version=task.version + 1)
        try:
            before = {":version": {"N": str(task.version)}}
            await self._put(stored, "version = :version", before, line)
        except _Refused:
            raise StaleTask(task.task_id) from None
        self._waiting.ring(task.task_id)
        return stored

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        return await self._waiting.wait(task_id, version, timeout=timeout)

    async def list(
        self,
        where: TaskFilter,
        *,
        cursor: str | None,
        limit: int,
        order: Order = Order.NEWEST,
    ) -> TaskPage:
        """A page may be short and have a successor: one call looks at so many items at most."""
        if order is Order.SHOT:
            return await self._by_shot.page(where, cursor=cursor, limit=limit)
        is_oldest_first = order is Order.OLDEST
        place = None if cursor is None else read_cursor(cursor)
        streams = await self._streams(where, place, limit, is_oldest_first=is_oldest_first)
        # A task whose status is changing may be found under both.
        found = sorted(
            {place for stream in streams for place in stream.found}, reverse=not is_oldest_first
        )
        nearest = min if is_oldest_first else max
        patience = nearest(
            (stream.end for stream in streams if stream.end is not None), default=None
        )
        if patience is not None:
            found = [one for one in found if one != patience and nearest(one, patience) == one]
        last = found[limit - 1] if len(found) > limit else patience
        items = await fetch(self._dynamodb, self._table, [name for _, name in found[:limit]])
        tasks = _readable(items)
        return TaskPage(
            [task for task in tasks if where.matches(task)],
            None if last is None else write_cursor(*last),
            len(items) - len(tasks),
        )

    async def count(self, where: TaskFilter, *, most: int) -> TaskCount:
        """By the index alone; of what it does not tell, among as many as one page may have."""
        if where.text is not None or where.derived_from is not None or where.is_deleted:
            page = await self.list(where, cursor=None, limit=min(most, _MOST_READ))
            return TaskCount(len(page.tasks), is_whole=page.next_cursor is None)
        streams = await self._streams(where, None, most)
        found = len({place for stream in streams for place in stream.found})
        whole = found <= most and all(stream.end is None for stream in streams)
        return TaskCount(min(found, most), is_whole=whole)

    async def _streams(
        self,
        where: TaskFilter,
        place: Position | None,
        limit: int,
        *,
        is_oldest_first: bool = False,
    ) -> Sequence[Stream]:
        statuses = [DELETED] if where.is_deleted else dict.fromkeys(where.statuses or TaskStatus)
        return await asyncio.gather(
            *(
                self._index.in_time(status, where, place, limit, is_oldest_first=is_oldest_first)
                for status in statuses
            )
        )

    async def due(self, now: float, *, limit: int) -> Sequence[Task]:
        tasks = [task for lane in Lane for task in await self._due_in(lane, now, limit)]
        return sorted(tasks, key=lambda task: task.due_at or 0.0)[:limit]

    async def _due_in(self, lane: Lane, now: float, limit: int) -> Sequence[Task]:
        """At least `limit` if there are so many, beyond what cannot be read as well."""
        tasks: list[Task] = []
        async for ids in self._index.due(lane, now, each=limit):
            tasks += [task for task in await self._fetch(ids) if _is_due(task, now)]
            if len(tasks) >= limit:
                break
        return tasks

    async def oldest_pending(self, lane: Lane) -> float | None:
        return await self._index.oldest_pending(lane)

    async def count_open(self, owner: str, lane: Lane, *, most: int) -> int:
        where = TaskFilter(owner=owner, lane=lane)
        streams = await asyncio.gather(
            *(self._index.in_time(status, where, None, most) for status in _OPEN)
        )
        return min(sum(len(stream.found) for stream in streams), most)

    async def outlook(self, task: Task) -> Outlook:
        held_now = task.status is TaskStatus.PROCESSING
        pending, held = await self._line.get(
            task.lane, tells=lambda line: held_now or line[0].knows(task.created_at)
        )
        return outlook(
            task,
            held,
            before=pending.before(task.created_at),
            seconds_each=await self._seconds_each.get(task.kind),
            now=self._wall(),
        )

    async def _those_that_wait(self, lane: Lane) -> tuple[PendingTimes, Sequence[Task]]:
        """Those of the lane that are pending, and those that workers hold: of more than a batch,
        the newest, of which fewer have begun."""
        pending = await self._index.pending_times(lane)
        held = await self._index.in_time(TaskStatus.PROCESSING, TaskFilter(lane=lane), None, BATCH)
        return pending, await self._fetch([task_id for _, task_id in held.found[:BATCH]])

    async def _median_seconds(self, kind: str) -> float | None:
        recent = await self._index.in_time(
            TaskStatus.COMPLETED, TaskFilter(kinds=[kind]), None, _RECENT
        )
        tasks = await self._fetch([task_id for _, task_id in recent.found[:_RECENT]])
        ran = (timings_of(task).running_seconds for task in tasks)
        seconds = [one for one in ran if one is not None]
        return statistics.median(seconds) if seconds else None

    # --- Items -----------------------------------------------------------------------------

    async def _put(self, task: Task, condition: str, values: Item, line: AuditLine | None) -> None:
        """With the line, or neither. Raises _Refused.

        botocore repeats a call whose answer was lost, and the repetition meets our own item.
        """
        write_id = new_write_id()
        write: dict[str, Any] = {
            "TableName": self._table,
            "Item": to_item(task, write_id=write_id, lifetimes=self._lifetimes),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:
            write["ExpressionAttributeValues"] = values
        try:
            if line is None:
                await answer("dynamodb", self._dynamodb.put_item(**write), expected={CONFLICT})
            elif not await self._put_with(write, line):
                raise _Refused(await self._item(task.task_id))
        except ClientError as error:
            refusal: Mapping[str, Any] = error.response
            existing = refusal.get("Item") or await self._item(task.task_id)
            if existing is None or existing.get("write_id") != {"S": write_id}:
                raise _Refused(existing) from None

    async def _put_with(self, write: Item, line: AuditLine) -> bool:
        """Whether the condition held."""
        puts = [write, line_item(self._table, line, self._lifetimes)]
        refused = await transact(
            self._dynamodb, [{"Put": put} for put in puts], what="the same task"
        )
        return refused is None

    async def _item(self, task_id: str) -> Item | None:
        return await read_item(self._dynamodb, self._table, task_id)

    async def _fetch(self, ids: Sequence[str]) -> Sequence[Task]:
        """The tasks there are and that can be read, in the order of their ids, each once."""
        return _readable(await fetch(self._dynamodb, self._table, ids))


def _readable(items: Iterable[Item]) -> list[Task]:
    return list(LEFT_OUT.readable(formats.TASK, items, to_task))


def _line_believed(_: object) -> float:
    return _WAITING_SECONDS


def _believed(each: float | None) -> float:
    return _WAITING_SECONDS if each is None else _RECENT_SECONDS


def _is_due(task: Task, now: float) -> bool:
    return task.due_at is not None and task.due_at <= now
