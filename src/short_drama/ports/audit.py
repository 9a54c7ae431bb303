"""The audit."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from short_drama.domain.audit import AuditEntry, AuditFilter, AuditLine


@dataclass(frozen=True, slots=True)
class AuditPage:
    entries: Sequence[AuditEntry]
    next_cursor: str | None


class AuditLog(Protocol):
    """Who did what. It only grows: nothing here changes a line or takes one out, and the backend
    refuses whoever else tries, as far as it can. What can no longer be read is left out of lists.
    May raise Unavailable."""

    async def append(self, line: AuditLine) -> None:
        """Durable once this returns."""
        ...

    async def list(self, where: AuditFilter, *, cursor: str | None, limit: int) -> AuditPage:
        """Newest first. `cursor` is an earlier page's `next_cursor`; a malformed one raises
        InvalidRequest. A page may be short, even empty, and have a successor: one call looks at
        only so many lines."""
        ...

    def every(self) -> AsyncIterator[AuditEntry]:
        """All there are, oldest first, each as it is kept, whether or not it can be read."""
        ...
