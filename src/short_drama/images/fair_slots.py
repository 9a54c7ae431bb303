"""Places for costly work, shared between clients so that none of them can take all.

Two rules. A client gets a further place only while more places are free than it holds: whoever
asks alone gets about half of them, and the next client still finds one. And those that wait are
called round robin by client, each client's own in the order in which they came.

Waiting is bounded in number and in time. A newcomer for whom there is no room puts out the last
one of the client with the longest line, if that line is longer than its own.
"""

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator

from short_drama import metrics
from short_drama.domain.errors import Unavailable

_AGAIN_SECONDS = 5.0
"""When somebody who was turned away may ask again."""

_Waiter = asyncio.Future[None]


class FairSlots:
    """
    Args:
        name: of the work, in the metric.
        places: pieces of work at a time.
        waiting: how many may wait, of all clients together.
        seconds: for how long each.
    """

    def __init__(self, name: str, places: int, *, waiting: int, seconds: float) -> None:
        self._name, self._free, self._waiting, self._seconds = name, places, waiting, seconds
        self._held: Counter[str] = Counter()
        self._lines: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        """Of every client that waits; the first one is called next."""

    @contextlib.asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Raises Unavailable when too many wait, or it waited for too long."""
        await self._taken(client)
        try:
            yield
        finally:
            self._give_back(client)

    async def _taken(self, client: str) -> None:
        if client not in self._lines and self._may(client):
            self._take(client)
            return
        waiter = self._queue_up(client)
        try:
            async with asyncio.timeout(self._seconds):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(client)  # it was called while it was leaving
            else:
                self._leave(client, waiter)
            if isinstance(error, TimeoutError):
                raise self._busy() from None
            raise

    def _queue_up(self, client: str) -> _Waiter:
        if sum(map(len, self._lines.values())) >= self._waiting:
            self._make_room(client)
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        self._lines.setdefault(client, deque()).append(waiter)
        return waiter

    def _make_room(self, client: str) -> None:
        longest = max(self._lines, key=lambda one: len(self._lines[one]))
        if len(self._lines[longest]) <= len(self._lines.get(client, ())) + 1:
            raise self._busy()
        last = self._lines[longest][-1]
        self._leave(longest, last)
        if not last.done():
            last.set_exception(self._busy())

    def _leave(self, client: str, waiter: _Waiter) -> None:
        line = self._lines.get(client)
        if line is None or waiter not in line:
            return
        line.remove(waiter)
        if not line:
            del self._lines[client]

    def _may(self, client: str) -> bool:
        return self._free > self._held[client]

    def _take(self, client: str) -> None:
        self._free -= 1
        self._held[client] += 1

    def _give_back(self, client: str) -> None:
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        self._call()

    def _call(self) -> None:
        """Those that may begin now. Who is passed over for holding enough keeps its turn."""
        while (called := next(filter(self._may, self._lines), None)) is not None:
            waiter = self._lines[called].popleft()
            if not waiter.done():  # it may be leaving
                self._take(called)
                waiter.set_result(None)
            if self._lines[called]:
                self._lines.move_to_end(called)
            else:
                del self._lines[called]

    def _busy(self) -> Unavailable:
        metrics.TURNED_AWAY.labels(self._name).inc()
        return Unavailable(
            f"too many requests wait for {self._name}",
            fix="Send fewer at a time, and ask again later.",
            after=_AGAIN_SECONDS,
        )
