"""What is kept of API keys."""

from collections.abc import Sequence
from typing import Protocol

from short_drama.domain.api_keys import ApiKey


class KeyExists(Exception):
    """There is an API key with this id."""


class KeyStore(Protocol):
    """What is kept of API keys. May raise Unavailable."""

    async def add(self, key: ApiKey) -> None:
        """Durable once this returns. Raises KeyExists."""
        ...

    async def get(self, key_id: str) -> ApiKey | None:
        """As it is now. When it was last used need not be told."""
        ...

    async def list(self) -> Sequence[ApiKey]:
        """All of them, those that were revoked as well, oldest first."""
        ...

    async def revoke(self, key_id: str, *, at: float) -> ApiKey | None:
        """For good; one that was revoked before stays revoked since then. None if there is none."""
        ...

    async def used(self, key_id: str, *, at: float) -> None:
        """Remember when it was last used."""
        ...
