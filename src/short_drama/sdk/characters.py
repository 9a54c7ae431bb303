"""Characters, as `client.characters`: people whose faces may come into stills.

    lin = await client.characters.create("lin", [Path("lin.jpg")], consent={
        "subject": "Lin Wei", "recorded_by": "casting", "scope": {"projects": ["Nightfall"]}})
    await client.submit("full-face-swap", {"source_image_url": still, "cast": {"0": "lin"}},
        labels={"project": "Nightfall"})

`short_drama.sdk.sync.Client` has the same without `await`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from short_drama.sdk.models import PictureSize, Shape, TaskPage, TaskView

Found = TypeVar("Found", bound=BaseModel)
Picture = Path | str | bytes
"""A file, or its bytes; text is a reference, as an image field takes it."""


class FaceView(PictureSize):
    """A picture of a character; `url` opens it for its owner's key."""

    number: int
    sha256: str
    url: str


class ConsentScopeView(Shape):
    """Without projects for all of them, and so with kinds."""

    projects: list[str]
    kinds: list[str]


class ConsentView(Shape):
    """What a person has agreed to. Times are Unix seconds; `from` is `since` in Python."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    consent_id: str
    subject: str
    scope: ConsentScopeView
    recorded_by: str
    recorded_at: float
    evidence_sha256: str | None = None
    since: float | None = Field(default=None, alias="from")
    until: float | None = None
    revoked_at: float | None = None


class CharacterView(Shape):
    """A person's faces. `consent` is the one that counts; `consent_problem`: why nothing can be
    made of it, null where something can."""

    name: str
    title: str = ""
    faces: list[FaceView]
    portraits: dict[str, str]
    consent: ConsentView | None = None
    consent_problem: str | None = None
    consents: list[ConsentView]
    purges: list[dict[str, Any]]
    created_at: float
    updated_at: float


class CharacterList(Shape):
    characters: list[CharacterView]


class RevocationView(Shape):
    """`stopped`: ids of the tasks that waited or ran; `tasks`: how many it is used in in all."""

    character: CharacterView
    stopped: list[str]
    tasks: int


class PurgeView(Shape):
    """`deleted`: `key` and `sha256` each, and `task_id` of what was a task's; `left`: tasks that
    have not ended."""

    deleted: list[dict[str, str]]
    left: list[str]
    next_cursor: str | None = None


class Ask(Protocol):
    async def __call__(
        self, shape: type[Found], method: str, path: str, *, repeatable: bool, **parts: Any
    ) -> Found: ...


class AsyncCharacters:
    """`ask`: one call to the service; `upload`: a picture's reference there."""

    def __init__(self, ask: Ask, upload: Callable[[Path | bytes], Awaitable[str]]) -> None:
        self._ask, self._upload = ask, upload

    async def list(self) -> Sequence[CharacterView]:
        found = await self._ask(CharacterList, "GET", "/api/v1/characters", repeatable=True)
        return found.characters

    async def get(self, name: str) -> CharacterView:
        return await self._ask(CharacterView, "GET", _path(name), repeatable=True)

    async def create(
        self,
        name: str,
        faces: Sequence[Picture],
        *,
        title: str = "",
        portraits: Mapping[str, str] | None = None,
        consent: Mapping[str, Any] | None = None,
    ) -> CharacterView:
        """Raises ApiError, code character_conflict, where there is one of that name."""
        given = {"portraits": portraits, "consent": consent}
        body = {
            "name": name,
            "title": title,
            "faces": await self._references(faces),
            **{member: value for member, value in given.items() if value is not None},
        }
        path = "/api/v1/characters"
        return await self._ask(CharacterView, "POST", path, json=body, repeatable=False)

    async def change(
        self,
        name: str,
        *,
        title: str | None = None,
        faces: Sequence[Picture | int] | None = None,
        portraits: Mapping[str, str] | None = None,
    ) -> CharacterView:
        """What is given replaces what there is; of `faces`, a number stays the face that had it."""
        given = {
            "title": title,
            "faces": None if faces is None else await self._references(faces),
            "portraits": portraits,
        }
        body = {member: value for member, value in given.items() if value is not None}
        return await self._ask(CharacterView, "PATCH", _path(name), json=body, repeatable=False)

    async def record_consent(self, name: str, consent: Mapping[str, Any]) -> CharacterView:
        """`consent`: `subject`, `recorded_by`, and as wanted `scope`, `evidence_sha256`, `from`,
        `until`."""
        path = _path(name, "consent")
        return await self._ask(CharacterView, "PUT", path, json=dict(consent), repeatable=False)

    async def revoke(self, name: str) -> RevocationView:
        """The person agrees no longer: what waits and runs is stopped."""
        return await self._ask(RevocationView, "POST", _path(name, "revoke"), repeatable=True)

    async def tasks(self, name: str) -> AsyncGenerator[TaskView, None]:
        """Every task that it is used in, page by page."""
        params: dict[str, str] = {"limit": "200"}
        while True:
            path = _path(name, "tasks")
            page = await self._ask(TaskPage, "GET", path, params=params, repeatable=True)
            for task in page.tasks:
                yield task
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    async def purge(self, name: str) -> PurgeView:
        """Delete its pictures and all that was made of them. Raises ApiError, code
        character_conflict, before its consent was revoked."""
        deleted: list[dict[str, str]] = []
        left: list[str] = []
        params: dict[str, str] = {}
        while True:
            path = _path(name, "purge")
            page = await self._ask(PurgeView, "POST", path, params=params, repeatable=True)
            deleted += page.deleted
            left += page.left
            if page.next_cursor is None:
                return PurgeView(deleted=deleted, left=left)
            params["cursor"] = page.next_cursor

    async def delete(self, name: str) -> None:
        """Raises ApiError, code character_conflict, while something is left that was made of it."""
        await self._ask(Shape, "DELETE", _path(name), repeatable=True)

    async def _references(self, faces: Sequence[Picture | int]) -> Sequence[str | int]:
        return [
            await self._upload(face) if isinstance(face, Path | bytes) else face for face in faces
        ]


def _path(name: str, *parts: str) -> str:
    return "/".join(("/api/v1/characters", quote(name, safe=""), *parts))
