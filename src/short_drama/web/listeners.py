"""How many may wait for news at a time, each of whom keeps a connection for as long."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from short_drama import metrics
from short_drama.domain.errors import Unavailable

_AGAIN_SECONDS = 5.0


class Listeners:
    """A client gets a further place only while more are free than it holds: whoever asks alone gets
    half of them, and the next one still finds some.

    Args:
        places: of all clients together.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._held: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Raises Unavailable when there is none for this client."""
        if self._free <= self._held[client]:
            metrics.TURNED_AWAY.labels("listeners").inc()
            raise Unavailable(
                "too many requests of this client wait for news of tasks",
                fix="Follow fewer tasks at a time, or ask without waiting.",
                after=_AGAIN_SECONDS,
            )
        self._free -= 1
        self._held[client] += 1
        try:
            yield
        finally:
            self._free += 1
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
