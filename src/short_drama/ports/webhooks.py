"""The endpoints that owners have told of their tasks."""

from typing import Protocol

from short_drama.domain.webhooks import Endpoints


class StaleEndpoints(Exception):
    """Somebody wrote them since they were read."""


class WebhookStore(Protocol):
    """The endpoints of each owner, as one record. May raise Unavailable; a record of a newer
    release raises NewerFormat."""

    async def of(self, owner: str) -> Endpoints:
        """As they are now; none, of version 0, where the owner never had any."""
        ...

    async def replace(self, endpoints: Endpoints) -> Endpoints:
        """Write them over the version they were computed from, and return them with the next
        version. Raises StaleEndpoints when the stored version is another one."""
        ...
