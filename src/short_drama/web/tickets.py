"""Tickets: what a page's EventSource, which can send no header, shows instead of a key.

A ticket is for one task's events, for a minute, and says in whose name, by which key; it is signed,
so nothing is kept of it. In a log it is soon worth nothing.
"""

import base64
import hmac
import time
from collections.abc import Callable
from typing import Final

from short_drama.domain.errors import KeyRefused
from short_drama.domain.principal import Principal, Scope

TICKET_SECONDS: Final = 60


class Tickets:
    """Args:
    secret: the installation's.
    """

    def __init__(self, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = hmac.digest(secret, b"tickets", "sha256")
        self._clock = clock

    def make(self, task_id: str, principal: Principal) -> tuple[str, float]:
        """A ticket for the task's events, and when it ends, in Unix seconds."""
        until = int(self._clock()) + TICKET_SECONDS
        sees_all = int(principal.may(Scope.OPERATE))
        said = f"{until}.{sees_all}.{principal.key_id or ''}.{principal.owner}"
        return f"{said}.{self._signed(said, task_id)}", until

    def principal(self, ticket: str, task_id: str) -> Principal:
        """Whose it is; whether the key still opens anything is another question. Raises
        KeyRefused."""
        said, _, signature = ticket.rpartition(".")
        until, _, rest = said.partition(".")
        sees_all, _, rest = rest.partition(".")
        key_id, _, owner = rest.partition(".")
        good = hmac.compare_digest(signature.encode(), self._signed(said, task_id).encode())
        if not good or self._clock() >= int(until):
            raise KeyRefused(
                "the ticket is not valid for this, or no longer",
                fix="Ask for another one: POST /api/v1/tickets.",
            )
        scopes = {Scope.TASKS_READ} | ({Scope.OPERATE} if sees_all == "1" else set())
        return Principal(owner=owner, scopes=frozenset(scopes), key_id=key_id or None)

    def _signed(self, said: str, task_id: str) -> str:
        digest = hmac.digest(self._secret, f"{task_id}\0{said}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
