"""Shots and picks in the task table; see `shot_items` for where."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from short_drama.backends.aws.batch import fetch
from short_drama.backends.aws.item import attribute, read_attribute, to_task
from short_drama.backends.aws.shot_items import ShotItems
from short_drama.backends.cursor import read_places, write_places
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.lifetimes import USUAL, Lifetimes
from short_drama.domain.picks import Picks, picks_of, record_of_picks
from short_drama.domain.shots import Shot
from short_drama.domain.task import Task
from short_drama.ports import ShotPage, StalePicks

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb import DynamoDBClient


class DynamoShotStore:
    """Implements `ports.ShotStore`."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        *,
        table: str,
        lifetimes: Lifetimes = USUAL,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb, self._table = dynamodb, table
        self._items = ShotItems(dynamodb, table=table, lifetimes=lifetimes, wall=wall)

    async def list(
        self, owner: str, project: str, episode: str | None, *, cursor: str | None, limit: int
    ) -> ShotPage:
        since = "" if cursor is None else read_places(cursor, 1)[0]
        places: list[str] = []
        async for place in self._items.places(owner, project, episode, since=since):
            if place == since:
                continue
            places.append(place)
            if len(places) > limit:
                break
        more = write_places(places[limit - 1]) if len(places) > limit else None
        return ShotPage([Shot.at(place) for place in places[:limit]], more)

    async def takes(
        self, owner: str, shots: Sequence[Shot], *, most: int
    ) -> Mapping[Shot, Sequence[Task]]:
        items = await self._items.of(owner, shots)
        ids = {shot: _takes(items.get(shot, {})) for shot in shots}
        everything = [task_id for of_shot in ids.values() for task_id in of_shot]
        found = await fetch(self._dynamodb, self._table, everything)
        tasks = {task.task_id: task for task in LEFT_OUT.readable(formats.TASK, found, to_task)}
        return {
            shot: _newest((tasks[one] for one in ids[shot] if one in tasks), most) for shot in shots
        }

    async def picks(self, owner: str, shots: Sequence[Shot]) -> Mapping[Shot, Picks]:
        items = await self._items.of(owner, shots)
        return {shot: _picks(items.get(shot, {}), owner, shot) for shot in shots}

    async def write(self, picks: Picks) -> Picks:
        record: Any = attribute(record_of_picks(picks))
        if not await self._items.put_picks(picks.owner, picks.shot, record, version=picks.version):
            raise StalePicks(picks.shot.place)
        return replace(picks, version=picks.version + 1)


def _takes(item: Mapping[str, Any]) -> Sequence[str]:
    ids: Sequence[str] = item.get("takes", {"SS": []})["SS"]
    return ids


def _newest(tasks: Iterable[Task], most: int) -> Sequence[Task]:
    shown = [task for task in tasks if task.deleted_at is None]
    return sorted(shown, key=lambda one: (one.created_at, one.task_id), reverse=True)[:most]


def _picks(item: Mapping[str, Any], owner: str, shot: Shot) -> Picks:
    if "picked" not in item:
        return Picks(owner=owner, shot=shot)
    version = int(item["version"]["N"])
    return picks_of(read_attribute(item["picked"]), owner=owner, shot=shot, version=version)
