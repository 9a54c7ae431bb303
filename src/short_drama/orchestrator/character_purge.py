"""What was made of a character, deleted for good, and told of in its place.

What is about to be deleted is written down first: a kill leaves a record that names too much, and
the next purge deletes that. Keys are those that records name and those that services would have
made, for a service may have stored a picture of a task that was stopped.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from short_drama.domain import asset_keys, casting
from short_drama.domain.attempts import job_id_for
from short_drama.domain.characters import Character, Purge
from short_drama.domain.errors import AssetNotFound
from short_drama.domain.task import Task
from short_drama.newest import advance
from short_drama.orchestrator.character_office import CharacterOffice
from short_drama.ports import SpendLedger

log = logging.getLogger(__name__)

_TASKS_AT_ONCE = 50
"""In one request; the rest is asked for with the cursor that it answers."""

Receipt = dict[str, str]
"""`key` and `sha256` of what was deleted; `task_id`, where it was a task's."""


@dataclass(slots=True)
class Purged:
    """`left`: tasks that have not ended, and keep what they have."""

    deleted: list[Receipt] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterPurge:
    office: CharacterOffice
    ledger: SpendLedger

    async def purge(self, owner: str, name: str, *, by: str, cursor: str | None) -> Purged:
        """Of the tasks after `cursor`; the character's own pictures first. Safe to repeat.

        Raises CharacterNotFound, CharacterConflict for one whose consent has not been revoked, and
        Unavailable."""
        character = await self.office.find(owner, name)
        character.require_revoked()
        purged = Purged()
        if cursor is None:
            purged.deleted += await self._faces(character, by)
        uses = [
            one for one in await self.office.characters.uses(owner, name) if one > (cursor or "")
        ]
        for task_id in uses[:_TASKS_AT_ONCE]:
            task = await self.office.tasks.get(task_id)
            if task is None or task.owner != owner:
                continue
            if not task.status.is_terminal:
                purged.left.append(task_id)
                continue
            purged.deleted += await self._pictures(task, by)
        if len(uses) > _TASKS_AT_ONCE:
            purged.next_cursor = uses[_TASKS_AT_ONCE - 1]
        log.info("character purged", extra={"owner": owner, "deleted": len(purged.deleted)})
        return purged

    async def _faces(self, character: Character, by: str) -> list[Receipt]:
        keys = [key for face in character.faces for key in (face.key, face.upload) if key]
        told = await self._there(keys)
        if character.faces:
            purge = Purge(at=self.office.clock(), by=by, faces=tuple(told))
            owner, name = character.owner, character.name
            await self.office.changed(owner, name, lambda found: found.purged(purge))
        before = [one["key"] for purge in character.purges for one in purge.faces]
        await self._delete([*keys, *before])
        return told

    async def _pictures(self, task: Task, by: str) -> list[Receipt]:
        known = [one["key"] for one in task.purged["deleted"]] if task.purged else []
        named = task.outcome.keys if task.outcome else []
        keys = dict.fromkeys((*named, *_possible(task), *await self._paid(task)))
        told = await self._there(key for key in keys if key not in known)
        if told or named:
            now = self.office.clock()
            await advance(
                self.office.tasks, task, lambda found: found.purge(by=by, deleted=told, now=now)
            )
        await self._delete([*keys, *known])
        return [{"task_id": task.task_id, **one} for one in told]

    async def _paid(self, task: Task) -> list[str]:
        """Pictures as providers sent them."""
        page = await self.ledger.read(task.task_id)
        calls = page.calls if page else ()
        return [asset_keys.paid_bytes(task.task_id, call.step, call.number) for call in calls]

    async def _there(self, keys: Iterable[str]) -> list[Receipt]:
        """What of these there is. Damaged files are no pictures any more: they go untold."""
        found = []
        for key in keys:
            try:
                data = await self.office.assets.get(key)
            except AssetNotFound:
                continue
            found.append({"key": key, "sha256": await asyncio.to_thread(_sha256, data)})
        return found

    async def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self.office.assets.delete(key)


def _possible(task: Task) -> list[str]:
    """Keys of what the task's attempts may have stored."""
    created, keys = task.created_at, []
    for attempt in range(1, task.attempt + 1):
        job = job_id_for(task.task_id, attempt)
        keys += [asset_keys.face_picture(created, one) for one in (job, asset_keys.mask_id(job))]
        frames = [asset_keys.cast_id(job, number) for number in casting.numbers(task.request)]
        keys += [asset_keys.seedream_picture(created, one) for one in (job, *frames)]
    return keys


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
