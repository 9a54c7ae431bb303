"""Which take of a shot goes on: every choice that was made, the last of which holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Self

from short_drama.domain import formats
from short_drama.domain.shots import Shot

MOST_CHOICES: Final = 100
"""Remembered of one shot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A task's result, an uploaded picture, or neither: then nothing is picked any more. `by`: the
    API key's id, None where nobody signs in. `at`: Unix seconds."""

    at: float
    by: str | None = None
    note: str | None = None
    task_id: str | None = None
    asset_key: str | None = None

    @property
    def picks(self) -> bool:
        return self.task_id is not None or self.asset_key is not None

    def says_as(self, other: "Choice") -> bool:
        return replace(self, at=other.at, by=other.by) == other


@dataclass(frozen=True, slots=True, kw_only=True)
class Picks:
    """Of one shot. `version` grows by one with every write; 0 before the first."""

    owner: str
    shot: Shot
    choices: tuple[Choice, ...] = ()
    version: int = 0

    @property
    def current(self) -> Choice | None:
        """The pick, while there is one."""
        last = self.choices[-1] if self.choices else None
        return last if last is not None and last.picks else None

    def choose(self, choice: Choice) -> Self:
        """The same where nothing else is chosen than before, so that a repetition is none."""
        if self.choices and choice.says_as(self.choices[-1]):
            return self
        if not choice.picks and self.current is None:
            return self
        return replace(self, choices=(*self.choices, choice)[-MOST_CHOICES:])


_CHOICE: Final = tuple(member.name for member in fields(Choice))


def record_of_picks(picks: Picks) -> dict[str, Any]:
    """What every store keeps beside owner, shot and version, in plain JSON types."""
    told = [_present(asdict(choice)) for choice in picks.choices]
    return formats.PICKS.marked({"choices": told})


def picks_of(record: Mapping[str, Any], *, owner: str, shot: Shot, version: int) -> Picks:
    """Lenient: what a later release adds is ignored. Raises NewerFormat."""
    formats.PICKS.require_known(record)
    choices = tuple(
        Choice(**{name: told[name] for name in _CHOICE if name in told})
        for told in record["choices"]
    )
    return Picks(owner=owner, shot=shot, choices=choices, version=version)


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
