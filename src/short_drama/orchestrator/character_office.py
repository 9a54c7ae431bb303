"""Characters as their owners keep them: made, changed, agreed to, revoked and deleted."""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from short_drama import metrics
from short_drama.consent_gate import not_found
from short_drama.domain import asset_keys
from short_drama.domain.characters import NAME, Character, Face
from short_drama.domain.errors import (
    CharacterConflict,
    ConsentMissing,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.failure import Failure
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.images.codec import EXTENSIONS
from short_drama.images.sources import ImageSources, size_metadata
from short_drama.images.structure import sniff
from short_drama.logs.steps import Step, end_of, ids_of
from short_drama.newest import advance
from short_drama.orchestrator.character_bodies import (
    CharacterBody,
    CharacterChange,
    ConsentBody,
)
from short_drama.ports import (
    AssetExists,
    AssetStore,
    CharacterStore,
    StaleCharacter,
    TaskFilter,
    TaskStore,
)
from short_drama.random_ids import random_uuid

log = logging.getLogger(__name__)

_TRIES = 20
_PAGE = 200
_OPEN = frozenset({TaskStatus.PENDING, TaskStatus.PROCESSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterOffice:
    """Its methods raise CharacterNotFound for a name that the owner has not, and Unavailable."""

    characters: CharacterStore
    tasks: TaskStore
    assets: AssetStore
    sources: ImageSources
    clock: Callable[[], float] = time.time

    async def find(self, owner: str, name: str) -> Character:
        known = re.fullmatch(NAME, name) is not None
        character = await self.characters.get(owner, name) if known else None
        if character is None:
            raise not_found(name)
        return character

    async def create(self, owner: str, wanted: CharacterBody) -> Character:
        """Raises CharacterConflict, and what taking a picture in raises."""
        if await self.characters.get(owner, wanted.name) is not None:
            raise _taken(wanted.name)
        now = self.clock()
        character = Character(
            owner=owner,
            name=wanted.name,
            title=wanted.title,
            faces=await self._faces(owner, wanted.name, wanted.faces),
            portraits=wanted.portraits,
            created_at=now,
            updated_at=now,
        )
        if wanted.consent is not None:
            character = character.agreed(wanted.consent.consent(str(random_uuid()), now=now))
        try:
            return await self.characters.write(character)
        except StaleCharacter:
            raise _taken(wanted.name) from None

    async def change(self, owner: str, name: str, wanted: CharacterChange) -> Character:
        """Faces that are left out are deleted. Raises what taking a picture in raises."""
        before = await self.find(owner, name)
        members = {
            field: getattr(wanted, field)
            for field in ("title", "portraits")
            if getattr(wanted, field) is not None
        }
        if wanted.faces is not None:
            members["faces"] = await self._faces(owner, name, wanted.faces, before)
        changed = await self.changed(
            owner, name, lambda found: found.changed(self.clock(), **members)
        )
        kept = {face.key for face in changed.faces}
        for face in before.faces:
            if face.key not in kept:
                await self.assets.delete(face.key)
        return changed

    async def agree(self, owner: str, name: str, body: ConsentBody) -> Character:
        """Raises CharacterConflict when there are too many consents."""
        consent = body.consent(str(random_uuid()), now=self.clock())
        return await self.changed(owner, name, lambda found: found.agreed(consent))

    async def revoke(self, owner: str, name: str) -> tuple[Character, list[str]]:
        """The character, and the ids of tasks that were stopped. Whatever is not stopped here, for
        a list that lags, is refused when it is begun or done."""
        now = self.clock()
        revoked = await self.changed(owner, name, lambda found: found.revoked(now=now))
        log.info("consent revoked", extra={"owner": owner})
        failure = Failure.of(
            ConsentMissing(
                f"the consent for {name} was revoked before the task was done",
                fix="Use another face.",
            )
        )
        stopped = [
            task.task_id
            async for task in self._open_tasks(owner, name)
            if await self._stopped(task, failure)
        ]
        return revoked, stopped

    async def remove(self, owner: str, name: str) -> None:
        """Raises CharacterConflict while there is something that was, or will be, made of it."""
        character = await self.find(owner, name)
        for task_id in await self.characters.uses(owner, name):
            task = await self.tasks.get(task_id)
            if task is not None and _keeps_something(task):
                raise CharacterConflict(
                    f"the task {task_id} was made of {name}, and is not purged",
                    fix=f"Revoke and purge it first: POST /api/v1/characters/{name}/revoke, then "
                    "/purge.",
                )
        for face in character.faces:
            await self.assets.delete(face.key)
        try:
            await self.characters.delete(character)
        except StaleCharacter:
            raise Unavailable(f"the character {name} is being changed by somebody else") from None

    async def changed(
        self, owner: str, name: str, change: Callable[[Character], Character]
    ) -> Character:
        """Written over the newest version. Raises what `change` raises."""
        for _ in range(_TRIES):
            try:
                return await self.characters.write(change(await self.find(owner, name)))
            except StaleCharacter:
                continue
        raise Unavailable(f"the character {name} is being changed by too many at once")

    # --- Its faces -------------------------------------------------------------------------

    async def _faces(
        self,
        owner: str,
        name: str,
        wanted: Sequence[int | str],
        before: Character | None = None,
    ) -> tuple[Face, ...]:
        faces: dict[str, Face] = {}
        for place, one in enumerate(wanted):
            field = f"faces.{place}"
            if isinstance(one, int):
                face = before.face(one, field=field) if before else None
            else:
                face = await self._face(owner, name, one, field)
            if face is not None:
                faces[face.key] = face
        return tuple(faces.values())

    async def _face(self, owner: str, name: str, reference: str, field: str) -> Face:
        """A copy of its own: uploads go when no task names them any more, and are others' too."""
        held = await self.sources.take_in(reference, owner=owner, field=field)
        source = held.reference.removeprefix("asset:")
        data = await self.assets.get(source)
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        content_type = sniff(data)
        key = asset_keys.character_face(owner, name, sha256, EXTENSIONS[content_type])
        try:
            await self.assets.put(
                key, data, content_type=content_type, metadata=size_metadata(held.size)
            )
        except AssetExists:
            await self.assets.renew(key)
        upload = source if source.startswith(asset_keys.UPLOADS_PREFIX) else None
        size = held.size
        return Face(key=key, sha256=sha256, width=size.width, height=size.height, upload=upload)

    # --- Its tasks -------------------------------------------------------------------------

    async def _open_tasks(self, owner: str, name: str) -> AsyncIterator[Task]:
        where, cursor = TaskFilter(owner=owner, statuses=_OPEN), None
        while True:
            page = await self.tasks.list(where, cursor=cursor, limit=_PAGE)
            for task in page.tasks:
                if name in task.characters:
                    yield task
            if (cursor := page.next_cursor) is None:
                return

    async def _stopped(self, task: Task, failure: Failure) -> bool:
        try:
            ended = await advance(
                self.tasks, task, lambda found: found.forbid(failure, now=self.clock())
            )
        except (TaskConflict, TaskNotFound):
            return False
        metrics.ended(ended)
        log.info(Step.FAILED, extra=ids_of(ended) | end_of(ended))
        return True


def _taken(name: str) -> CharacterConflict:
    return CharacterConflict(
        f"there is a character {name} already",
        field="name",
        fix="Choose another name, or PATCH it.",
    )


def _keeps_something(task: Task) -> bool:
    return not task.status.is_terminal or (task.outcome is not None and bool(task.outcome.keys))
