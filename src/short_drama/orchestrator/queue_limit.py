"""How many tasks may be under way in a lane, of all and of one owner: beyond that a submit is
refused, and not queued."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from short_drama import metrics
from short_drama.domain.errors import QueueFull, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.ports import TaskQueue, TaskStore

_BELIEVED_SECONDS = 2.0
"""For how long a count is believed; what was let in here meanwhile is added to it."""
_PATIENCE_SECONDS = 0.5
"""With a queue that does not answer: the submit finds out by itself."""
_AGAIN_SECONDS = 60.0
"""When whoever was refused may ask again."""


@dataclass(slots=True)
class _Count:
    ask: Callable[[], Awaitable[int]]
    tasks: int = 0
    at: float = float("-inf")
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)


class QueueLimit:
    """Args:
    most: tasks of a lane that wait or run. Several orchestrators count apart, and AWS counts
        about: a few more may be let in.
    most_each: of one owner, as the store counts them; 0 for any number.
    """

    def __init__(
        self,
        queues: Mapping[Lane, TaskQueue],
        *,
        most: int,
        most_each: int = 0,
        store: TaskStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._most, self._most_each, self._clock = store, most, most_each, clock
        self._of_lanes = {lane: _Count(partial(_depth, queue)) for lane, queue in queues.items()}
        self._of_owners: dict[tuple[Lane, str], _Count] = {}

    async def require_place(self, lane: Lane, owner: str = "") -> None:
        """One more of the owner's comes. Raises QueueFull."""
        of_lane, own = self._of_lanes[lane], self._of_owner(lane, owner)
        for count in (of_lane, own):
            await self._bring_up_to_date(count)
        if of_lane.tasks >= self._most:
            raise QueueFull(
                f"{of_lane.tasks} tasks of the {lane.upper()} lane are under way; at most "
                f"{self._most} are taken",
                fix="Ask again when some are done, or raise SHORT_DRAMA_MAX_PENDING_TASKS.",
                after=_AGAIN_SECONDS,
            )
        if self._most_each and own.tasks >= self._most_each:
            metrics.LIMITS_HIT.labels("owner", "pending").inc()
            raise QueueFull(
                f"{own.tasks} of your tasks of the {lane.upper()} lane are under way; at most "
                f"{self._most_each} of one owner are taken",
                fix="Ask again when some are done, or raise SHORT_DRAMA_OWNER_PENDING_TASKS.",
                after=_AGAIN_SECONDS,
            )
        of_lane.tasks += 1
        own.tasks += 1

    def _of_owner(self, lane: Lane, owner: str) -> _Count:
        if self._store is None or not self._most_each:
            return _Count(_none)
        ask = partial(self._store.count_open, owner, lane, most=self._most_each)
        return self._of_owners.setdefault((lane, owner), _Count(ask))

    async def _bring_up_to_date(self, count: _Count) -> None:
        if not count.counting.locked() and self._is_believed(count):
            return
        async with count.counting:
            if not self._is_believed(count):
                count.at = self._clock()
                with contextlib.suppress(Unavailable, TimeoutError):
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        count.tasks = await count.ask()

    def _is_believed(self, count: _Count) -> bool:
        return self._clock() - count.at <= _BELIEVED_SECONDS


async def _none() -> int:
    return 0


async def _depth(queue: TaskQueue) -> int:
    depth = await queue.depth()
    return depth.waiting + depth.in_flight
