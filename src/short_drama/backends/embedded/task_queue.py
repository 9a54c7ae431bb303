"""A queue as rows of the `messages` table, with the promises of SQS."""

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Collection
from typing import TypeVar

from short_drama.backends.believed import Believed
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.fairness import next_message, note_served
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.attempts import MAX_RECEIVES
from short_drama.ports import Delivery, QueueDepth
from short_drama.random_ids import random_uuid

_COUNTS = "SELECT count(*) FILTER (WHERE visible_at <= ?), count(*) FROM messages WHERE queue = ?"
_MANY, _BELIEVED_SECONDS = 10_000, 1.0
"""Of so many messages the count is believed for a while; of fewer it is exact, and takes less than
a millisecond."""
_GATHER_SECONDS = 0.05
"""For whoever leaves some owners alone most news is of those: it looks once for all that comes in
so long. Whose turn it brings waits for an engine anyway."""

Taken = TypeVar("Taken")


def enqueue(
    db: sqlite3.Connection, queue: str, body: str, *, group: str, now: float, visible: float
) -> None:
    """Part of whichever transaction is open: this is how a task and its message are one write."""
    db.execute(
        "INSERT INTO messages (queue, body, owner, sent_at, visible_at) VALUES (?, ?, ?, ?, ?)",
        (queue, body, group, now, visible),
    )


class EmbeddedTaskQueue:
    """Implements `ports.TaskQueue`, fair among groups as `fairness` says.

    Args:
        most_each: messages of one group that may be held at a time; None for no limit.
    """

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        name: str,
        *,
        dead_letter: str | None = None,
        max_receives: int = MAX_RECEIVES,
        most_each: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._most_each = most_each
        self._database, self._wakeups, self._name = database, wakeups, name
        self._dead_letter, self._max_receives, self._clock = dead_letter, max_receives, clock
        self._depth = Believed(self._count, seconds=_believed, clock=time.monotonic)

    async def send(self, body: str, *, group: str = "", delay: float = 0.0) -> None:
        now = self._clock()
        await self._database.write(
            lambda db: enqueue(db, self._name, body, group=group, now=now, visible=now + delay),
            then=self._notify,
        )

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        return await self._first(lambda db: self._take(db, lease), wait)

    async def _first(
        self,
        take: Callable[[sqlite3.Connection], Taken | None],
        wait: float,
        *,
        but: Collection[str] = (),
        then: Callable[[Taken | None], None] | None = None,
    ) -> Taken | None:
        """What `take` takes, now or as soon as a message may be taken within `wait` seconds.
        `but`: whose `take` leaves alone."""
        until = time.monotonic() + wait  # whatever becomes of the clock that messages go by
        with self._wakeups.listen(self._name) as bell:
            while True:
                # An idle queue is looked at by a reader: no transaction, no fsync.
                visible_at = self._database.look(lambda db: self._next_visible(db, but))
                if visible_at <= self._clock():
                    taken = await self._database.write(take, then=then)
                    if taken is not None:
                        return taken
                left = until - time.monotonic()
                if left <= 0:
                    return None
                await bell.wait(max(min(left, visible_at - self._clock()), 0.0))
                if but:
                    await asyncio.sleep(min(left, _GATHER_SECONDS))

    async def extend(self, delivery: Delivery, *, lease: float) -> None:
        await self._set_visible(delivery, lease)

    async def ack(self, delivery: Delivery) -> None:
        await self._database.write(
            lambda db: (
                db.execute("DELETE FROM messages WHERE receipt = ?", (delivery.receipt,)) and None
            ),
            then=None if self._most_each is None else self._notify,  # another of its group may go
        )

    async def release(self, delivery: Delivery, *, delay: float) -> None:
        await self._set_visible(delivery, delay, is_held=False)

    async def depth(self) -> QueueDepth:
        return await self._depth.get(self._name)

    async def _count(self, name: str) -> QueueDepth:
        now = self._clock()

        def count(db: sqlite3.Connection) -> QueueDepth:
            # In one statement: between two, a message may move from one count to the other.
            waiting, all_of_them = db.execute(_COUNTS, (now, name)).fetchone()
            return QueueDepth(waiting, all_of_them - waiting)

        return await self._database.read(count)

    # --- Statements ------------------------------------------------------------------------

    def _next_visible(self, db: sqlite3.Connection, but: Collection[str]) -> float:
        """When there may be something to take: a time that may have passed, or never."""
        since, now = -math.inf, self._clock()
        if but or self._most_each is not None:  # not all that is visible may be taken
            if next_message(db, self._name, now=now, most=self._most_each, but=but) is not None:
                return now
            since = now
        (at,) = db.execute(
            "SELECT min(visible_at) FROM messages WHERE queue = ? AND visible_at > ?",
            (self._name, since),
        ).fetchone()
        return math.inf if at is None else float(at)

    def _take(
        self, db: sqlite3.Connection, lease: float, but: Collection[str] = ()
    ) -> Delivery | None:
        now = self._clock()
        while True:
            row = next_message(db, self._name, now=now, most=self._most_each, but=but)
            if row is None:
                return None
            if self._dead_letter is None or row["receives"] < self._max_receives:
                note_served(db, self._name, row["owner"])
                return self._lease(db, row, now + lease)
            self._bury(db, row["id"], now)

    def _lease(self, db: sqlite3.Connection, row: sqlite3.Row, until: float) -> Delivery:
        receipt = random_uuid().hex
        db.execute(
            "UPDATE messages SET receives = receives + 1, visible_at = ?, receipt = ?,"
            " is_held = 1 WHERE id = ?",
            (until, receipt, row["id"]),
        )
        return Delivery(row["body"], receipt, row["receives"] + 1)

    def _bury(self, db: sqlite3.Connection, message: int, now: float) -> None:
        """Move what was received too often to the dead-letter queue."""
        db.execute(
            "UPDATE messages SET queue = ?, receives = 0, receipt = NULL, is_held = 0,"
            " visible_at = ? WHERE id = ?",
            (self._dead_letter, now, message),
        )

    async def _set_visible(
        self, delivery: Delivery, seconds: float, *, is_held: bool = True
    ) -> None:
        """A receipt is replaced at the next receive, so a stale one matches no row."""
        at = self._clock() + seconds
        await self._database.write(
            lambda db: (
                db.execute(
                    "UPDATE messages SET visible_at = ?, is_held = ? WHERE receipt = ?",
                    (at, is_held, delivery.receipt),
                )
                and None
            ),
            then=self._notify,
        )

    def _notify(self, _: object) -> None:
        self._wakeups.notify(self._name)


def _believed(depth: QueueDepth) -> float:
    return _BELIEVED_SECONDS if depth.waiting + depth.in_flight > _MANY else 0.0
