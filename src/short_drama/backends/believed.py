"""What many ask for at once is read once, and believed for a while."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


@dataclass(slots=True, eq=False)
class _Reading(Generic[Found]):
    number: int
    task: "asyncio.Task[Found]"
    believed_until: float = math.inf
    """By the clock; for ever while it is under way."""


class Believed(Generic[Key, Found]):
    """Belongs to one event loop.

    Args:
        read: what is found under a key.
        seconds: for how long that is believed.
    """

    def __init__(
        self,
        read: Callable[[Key], Awaitable[Found]],
        *,
        seconds: Callable[[Found], float],
        clock: Callable[[], float],
    ) -> None:
        self._read, self._seconds, self._clock = read, seconds, clock
        self._known: dict[Key, _Reading[Found]] = {}
        self._count = 0

    async def get(self, key: Key, *, tells: Callable[[Found], bool] = lambda _: True) -> Found:
        """What was found before, or is being found, if it `tells` what is asked for; else what is
        found now. Raises what `read` raises, to all who wait for the same reading."""
        before = self._count
        while True:
            known = self._known.get(key)
            if known is None or self._clock() >= known.believed_until:
                known = self._begin(key)
            # Shielded: one who stops waiting does not take it from the others.
            found = await asyncio.shield(known.task)
            if tells(found) or known.number > before:
                return found
            if self._known.get(key) is known:
                del self._known[key]

    def _begin(self, key: Key) -> _Reading[Found]:
        self._count += 1
        reading = _Reading(self._count, asyncio.create_task(self._found(key)))
        self._known[key] = reading

        def ended(task: "asyncio.Task[Found]") -> None:
            if not task.cancelled() and task.exception() is None:
                reading.believed_until = self._clock() + self._seconds(task.result())
            elif self._known.get(key) is reading:
                del self._known[key]

        reading.task.add_done_callback(ended)
        return reading

    async def _found(self, key: Key) -> Found:
        return await self._read(key)
