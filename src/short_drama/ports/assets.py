"""Bytes of pictures, by key."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from short_drama.domain.asset_keys import is_id, owner_in
from short_drama.domain.principal import LOCAL_OWNER

OWNED_BY: Final = "owner"
"""What an asset's metadata calls its owner."""


def owned_by(owner: str) -> dict[str, str]:
    """Metadata of what is made for `owner`; empty where nobody signs in."""
    return {OWNED_BY: owner} if owner not in ("", LOCAL_OWNER) else {}


MADE_BY: Final = "task_id"
"""What a result's metadata calls the task that made it."""


def made_by(task_id: str) -> dict[str, str]:
    """Metadata of what a task has made; empty for what is no task's."""
    return {MADE_BY: task_id} if is_id(task_id) else {}


class AssetExists(Exception):
    """There is an asset with this key; assets are never overwritten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetInfo:
    key: str
    size: int
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """Whose it is; what says nothing of that was made where nobody signs in."""
        return owner_in(self.key) or self.metadata.get(OWNED_BY, LOCAL_OWNER)

    @property
    def task_id(self) -> str | None:
        """Of the task that made it, as far as it tells."""
        return self.metadata.get(MADE_BY)


class AssetStore(Protocol):
    """Image bytes by key. Keys are made by us, never by users. May raise Unavailable."""

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Durable and whole once this returns. Raises AssetExists; of several at once, exactly
        one succeeds."""
        ...

    async def get(self, key: str) -> bytes:
        """Raises AssetNotFound."""
        ...

    def pieces(self, key: str) -> AsyncIterator[bytes]:
        """The same, never all of it in memory. Raises AssetNotFound before the first."""
        ...

    async def head(self, key: str) -> AssetInfo:
        """Raises AssetNotFound."""
        ...

    async def inspect(self, key: str) -> AssetInfo:
        """As `head`, having looked at the bytes too where the storage does not do that itself:
        what is no longer as it was put is not found."""
        ...

    async def delete(self, key: str) -> None:
        """For good, whatever names it. Safe to repeat, also for what is damaged or not there."""
        ...

    async def renew(self, key: str) -> None:
        """Whoever is about to name an asset in a task says so: it is not deleted within a day of
        that, and later not while the task is there. Raises AssetNotFound."""
        ...

    def url(self, key: str) -> str:
        """Where a client reads the asset."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """What a client posts, as multipart/form-data: the fields in order, then the part `file`."""

    url: str
    fields: Mapping[str, str]


@runtime_checkable
class DirectUploads(Protocol):
    """What some asset stores offer beside their port: uploads that do not pass through us."""

    async def upload_form(
        self, key: str, *, content_type: str, max_bytes: int, expires_in: int
    ) -> UploadForm:
        """A form that stores one object under `key`, of exactly this content type and of 1 to
        `max_bytes` bytes, within `expires_in` seconds."""
        ...
