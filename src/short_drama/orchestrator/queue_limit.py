"""How many tasks may be under way in a lane: beyond that a submit is refused, and not queued."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from short_drama.domain.errors import QueueFull, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.ports import TaskQueue

_BELIEVED_SECONDS = 2.0
"""For how long a count is believed; what was let in here meanwhile is added to it."""
_PATIENCE_SECONDS = 0.5
"""With a queue that does not answer: the submit finds out by itself."""
_AGAIN_SECONDS = 60.0
"""When whoever was refused may ask again."""


@dataclass(slots=True)
class _Count:
    queue: TaskQueue
    tasks: int = 0
    at: float = float("-inf")
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)


class QueueLimit:
    """Args:
    most: tasks of a lane that wait or run. Several orchestrators count apart, and AWS counts
        about: a few more may be let in.
    """

    def __init__(
        self,
        queues: Mapping[Lane, TaskQueue],
        *,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._clock = most, clock
        self._counts = {lane: _Count(queue) for lane, queue in queues.items()}

    async def require_place(self, lane: Lane) -> None:
        """One more comes. Raises QueueFull."""
        count = self._counts[lane]
        async with count.counting:
            if self._clock() - count.at > _BELIEVED_SECONDS:
                await self._count(count)
        if count.tasks >= self._most:
            raise QueueFull(
                f"{count.tasks} tasks of the {lane.upper()} lane are under way; at most "
                f"{self._most} are taken",
                fix="Ask again when some are done, or raise SHORT_DRAMA_MAX_PENDING_TASKS.",
                after=_AGAIN_SECONDS,
            )
        count.tasks += 1

    async def _count(self, count: _Count) -> None:
        count.at = self._clock()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                depth = await count.queue.depth()
        except (Unavailable, TimeoutError):
            return
        count.tasks = depth.waiting + depth.in_flight
