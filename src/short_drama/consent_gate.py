"""The one gate that a person's face goes through: when a task is accepted, and when it is begun.

What is asked both times is the same: that somebody has recorded that the person agreed to this kind
of task, for this project, now. Between the two the person may have thought better of it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from short_drama.domain.casting import plays_characters_alone
from short_drama.domain.characters import PROJECT, Part, Use
from short_drama.domain.errors import CharacterNotFound, ConsentMissing, InvalidRequest
from short_drama.domain.kinds import TaskKind
from short_drama.domain.task import Task
from short_drama.ports import CharacterStore


@dataclass(slots=True)
class Admitted:
    """`faces`: references to the pictures that are used, by the request's field; `consents`: ids of
    consents, by the character's name."""

    faces: dict[str, str] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)


class ConsentGate:
    """`demanded`: refuse face swaps that come without anybody's consent."""

    def __init__(
        self,
        characters: CharacterStore,
        *,
        demanded: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._characters, self._demanded, self._clock = characters, demanded, clock

    def require_consent(self, kind: TaskKind, given: Mapping[str, Any]) -> None:
        """That a request brings one; characters have theirs with them. Raises InvalidRequest."""
        said = "consent" in given or plays_characters_alone(given)
        if self._demanded and kind.is_face_swap and not said:
            raise InvalidRequest(
                "a face may be swapped only with the consent of the person it belongs to",
                field="consent",
                fix='Add "consent": {"granted_by": ..., "recorded_by": ...}.',
            )

    async def admit(
        self, images: Mapping[str, str], *, owner: str, kind: str, labels: Mapping[str, str]
    ) -> Admitted:
        """The characters among an owner's images, which are named by field.

        Raises CharacterNotFound and ConsentMissing, and InvalidRequest for a face that one has not.
        """
        admitted, now = Admitted(), self._clock()
        for place, reference in images.items():
            if (part := Part.of(reference)) is None:
                continue
            character = await self._characters.get(owner, part.name)
            if character is None:
                raise not_found(part.name, field=place)
            use = Use(kind=kind, project=labels.get(PROJECT), now=now, field=place)
            admitted.consents[part.name] = character.covering(use).consent_id
            admitted.faces[place] = f"asset:{character.face(part.face, field=place).key}"
        return admitted

    async def note(self, task: Task) -> None:
        """Of a task that is about to be stored: whoever revokes a consent looks there."""
        for name in task.characters:
            await self._characters.note_use(task.owner, name, task.task_id)

    async def require(self, task: Task) -> None:
        """That every face of the task may still be used. Raises ConsentMissing and Unavailable."""
        for name, consent_id in task.characters.items():
            use = Use(kind=task.kind, project=task.labels.get(PROJECT), now=self._clock())
            character = await self._characters.get(task.owner, name)
            if character is None:
                raise ConsentMissing(
                    f"the character {name} is gone, and its consent with it",
                    fix="Use another face.",
                )
            character.require_still(consent_id, use)


def not_found(name: str, *, field: str | None = None) -> CharacterNotFound:
    return CharacterNotFound(
        f"there is no character {name[:80]!r}",
        field=field,
        fix="List yours: /api/v1/characters; POST there makes one.",
    )
