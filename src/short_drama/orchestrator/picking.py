"""Pick which take of a shot goes on. The other takes that wait are cancelled: nobody needs them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from short_drama.domain.audit import AuditLine
from short_drama.domain.errors import TaskConflict, TaskNotFound
from short_drama.domain.picks import Choice, Picks
from short_drama.domain.shots import Shot
from short_drama.domain.task import Task
from short_drama.images.sources import ImageSources
from short_drama.newest import advance, change_picks
from short_drama.orchestrator.submit import Submitter
from short_drama.ports import ShotStore, TaskStore

_MOST_TAKES = 200
"""Looked through for those that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """`cancelled`: the takes that waited, by their ids."""

    picks: Picks
    cancelled: Sequence[str] = ()


class Picking:
    def __init__(
        self,
        shots: ShotStore,
        store: TaskStore,
        submitter: Submitter,
        sources: ImageSources,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._shots, self._store, self._submitter = shots, store, submitter
        self._sources, self._clock = sources, clock

    async def pick_task(self, task: Task, *, note: str | None, by: str | None) -> Picked:
        """Raises TaskConflict for a task without a result, and for one of no shot."""
        shot = Shot.of(task.labels)
        if shot is None:
            raise TaskConflict(
                f"task {task.task_id} is for no shot: it has no label shot",
                field="labels",
                fix="Retry it with labels project, episode, scene and shot, or pick its picture.",
            )
        if task.outcome is None:
            raise TaskConflict(
                f"the task is {task.status}: there is nothing to pick", fix="Pick a completed one."
            )
        if task.deleted_at is not None:
            raise TaskConflict("the task is deleted", fix="Restore it first.")
        choice = Choice(at=self._clock(), by=by, note=note, task_id=task.task_id)
        return await self._choose(task.owner, shot, choice)

    async def pick_picture(
        self, owner: str, shot: Shot, reference: str, *, note: str | None, by: str | None
    ) -> Picked:
        """What no task of the shot has made. Raises as taking the picture in does."""
        held = await self._sources.take_in(reference, owner=owner, field="image_url")
        key = held.reference.removeprefix("asset:")
        choice = Choice(at=self._clock(), by=by, note=note, asset_key=key)
        return await self._choose(owner, shot, choice)

    async def unpick(self, owner: str, shot: Shot, *, note: str | None, by: str | None) -> Picked:
        """Nothing of the shot goes on for now. Where nothing was picked it changes nothing."""
        nothing = Choice(at=self._clock(), by=by, note=note)
        return Picked(picks=await self._written(owner, shot, nothing))

    async def delete(self, task: Task, *, line: AuditLine | None = None) -> Task:
        """Hide it; `line` is for the audit. Raises TaskConflict for what has not ended, or is its
        shot's pick."""
        shot = Shot.of(task.labels)
        if shot is not None:
            current = (await self._shots.picks(task.owner, [shot]))[shot].current
            if current is not None and current.task_id == task.task_id:
                raise TaskConflict("the task is the pick of its shot", fix="Unpick it first.")
        line = line and line.on(task.task_id, task.kind)
        return await advance(
            self._store, task, lambda found: found.delete(now=self._clock()), line=line
        )

    async def _choose(self, owner: str, shot: Shot, choice: Choice) -> Picked:
        picks = await self._written(owner, shot, choice)
        takes = (await self._shots.takes(owner, [shot], most=_MOST_TAKES))[shot]
        cancelled = [
            task.task_id
            for task in takes
            if is_needless(task, choice) and await self._is_cancelled(task)
        ]
        return Picked(picks=picks, cancelled=cancelled)

    async def _written(self, owner: str, shot: Shot, choice: Choice) -> Picks:
        return await change_picks(self._shots, owner, shot, lambda found: found.choose(choice))

    async def _is_cancelled(self, task: Task) -> bool:
        """False for one that has ended meanwhile."""
        try:
            await self._submitter.cancel(task)
        except (TaskConflict, TaskNotFound):
            return False
        return True


def is_needless(take: Task, choice: Choice) -> bool:
    """Whether it waits, no engine having begun on it, and does not work on what was chosen."""
    if take.status.is_terminal or not take.is_waiting:
        return False
    return choice.task_id is None or not take.is_derived_from(choice.task_id)
