"""API keys as requests bring them: looked up once, and remembered for seconds."""

import asyncio
import contextlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from short_drama.domain.api_keys import ApiKey, Given
from short_drama.domain.errors import KeyRefused, Unavailable
from short_drama.domain.principal import Principal, Scope
from short_drama.ports import KeyStore

REMEMBERED_SECONDS: Final = 5.0
"""After which a key that was revoked opens nothing any more."""
_USED_SECONDS: Final = 60.0
_MOST: Final = 4096
SERVICE: Final = Principal(owner="", scopes=frozenset(Scope))
"""An adapter that asks an API service: whose the work is, it says itself."""


class KeyRing:
    """Args:
    store: None where keys of people open nothing.
    service: what our own processes show each other; None where nobody is let in by it.
    """

    def __init__(
        self,
        store: KeyStore | None,
        *,
        service: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._service, self._clock = store, service, clock
        self._known: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._noted: dict[str, float] = {}
        self._noting: set[asyncio.Task[None]] = set()

    async def principal(self, token: str) -> Principal:
        """Whose key it is. Raises KeyRefused, saying no more than that, and Unavailable."""
        if self._service and hmac.compare_digest(token.encode(), self._service.encode()):
            return SERVICE
        given, now = Given.of(token), self._clock()
        key = None if given is None else await self._key(given.key_id, now)
        if given is None or key is None or not key.opens(given, now=now):
            raise KeyRefused(
                "the API key is not valid: it is not one of ours, has expired or was revoked",
                fix="Ask whoever gave you the key for another one.",
            )
        self._note_use(key.key_id, now)
        return key.principal

    async def is_valid(self, key_id: str) -> bool:
        """Whether a key that was shown before would still open anything. Raises Unavailable."""
        now = self._clock()
        key = await self._key(key_id, now)
        return key is not None and key.is_valid(now)

    async def _key(self, key_id: str, now: float) -> ApiKey | None:
        if self._store is None:
            return None
        until, key = self._known.get(key_id, (0.0, None))
        if not now < until <= now + REMEMBERED_SECONDS:  # also after the clock was set back
            key = await self._store.get(key_id)
            self._known[key_id] = (now + REMEMBERED_SECONDS, key)
            self._known.move_to_end(key_id)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        return key

    def _note_use(self, key_id: str, now: float) -> None:
        """Nobody waits for it, and an outage loses a minute's note."""
        if abs(now - self._noted.get(key_id, 0.0)) < _USED_SECONDS:
            return
        self._noted[key_id] = now
        note = asyncio.create_task(self._used(key_id, now))
        self._noting.add(note)
        note.add_done_callback(self._noting.discard)

    async def _used(self, key_id: str, now: float) -> None:
        if self._store is not None:
            with contextlib.suppress(Unavailable):
                await self._store.used(key_id, at=now)
