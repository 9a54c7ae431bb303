"""The two indexes of the task table: which tasks a list, a sweeper or a client's place concerns.

Indexes follow the table a moment later, and a task whose status changes may meanwhile stand in
two places of one or in none: what they say is a hint. Every look is bounded.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import DUE_INDEX, STATUS_INDEX, Item, attribute
from short_drama.domain.kinds import Lane
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import TaskFilter

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

_PAGE = 200
_PAGES = 25
"""Index items evaluated in one query, and queries in one look."""

_NAMES = {"#status": "status"}
"""A word that DynamoDB's expressions reserve."""
_BEFORE_EVERY_ID, _AFTER_EVERY_ID = "", chr(0x10FFFF)

Position = tuple[float, str]
"""Creation time and id: the order of lists."""


@dataclass(slots=True)
class Stream:
    """What was found of one status; beyond `end`, where there is one, nobody has looked."""

    found: list[Position] = field(default_factory=list)
    end: Position | None = None


@dataclass(frozen=True, slots=True)
class PendingTimes:
    """When the pending tasks of a lane were created, earliest first; not `whole` when there are
    more than one look takes in."""

    times: Sequence[float]
    whole: bool

    def knows(self, created_at: float) -> bool:
        return not self.whole or (bool(self.times) and created_at <= self.times[-1])

    def before(self, created_at: float) -> int:
        return bisect_left(self.times, created_at)


class _NewestFirst:
    def __init__(self, where: TaskFilter, place: Position | None) -> None:
        if where.created_before is not None:
            place = min(place or (math.inf, ""), (where.created_before, ""))
        self._place = place
        self.span = where.created_after, place and place[0]

    @property
    def is_empty(self) -> bool:
        after, before = self.span
        return after is not None and before is not None and before < after

    def reaches(self, place: Position) -> bool:
        return self._place is None or place < self._place

    def is_beyond(self, moment: float, found: float) -> bool:
        return moment < found


class _OldestFirst:
    def __init__(self, where: TaskFilter, place: Position | None) -> None:
        self._place, self._before = place, where.created_before
        after = [at for at in (where.created_after, place and place[0]) if at is not None]
        self.span = max(after, default=None), where.created_before

    @property
    def is_empty(self) -> bool:
        after, before = self.span
        return after is not None and before is not None and before < after

    def reaches(self, place: Position) -> bool:
        after = self._place is None or place > self._place
        return after and (self._before is None or place[0] < self._before)

    def is_beyond(self, moment: float, found: float) -> bool:
        return moment > found


class TaskIndex:
    """Every method raises Unavailable."""

    def __init__(self, dynamodb: DynamoDBClient, *, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    async def in_time(
        self,
        status: str,
        where: TaskFilter,
        place: Position | None,
        limit: int,
        *,
        is_oldest_first: bool = False,
    ) -> Stream:
        """More than `limit` positions of one status beyond `place`, newest first or oldest first,
        if there are so many."""
        way = _OldestFirst(where, place) if is_oldest_first else _NewestFirst(where, place)
        condition, values = _span(*way.span)
        values[":status"] = {"S": str(status)}
        filters, names, wanted = _conditions(where)
        stream, moment = Stream(), 0.0
        if way.is_empty:
            return stream  # DynamoDB refuses to look between a later and an earlier moment
        async for items, start in self._pages(
            STATUS_INDEX,
            condition,
            values | wanted,
            filters=filters,
            names=names,
            newest=not is_oldest_first,
        ):
            stream.found += [place for place in map(_position, items) if way.reaches(place)]
            stream.found.sort(reverse=not is_oldest_first)
            if start is None:
                return stream
            moment = float(start["created_at"]["N"])
            # All of the same moment must have been seen: the index does not order those.
            if len(stream.found) > limit and way.is_beyond(moment, stream.found[limit][0]):
                return stream
        stream.end = (moment, _BEFORE_EVERY_ID if is_oldest_first else _AFTER_EVERY_ID)
        return stream

    async def due(self, lane: Lane, now: float, *, each: int) -> AsyncIterator[Sequence[str]]:
        """Ids of tasks, most overdue first, at most `each` at a time."""
        values = {":lane": {"S": lane.value}, ":now": {"N": repr(now)}}
        async for items, _ in self._pages(DUE_INDEX, "lane = :lane AND due_at <= :now", values):
            ids = [item["task_id"]["S"] for item in items]
            for begin in range(0, len(ids), each):
                yield ids[begin : begin + each]

    async def pending_times(self, lane: Lane) -> PendingTimes:
        times: list[float] = []
        whole = False
        async for items, start in self._pending(lane):
            times += [_position(item)[0] for item in items]
            whole = start is None
        return PendingTimes(times, whole)

    async def oldest_pending(self, lane: Lane) -> float | None:
        async for items, _ in self._pending(lane):
            if items:
                return _position(items[0])[0]
        return None

    def _pending(self, lane: Lane) -> AsyncIterator[tuple[Sequence[Item], Item | None]]:
        values = {":status": {"S": TaskStatus.PENDING.value}, ":lane": {"S": lane.value}}
        return self._pages(STATUS_INDEX, "#status = :status", values, filters=["lane = :lane"])

    async def _pages(
        self,
        index: str,
        condition: str,
        values: Item,
        *,
        filters: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
        newest: bool = False,
    ) -> AsyncIterator[tuple[Sequence[Item], Item | None]]:
        """Items of an index, and the key after which the next page starts. At most _PAGES."""
        start: Item | None = None
        used = {name: real for name, real in _NAMES.items() if name in condition}
        for _ in range(_PAGES):
            query: dict[str, Any] = {
                "TableName": self._table,
                "IndexName": index,
                "KeyConditionExpression": condition,
                "ExpressionAttributeValues": values,
                "ScanIndexForward": not newest,
                "Limit": _PAGE,
            }
            if used or names:
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


def _position(item: Item) -> Position:
    return float(item["created_at"]["N"]), item["task_id"]["S"]


def _span(after: float | None, before: float | None) -> tuple[str, Item]:
    """Both moments included, for an index has the time alone."""
    values = {":after": after, ":before": before}
    given: Item = {name: attribute(at) for name, at in values.items() if at is not None}
    if len(given) == len(values):
        return "#status = :status AND created_at BETWEEN :after AND :before", given
    bounds = {":after": " AND created_at >= :after", ":before": " AND created_at <= :before"}
    return "#status = :status" + "".join(bounds[name] for name in given), given


def _conditions(where: TaskFilter) -> tuple[list[str], dict[str, str], Item]:
    """Filter expressions over what the index carries, with their names and values."""
    filters: list[str] = []
    names: dict[str, str] = {}
    values: Item = {}
    owners = [] if where.owner is None else [where.owner]
    lanes = [] if where.lane is None else [where.lane]
    for name, wanted in (("owner", owners), ("lane", lanes), ("kind", where.kinds)):
        given = {f":{name}{number}": {"S": str(one)} for number, one in enumerate(wanted)}
        if given:
            filters.append(f"#{name} IN ({', '.join(given)})")
            names[f"#{name}"] = name
            values |= given
    for number, (key, value) in enumerate(where.labels):
        filters.append(f"#labels.#label{number} = :label{number}")
        names |= {"#labels": "labels", f"#label{number}": key}
        values[f":label{number}"] = {"S": value}
    return filters, names, values
