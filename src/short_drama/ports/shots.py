"""Shots of owners, and what was picked of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from short_drama.domain.picks import Picks
from short_drama.domain.shots import Shot
from short_drama.domain.task import Task


class StalePicks(Exception):
    """Somebody wrote the picks since they were read."""


@dataclass(frozen=True, slots=True)
class ShotPage:
    shots: Sequence[Shot]
    next_cursor: str | None


class ShotStore(Protocol):
    """Shots of owners: what the labels of their tasks tell of them, and what was picked. Reads of
    picks are consistent; lists may lag. May raise Unavailable; NewerFormat for picks of a newer
    release."""

    async def list(
        self, owner: str, project: str, episode: str | None, *, cursor: str | None, limit: int
    ) -> ShotPage:
        """In shot order, those of a project, or of an episode of it, that tasks are or were for, or
        for which something was picked. A malformed cursor raises InvalidRequest."""
        ...

    async def takes(
        self, owner: str, shots: Sequence[Shot], *, most: int
    ) -> Mapping[Shot, Sequence[Task]]:
        """The newest `most` tasks of each shot, the newest first, and nothing that is deleted. Of a
        shot with more than 200 tasks a backend may know only the first."""
        ...

    async def picks(self, owner: str, shots: Sequence[Shot]) -> Mapping[Shot, Picks]:
        """Those of each shot; nobody having chosen anything is version 0."""
        ...

    async def write(self, picks: Picks) -> Picks:
        """Write the picks over the version they were made from, and return them with the next
        version. Raises StalePicks."""
        ...
