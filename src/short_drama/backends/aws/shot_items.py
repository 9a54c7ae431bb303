"""Where the task table has shots: items whose keys begin with `shot#` and an owner.

They are a tree. `shot#<owner>#` names the owner's projects, the item of a project its episodes,
that of an episode the places of its shots, and that of a place the shot's tasks and what was picked
of it. They have neither a status nor a lane, so no index of tasks has them. A task is named in its
shot before it is there, and the shot from above right after that: should that fail, with the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.batch import fetch
from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.one_item import CONFLICT, read_item
from short_drama.domain.lifetimes import DAY, MARGIN, Lifetimes
from short_drama.domain.shots import Shot, branches, path

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient

_MOST_TAKES = 200
"""Named in the item of a shot, which is written, and paid by its size, with each."""


class ShotItems:
    """Every method raises Unavailable."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        *,
        table: str,
        lifetimes: Lifetimes,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb, self._table = dynamodb, table
        self._lifetimes, self._wall = lifetimes, wall

    async def name(self, owner: str, shot: Shot, task_id: str) -> None:
        """A task of the shot is about to be there."""
        try:
            item = await self._update(
                _key(owner, shot.place),
                {"ADD": "takes :id"},
                {":id": {"SS": [task_id]}, ":most": {"N": str(_MOST_TAKES)}},
                only_if="attribute_not_exists(takes) OR size(takes) < :most",
            )
        except ClientError:  # as many are named as may be
            return
        await self._list(owner, shot, item)

    async def put_picks(
        self, owner: str, shot: Shot, picked: Mapping[str, Any], *, version: int
    ) -> bool:
        """Whether it was the version that was replaced."""
        values = {
            ":picked": picked,
            ":old": {"N": str(version)},
            ":new": {"N": str(version + 1)},
        }
        unless = "attribute_not_exists(version)" if version == 0 else "version = :old"
        if version == 0:
            del values[":old"]
        try:
            item = await self._update(
                _key(owner, shot.place),
                {"SET": "picked = :picked, version = :new"},
                values,
                only_if=unless,
            )
        except ClientError:
            return False
        await self._list(owner, shot, item)
        return True

    async def of(self, owner: str, shots: Sequence[Shot]) -> Mapping[Shot, Mapping[str, Any]]:
        """The items of shots there are."""
        keys = {_key(owner, shot.place): shot for shot in shots}
        items = await fetch(self._dynamodb, self._table, [*keys])
        return {keys[item["task_id"]["S"]]: item for item in items}

    async def places(
        self, owner: str, project: str | None, episode: str | None, *, since: str = ""
    ) -> AsyncIterator[str]:
        """In order, from `since` on."""
        projects = [path(project)] if project is not None else await self._below(owner, "")
        for of_project in projects:
            if _is_before(of_project, since):
                continue
            for of_episode in await self._episodes(owner, of_project, project, episode):
                if not _is_before(of_episode, since):
                    for place in await self._below(owner, of_episode):
                        if place >= since:
                            yield place

    async def _episodes(
        self, owner: str, of_project: str, project: str | None, episode: str | None
    ) -> Sequence[str]:
        if project is None or episode is None:
            return await self._below(owner, of_project)
        return [path(project, episode)]

    async def _below(self, owner: str, start: str) -> Sequence[str]:
        item = await read_item(self._dynamodb, self._table, _key(owner, start)) or {}
        return sorted(item.get("below", {"SS": []})["SS"])

    async def _list(self, owner: str, shot: Shot, item: Mapping[str, Any]) -> None:
        """Name the shot from above, unless its item says that this has been done."""
        if "is_listed" in item:
            return
        await asyncio.gather(
            *(
                self._update(_key(owner, above), {"ADD": "below :one"}, {":one": {"SS": [below]}})
                for above, below in branches(shot)
            )
        )
        await self._update(
            _key(owner, shot.place), {"SET": "is_listed = :yes"}, {":yes": {"BOOL": True}}
        )

    async def _update(
        self,
        key: str,
        changes: Mapping[str, str],
        values: Mapping[str, Any],
        *,
        only_if: str | None = None,
    ) -> Mapping[str, Any]:
        """The item as it is then. Raises ClientError where `only_if` does not hold."""
        parts, given = dict(changes), dict(values)
        if only_if is not None and self._lifetimes.tasks:  # the item of a shot
            expiry = int(self._wall() + (self._lifetimes.tasks + MARGIN) * DAY)
            parts["SET"] = ", ".join(filter(None, [parts.get("SET"), "expires_at = :expiry"]))
            given[":expiry"] = {"N": str(expiry)}
        condition: Any = {} if only_if is None else {"ConditionExpression": only_if}
        found = await answer(
            "dynamodb",
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"task_id": {"S": key}},
                UpdateExpression=" ".join(f"{verb} {what}" for verb, what in parts.items()),
                ExpressionAttributeValues=given,
                ReturnValues="ALL_NEW",
                **condition,
            ),
            expected={CONFLICT} if only_if else (),
        )
        return found.get("Attributes", {})


def _key(owner: str, place: str) -> str:
    return f"shot#{owner}#{place}"


def _is_before(start: str, since: str) -> bool:
    """Whether all places that begin so come before that one."""
    return not since.startswith(start) and start < since
