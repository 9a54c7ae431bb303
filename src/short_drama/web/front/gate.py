"""Who is connected to this process, over all of its ports, and what they hold.

When all places are taken, whoever has kept one longest without asking anything gives it up; when
the room for bodies is, whoever stopped sending, or dawdles; when that for answers is, whoever has
read nothing longest. So a client that only waits stops nobody else.
"""

import asyncio
from collections import Counter
from typing import Final, NamedTuple

from short_drama.web.front import refusal
from short_drama.web.front.limits import Limits
from short_drama.web.front.refusal import Ledger, Refusal
from short_drama.web.front.room import GRACE, Room
from short_drama.web.front.visitor import Queue, Visitor

_FAREWELL_SECONDS: Final = 2.0
"""Of silence after our last word, by which it must have been read."""
_FAREWELLS: Final = 64
"""Newcomers without a place that may hear why at the same time."""


class _Unread(NamedTuple):
    """Since when, and how many bytes."""

    since: float
    amount: int


class Gate:
    def __init__(self, limits: Limits) -> None:
        self.limits, self.ledger = limits, Ledger()
        self.heads: Queue = {}
        self.bodies: Queue = {}
        self.room = Room(limits, self.bodies)
        self.idle: Queue = {}
        self.leaving: Queue = {}
        self._not_reading: dict[Visitor, _Unread] = {}
        self._unread = 0
        self._inside: set[Visitor] = set()
        self._outside: set[Visitor] = set()
        self._of_address: Counter[str] = Counter()
        self._look: asyncio.TimerHandle | None = None
        self._look_at_idle: asyncio.TimerHandle | None = None

    def enter(self, visitor: Visitor) -> Refusal | None:
        """Why it has no place, if it has none. To be followed by `leave` in any case."""
        self._outside.add(visitor)
        if self._of_address[visitor.address] >= self.limits.of_address(visitor.address):
            return refusal.MANY_OF_ADDRESS
        if len(self._inside) >= self.limits.connections and not self.make_room():
            return refusal.MANY_CONNECTIONS
        self._outside.discard(visitor)
        self._inside.add(visitor)
        self._of_address[visitor.address] += 1
        return None

    @property
    def is_crowded(self) -> bool:
        """Whether newcomers without a place are to be turned away without a word."""
        return len(self._outside) > _FAREWELLS

    def leave(self, visitor: Visitor) -> None:
        self.move(visitor, None)
        self.room.leave(visitor)
        self.reads_on(visitor)
        self._outside.discard(visitor)
        if visitor in self._inside:
            self._inside.discard(visitor)
            self._of_address[visitor.address] -= 1
            if not self._of_address[visitor.address]:
                del self._of_address[visitor.address]

    def make_room(self) -> bool:
        """Whether somebody who asks nothing gave up a place. Only who reads its last answer has a
        moment: a head comes with its connection, and of the idle the oldest has had the longest."""
        now = asyncio.get_running_loop().time()
        for queue, grace in ((self.heads, 0.0), (self.leaving, GRACE), (self.idle, 0.0)):
            oldest = next((one for one in queue if not one.is_held_up), None)
            if oldest is not None and oldest.since + grace <= now:
                self.ledger.note(refusal.MANY_CONNECTIONS)
                self.leave(oldest)
                oldest.abort()
                return True
        return False

    def move(self, visitor: Visitor, queue: Queue | None) -> None:
        if visitor.queue is not None:
            del visitor.queue[visitor]
        visitor.queue = queue
        if queue is not None:
            visitor.since = asyncio.get_running_loop().time()
            queue[visitor] = None
            if queue is not self.idle:
                self._look_soon()
            elif self._look_at_idle is None:
                self._call_time(visitor)

    def stops_reading(self, visitor: Visitor, unread: int) -> None:
        """So many bytes wait for it."""
        self.reads_on(visitor)
        self._not_reading[visitor] = _Unread(asyncio.get_running_loop().time(), unread)
        self._unread += unread
        while self._unread > self.limits.unread_bytes and self._drop_reader():
            pass
        self._look_soon()

    def reads_on(self, visitor: Visitor) -> None:
        if unread := self._not_reading.pop(visitor, None):
            self._unread -= unread.amount

    def _drop_reader(self) -> bool:
        visitor, unread = next(iter(self._not_reading.items()))
        if unread.since + GRACE > asyncio.get_running_loop().time():
            return False
        self.ledger.note(refusal.UNREAD)
        self.leave(visitor)
        visitor.abort()
        return True

    def _look_soon(self) -> None:
        if self._look is None:
            loop = asyncio.get_running_loop()
            self._look = loop.call_later(self.limits.look_seconds, self._look_around)

    def _look_around(self) -> None:
        self._look = None
        now, limits = asyncio.get_running_loop().time(), self.limits
        for visitor in list(self.heads):
            if visitor.is_held_up:
                visitor.since = now
            elif now > visitor.since + limits.head_seconds:
                visitor.refuse(refusal.slow_head(limits.head_seconds))
        for visitor in list(self.bodies):
            if visitor.is_held_up:
                visitor.since += limits.look_seconds
                visitor.last = now
                continue
            patience = limits.body_seconds + visitor.body_received / limits.body_rate
            if now > visitor.since + patience:
                visitor.refuse(refusal.slow_body(limits.body_rate))
            elif now > visitor.since + limits.look_seconds:
                came = visitor.body_received - visitor.body_looked_at
                visitor.dawdles = came < limits.body_rate * limits.look_seconds
            visitor.body_looked_at = visitor.body_received
        self._part(now)
        if self.heads or self.bodies or self.leaving or self._not_reading:
            self._look_soon()

    def _call_time(self, oldest: Visitor) -> None:
        """When the oldest of the idle has been so for long: one timer for all of them, since most
        ask something long before."""
        self._look_at_idle = asyncio.get_running_loop().call_at(
            oldest.since + self.limits.keep_alive_seconds, self._end_idle
        )

    def _end_idle(self) -> None:
        self._look_at_idle, now = None, asyncio.get_running_loop().time()
        for visitor in list(self.idle):
            if visitor.since + self.limits.keep_alive_seconds > now:
                self._call_time(visitor)
                break
            visitor.end()

    def _part(self, now: float) -> None:
        """With those who do not take their answers."""
        for visitor in list(self.leaving):
            patience = self.limits.answer_seconds if visitor.has_unsent else _FAREWELL_SECONDS
            if now > visitor.last + patience or now > visitor.since + self.limits.answer_seconds:
                visitor.abort()
        for visitor, unread in list(self._not_reading.items()):
            if now > unread.since + self.limits.answer_seconds:
                self.ledger.note(refusal.SLOW_READER)
                visitor.abort()
