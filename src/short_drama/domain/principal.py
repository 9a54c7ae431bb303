"""Who asks, and what they may."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LOCAL_OWNER: Final = "local"
"""Who owns tasks where nobody signs in."""


class Scope(StrEnum):
    """What a key may be used for."""

    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    FACE_SWAP = "face:swap"
    SPEND = "spend"
    OPERATE = "operate"
    """Queues, dead letters, figures, and what belongs to other owners."""
    ADMIN = "admin"
    """Keys, and the audit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """`owner`: of what is made in this request; several keys may have the same.

    `daily_limit`: millionths of a US dollar that the key's tasks may cost in a day; None for none.
    """

    owner: str
    scopes: frozenset[Scope]
    key_id: str | None = None
    daily_limit: int | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    def sees(self, owner: str) -> bool:
        """Whether what belongs to `owner` is there at all, for whoever asks."""
        return owner == self.owner or self.may(Scope.OPERATE)


LOCAL: Final = Principal(owner=LOCAL_OWNER, scopes=frozenset(Scope))
"""Who asks where nobody signs in: whoever can reach a loopback address."""
