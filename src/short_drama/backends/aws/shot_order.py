"""Lists of tasks in the order of their shots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from short_drama.backends.aws.batch import fetch
from short_drama.backends.aws.item import to_task
from short_drama.backends.aws.shot_items import ShotItems
from short_drama.backends.cursor import read_moment, read_places, write_places
from short_drama.backends.left_out import LEFT_OUT
from short_drama.domain import formats
from short_drama.domain.shots import EPISODE, PROJECT, Shot
from short_drama.domain.task import Task
from short_drama.ports import TaskFilter, TaskPage

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from collections.abc import Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

_MOST_SHOTS = 25
"""Looked at for one page."""

Place = tuple[str, float, str]
"""A shot's, and of a task in it the creation time and id."""


class ShotOrder:
    def __init__(self, dynamodb: DynamoDBClient, shots: ShotItems, *, table: str) -> None:
        self._dynamodb, self._shots, self._table = dynamodb, shots, table

    async def page(self, where: TaskFilter, *, cursor: str | None, limit: int) -> TaskPage:
        """Of one owner, whom `where` names. Raises InvalidRequest for a cursor of another order."""
        begin = _place(cursor) if cursor is not None else ("", 0.0, "")
        labels, looks = dict(where.labels), 0
        found: list[tuple[Place, Task]] = []
        walk = self._shots.places(
            where.owner or "", labels.get(PROJECT), labels.get(EPISODE), since=begin[0]
        )
        async for place in walk:
            if looks >= _MOST_SHOTS or len(found) > limit:
                begin = found[limit - 1][0] if len(found) > limit else (place, 0.0, "")
                break
            looks += 1
            found += [
                ((place, task.created_at, task.task_id), task)
                for task in await self._tasks(where.owner or "", place)
                if where.matches(task) and (place, task.created_at, task.task_id) > begin
            ]
        else:
            if len(found) <= limit:
                return TaskPage([task for _, task in found], None)
            begin = found[limit - 1][0]
        return TaskPage([task for _, task in found[:limit]], write_places(*begin))

    async def _tasks(self, owner: str, place: str) -> Sequence[Task]:
        """Oldest first."""
        shot = Shot.at(place)
        item = (await self._shots.of(owner, [shot])).get(shot, {})
        items = await fetch(self._dynamodb, self._table, item.get("takes", {"SS": []})["SS"])
        tasks = LEFT_OUT.readable(formats.TASK, items, to_task)
        return sorted(tasks, key=lambda task: (task.created_at, task.task_id))


def _place(cursor: str) -> Place:
    """Raises InvalidRequest."""
    shot, created_at, task_id = read_places(cursor, 3)
    return shot, read_moment(created_at), task_id
