"""Characters: a person's faces, and what the person has agreed to.

Consents are never changed but by being revoked: a new one comes after them, so that the id in a
task's record says for good what it was made under. Times are Unix seconds.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Self

from short_drama.domain.asset_keys import FACES_PREFIX
from short_drama.domain.errors import CharacterConflict, ConsentMissing, InvalidRequest

NAME: Final = r"[a-z0-9][a-z0-9-]{0,39}"
MOST_FACES: Final = 20
MOST_CONSENTS: Final = 20
PROJECT: Final = "project"
"""The label that says which project a task is for."""
_MARK: Final = "character:"
_PART: Final = re.compile(rf"({NAME})(?:/([1-9][0-9]?))?")
PART: Final = rf"{NAME}(/[1-9][0-9]?)?"
"""A character, and which of its faces; without a number the first."""


class Part(NamedTuple):
    """A character in a request: `face` is which of its pictures, from 1."""

    name: str
    face: int

    @classmethod
    def of(cls, reference: str) -> Self | None:
        """Of `character:lin` or `character:lin/2`; None for what names no character."""
        if not reference.startswith(_MARK):
            return None
        found = _PART.fullmatch(reference.removeprefix(_MARK))
        return None if found is None else cls(found[1], int(found[2] or 1))


def referred(part: str) -> str:
    """`lin` as an image field takes it; what is a reference already stays."""
    return f"{_MARK}{part}" if _PART.fullmatch(part) else part


def require_no_face(key: str) -> None:
    """Of an asset that a request names itself. Raises ConsentMissing."""
    if key.startswith(FACES_PREFIX):
        raise ConsentMissing(
            "a character's face is used by the character's name, which its consent goes with",
            fix="Write character:NAME.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One picture. `upload`: of which upload it was taken, where it was one; `sha256`: of the bytes
    that are kept."""

    key: str
    sha256: str
    width: int
    height: int
    upload: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a face is wanted for; `field`: where the request says so."""

    kind: str
    project: str | None
    now: float
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """`subject`: who agreed; without `projects` it is for all of them, and so with `kinds`."""

    consent_id: str
    subject: str
    recorded_by: str
    recorded_at: float
    projects: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    evidence_sha256: str | None = None
    since: float | None = None
    until: float | None = None
    """From then on it does not hold."""
    revoked_at: float | None = None

    def require(self, name: str, use: Use) -> None:
        """Raises ConsentMissing where it does not cover the use, saying what would."""
        if self.revoked_at is not None:
            raise _revoked(name, self.revoked_at, use.field)
        if self.since is not None and use.now < self.since:
            raise ConsentMissing(
                f"the consent for {name} holds from {_day(self.since)}",
                field=use.field,
                fix=f"Wait until then, or record one that holds now: {_cure(name)}.",
            )
        if self.until is not None and use.now >= self.until:
            raise ConsentMissing(
                f"the consent for {name} ended on {_day(self.until)}",
                field=use.field,
                fix=f"Ask the person again, and record the new one: {_cure(name)}.",
            )
        if self.kinds and use.kind not in self.kinds:
            raise ConsentMissing(
                f"the consent for {name} covers {', '.join(self.kinds)}, and not {use.kind}",
                field=use.field,
                fix=f"Use one of these kinds, or record a wider consent: {_cure(name)}.",
            )
        if self.projects and use.project not in self.projects:
            given = "without a project" if use.project is None else f"for {use.project!r}"
            raise ConsentMissing(
                f"the consent for {name} covers {', '.join(map(repr, self.projects))}, and the "
                f"task is {given}",
                field=f"labels.{PROJECT}",
                fix="Label the task with the project it is for, or record a wider consent: "
                f"{_cure(name)}.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """When and by whom its faces were deleted, by key and SHA-256; what was made of them is told by
    the tasks' records."""

    at: float
    by: str
    faces: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """`portraits`: ids in providers' own libraries, by provider; `version` grows with each write,
    0 before the first."""

    owner: str
    name: str
    created_at: float
    updated_at: float
    title: str = ""
    faces: tuple[Face, ...] = ()
    portraits: Mapping[str, str] = field(default_factory=dict)
    consents: tuple[Consent, ...] = ()
    """In the order in which they were recorded."""
    purges: tuple[Purge, ...] = ()
    version: int = 0

    @property
    def consent(self) -> Consent | None:
        """The one that counts: the latest, be it revoked or not."""
        return self.consents[-1] if self.consents else None

    def face(self, number: int, *, field: str) -> Face:
        """Raises InvalidRequest where there are not so many."""
        if number <= len(self.faces):
            return self.faces[number - 1]
        many = f"{len(self.faces)} face{'' if len(self.faces) == 1 else 's'}"
        raise InvalidRequest(
            f"the character {self.name} has {many}, and number {number} was asked for",
            field=field,
            fix=f"Give a number from 1 to {len(self.faces)}."
            if self.faces
            else f"Give it a face: PATCH /api/v1/characters/{self.name}.",
        )

    def covering(self, use: Use) -> Consent:
        """The consent that covers the use. Raises ConsentMissing."""
        if self.consent is None:
            raise ConsentMissing(
                f"nobody has recorded a consent for {self.name}",
                field=use.field,
                fix=f"Record who agreed, and to what: {_cure(self.name)}.",
            )
        self.consent.require(self.name, use)
        return self.consent

    def require_still(self, consent_id: str, use: Use) -> None:
        """Of a task that was accepted under that consent, which may have been followed by others.
        Raises ConsentMissing."""
        given = next((one for one in self.consents if one.consent_id == consent_id), None)
        if given is not None and given.revoked_at is not None:
            raise _revoked(self.name, given.revoked_at, use.field)
        self.covering(use)

    # --- Changes ---------------------------------------------------------------------------

    def agreed(self, consent: Consent) -> Self:
        """Raises CharacterConflict once there are too many."""
        if len(self.consents) >= MOST_CONSENTS:
            raise CharacterConflict(
                f"{self.name} has {MOST_CONSENTS} consents, as many as are kept",
                fix="Make another character of the same person.",
            )
        return self.changed(consent.recorded_at, consents=(*self.consents, consent))

    def revoked(self, *, now: float) -> Self:
        """Every consent that there is; what was revoked before stays revoked since then."""
        consents = (
            one if one.revoked_at is not None else replace(one, revoked_at=now)
            for one in self.consents
        )
        return self.changed(now, consents=tuple(consents))

    def require_revoked(self) -> None:
        """Before anything is deleted. Raises CharacterConflict."""
        if any(one.revoked_at is None for one in self.consents):
            raise CharacterConflict(
                f"the consent for {self.name} has not been revoked",
                fix=f"Revoke it first: POST /api/v1/characters/{self.name}/revoke.",
            )

    def purged(self, purge: Purge) -> Self:
        """Its faces are gone."""
        purges = (*self.purges[1 - MOST_CONSENTS :], purge)
        return self.changed(purge.at, faces=(), purges=purges)

    def changed(self, now: float, **members: Any) -> Self:
        return replace(self, updated_at=now, **members)

    # --- As it is kept ---------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """All but its version."""
        members = asdict(self)
        del members["version"]
        return members

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, version: int) -> Self:
        """Members that a later release has added mean nothing here."""
        known = _known(cls, data)
        for name, shape in (("faces", Face), ("consents", Consent), ("purges", Purge)):
            known[name] = tuple(_read(shape, one) for one in data.get(name, ()))
        return cls(**{**known, "version": version})


def _read(shape: type[Any], data: Mapping[str, Any]) -> Any:
    known = _known(shape, data)
    lists = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return shape(**{**known, **lists})


def _known(shape: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in shape.__slots__ if name in data}


def _revoked(name: str, at: float, field: str | None) -> ConsentMissing:
    return ConsentMissing(
        f"the consent for {name} was revoked on {_day(at)}",
        field=field,
        fix="Use another face. Should the person agree anew, record that: " + f"{_cure(name)}.",
    )


def _cure(name: str) -> str:
    return f"PUT /api/v1/characters/{name}/consent, or short-drama characters consent {name}"


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
