"""People whose faces are used, and in which tasks."""

from collections.abc import Sequence
from typing import Protocol

from short_drama.domain.characters import Character


class StaleCharacter(Exception):
    """Somebody wrote the character since it was read, or it is gone; or there is one of its name
    already."""


class CharacterStore(Protocol):
    """Owners' characters, and which tasks each was used in. Reads are consistent. May raise
    Unavailable."""

    async def get(self, owner: str, name: str) -> Character | None: ...

    async def list(self, owner: str) -> Sequence[Character]:
        """An owner's, by name."""
        ...

    async def write(self, character: Character) -> Character:
        """Write it over the version it was made from, 0 for a new one, and return it with the next
        version. Raises StaleCharacter; of several at once, exactly one succeeds."""
        ...

    async def delete(self, character: Character) -> None:
        """And what is known of its uses. Raises StaleCharacter when the stored version is another
        one, or there is none."""
        ...

    async def note_use(self, owner: str, name: str, task_id: str) -> None:
        """A task is about to be stored that uses it. Safe to repeat."""
        ...

    async def uses(self, owner: str, name: str) -> Sequence[str]:
        """The ids of these tasks, in order; some may be gone, or never have been stored."""
        ...
