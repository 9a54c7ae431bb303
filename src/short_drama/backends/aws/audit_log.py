"""The audit, as an item for each line in the task table.

Their keys begin with `audit#`, which no task's id does, and have a random rest: nobody writes one
twice, and no role may update or delete what has such a key. In the index by status they stand
under one of their own, by time. Each carries a digest of itself; as any number of processes write
side by side, none follows another. DynamoDB deletes what has had its time.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.batch import fetch
from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.item import STATUS_INDEX, Item, attribute, read_attribute
from short_drama.backends.aws.one_item import CONFLICT
from short_drama.backends.cursor import not_ours, read_cursor, write_cursor
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.audit import AuditEntry, AuditFilter, AuditLine
from short_drama.domain.lifetimes import USUAL, Lifetimes
from short_drama.ports import AuditPage

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import AsyncIterator, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

_KEY, _STATUS = "audit#", "audit"
_LOOKS, _CHUNK = 20, 200
"""Queries for one page of a list, and lines that are read at once."""


class DynamoAuditLog:
    """Implements `ports.AuditLog`."""

    def __init__(
        self, dynamodb: DynamoDBClient, *, table: str, lifetimes: Lifetimes = USUAL
    ) -> None:
        self._dynamodb, self._table, self._lifetimes = dynamodb, table, lifetimes

    async def append(self, line: AuditLine) -> None:
        put: Any = line_item(self._table, line, self._lifetimes)
        # Where botocore repeats what had arrived, it is there already: the key is ours alone.
        with contextlib.suppress(ClientError):
            await answer("dynamodb", self._dynamodb.put_item(**put), expected={CONFLICT})

    async def list(self, where: AuditFilter, *, cursor: str | None, limit: int) -> AuditPage:
        start = None if cursor is None else _start(cursor)
        found: list[AuditEntry] = []
        for _ in range(_LOOKS):
            items, start = await self._query(where, start, limit, newest=True)
            readable = LEFT_OUT.readable(formats.LINE, items, _readable)
            found += [entry for entry in readable if where.matches(entry.line)]
            if found or start is None:
                break
        return AuditPage(found, None if start is None else _cursor(start))

    async def every(self) -> AsyncIterator[AuditEntry]:
        start: Item | None = None
        while True:
            items, start = await self._query(AuditFilter(), start, _CHUNK, newest=False)
            for item in items:
                yield _entry(item)
            if start is None:
                return

    async def _query(
        self, where: AuditFilter, start: Item | None, limit: int, *, newest: bool
    ) -> tuple[Sequence[Item], Item | None]:
        """Lines of that time, and the key after which the next ones begin."""
        since, until = where.since or 0.0, 1e12 if where.until is None else where.until
        if since > until:
            return [], None  # DynamoDB refuses to look between a later and an earlier moment
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": STATUS_INDEX,
            "KeyConditionExpression": "#status = :audit AND created_at BETWEEN :since AND :until",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":audit": attribute(_STATUS), ":since": attribute(since), ":until": attribute(until)
            },
            "ScanIndexForward": not newest,
            "Limit": limit,
        }  # fmt: skip
        if start is not None:
            query["ExclusiveStartKey"] = start
        found = await answer("dynamodb", self._dynamodb.query(**query))
        keys = [item["task_id"]["S"] for item in found["Items"]]
        return await fetch(self._dynamodb, self._table, keys), found.get("LastEvaluatedKey")


def line_item(table: str, line: AuditLine, lifetimes: Lifetimes) -> dict[str, Any]:
    """What puts a line into the table, for a request of its own or a transaction."""
    entry = AuditEntry.of(line, until=lifetimes.line_until(line.at))
    members: dict[str, Any] = {
        "task_id": f"{_KEY}{uuid.uuid4()}",
        "status": _STATUS,
        "created_at": line.at,
        "line": entry.text,
        "digest": entry.digest,
        "expires_at": entry.until,
    }
    return {
        "TableName": table,
        "Item": {name: attribute(value) for name, value in members.items() if value is not None},
        "ConditionExpression": "attribute_not_exists(task_id)",
    }


def _entry(item: Item) -> AuditEntry:
    found = {name: read_attribute(value) for name, value in item.items()}
    return AuditEntry(
        text=str(found.get("line", "")),
        until=found.get("expires_at"),
        digest=str(found.get("digest", "")),
    )


def _readable(item: Item) -> AuditEntry:
    """One whose line can be read."""
    entry = _entry(item)
    _ = entry.line
    return entry


def _cursor(start: Item) -> str:
    return write_cursor(float(start["created_at"]["N"]), start["task_id"]["S"])


def _start(cursor: str) -> Item:
    """Raises InvalidRequest."""
    at, key = read_cursor(cursor)
    if not key.startswith(_KEY) or not 0 <= at < 1e12:
        raise not_ours()
    place = {"task_id": key, "status": _STATUS, "created_at": at}
    return {name: attribute(value) for name, value in place.items()}
