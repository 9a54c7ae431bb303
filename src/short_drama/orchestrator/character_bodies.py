"""What is sent of characters, and how they are shown."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from short_drama.domain.characters import MOST_FACES, NAME, Character, Consent, Use
from short_drama.domain.errors import ConsentMissing
from short_drama.domain.image_reference import ImageReference
from short_drama.domain.kinds import KIND_NAME
from short_drama.domain.label import LabelValue, seen
from short_drama.domain.rules import Strict

_MOST_NAMED = 20
"""Projects, kinds or providers."""

Words = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(seen)]
Moment = Annotated[float, Field(ge=0, le=1e11, description="Unix seconds.")]
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Faces = Annotated[list[ImageReference], Field(max_length=MOST_FACES)]
Kind = Annotated[str, Field(pattern=f"^{KIND_NAME}$")]
Project = Annotated[LabelValue, Field(min_length=1, max_length=100)]
Portraits = Annotated[
    dict[Name, Words],
    Field(
        max_length=_MOST_NAMED,
        description="By provider, the person's id in that provider's own portrait library. Kept "
        "with the character, and not sent.",
        json_schema_extra={
            "additionalProperties": False,
            "propertyNames": {"pattern": f"^{NAME}$"},
        },
    ),
]


class ConsentScope(Strict):
    """What it is for: without projects for all of them, and so with kinds."""

    projects: Annotated[list[Project], Field(max_length=_MOST_NAMED, default_factory=list)]
    kinds: Annotated[list[Kind], Field(max_length=_MOST_NAMED, default_factory=list)]


class ConsentBody(Strict):
    """Who agreed to what, and who recorded it."""

    model_config = ConfigDict(populate_by_name=False)

    subject: Words
    recorded_by: Words
    scope: Annotated[ConsentScope, Field(default_factory=ConsentScope)]
    evidence_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "ConsentBody":
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise PydanticCustomError(
                "rule",
                "{field}: {message}",
                {"field": "until", "message": "is not after from", "fix": "Give a later time."},
            )
        return self

    def consent(self, consent_id: str, *, now: float) -> Consent:
        return Consent(
            consent_id=consent_id,
            subject=self.subject,
            recorded_by=self.recorded_by,
            recorded_at=now,
            projects=tuple(self.scope.projects),
            kinds=tuple(self.scope.kinds),
            evidence_sha256=self.evidence_sha256,
            since=self.since,
            until=self.until,
        )


class CharacterBody(Strict):
    """A new character."""

    name: Name
    title: Annotated[LabelValue, Field(max_length=200)] = ""
    faces: Annotated[Faces, Field(min_length=1)]
    portraits: Annotated[Portraits, Field(default_factory=dict)]
    consent: ConsentBody | None = None


class CharacterChange(Strict):
    """What is given replaces what there is. Of `faces`, a number stays the face that had it."""

    title: Annotated[LabelValue, Field(max_length=200)] | None = None
    faces: (
        Annotated[
            list[Annotated[int, Field(ge=1, le=MOST_FACES)] | ImageReference],
            Field(min_length=1, max_length=MOST_FACES),
        ]
        | None
    ) = None
    portraits: Portraits | None = None


def character_view(character: Character, *, now: float) -> dict[str, Any]:
    return {
        "name": character.name,
        "title": character.title,
        "faces": [
            {
                "number": number,
                "width": face.width,
                "height": face.height,
                "sha256": face.sha256,
                "url": f"/api/v1/characters/{character.name}/faces/{number}",
            }
            for number, face in enumerate(character.faces, 1)
        ],
        "portraits": dict(character.portraits),
        "consent": None if character.consent is None else _consent(character.consent),
        "consent_problem": _problem(character, now),
        "consents": [_consent(one) for one in character.consents],
        "purges": [asdict(purge) for purge in character.purges],
        "created_at": character.created_at,
        "updated_at": character.updated_at,
    }


def _consent(consent: Consent) -> Mapping[str, Any]:
    return {
        "consent_id": consent.consent_id,
        "subject": consent.subject,
        "scope": {"projects": consent.projects, "kinds": consent.kinds},
        "recorded_by": consent.recorded_by,
        "recorded_at": consent.recorded_at,
        "evidence_sha256": consent.evidence_sha256,
        "from": consent.since,
        "until": consent.until,
        "revoked_at": consent.revoked_at,
    }


def _problem(character: Character, now: float) -> str | None:
    """Why nothing can be made of it at all; None where something can."""
    consent = character.consent
    kind, project = "", None
    if consent is not None:
        kind = consent.kinds[0] if consent.kinds else ""
        project = consent.projects[0] if consent.projects else None
    try:
        character.covering(Use(kind=kind, project=project, now=now))
    except ConsentMissing as missing:
        return missing.detail
    return None
