"""What the queues look like: for /metrics, all the time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from short_drama import metrics
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.orchestrator.dead_letters import LaneQueues
from short_drama.ports import TaskStore

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class QueueSight:
    """Looks at every lane, whichever this orchestrator takes tasks for: one of them may be away."""

    def __init__(
        self,
        store: TaskStore,
        lanes: Mapping[Lane, LaneQueues],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._lanes, self._clock = store, lanes, clock

    async def look(self) -> None:
        """What does not answer is not told, rather than told as it was."""
        await asyncio.gather(*(self._look_at(lane) for lane in self._lanes))

    async def _look_at(self, lane: Lane) -> None:
        line = self._lanes[lane]
        depth = letters = age = None
        try:
            depth, letters, age = await asyncio.gather(
                _known(line.queue.depth()),
                _known(line.dead_letters.depth()),
                _known(self._age(lane)),
            )
        finally:
            metrics.QUEUE_WAITING.tell(depth.waiting if depth else None, lane.queue)
            metrics.QUEUE_IN_FLIGHT.tell(depth.in_flight if depth else None, lane.queue)
            dead = letters.waiting + letters.in_flight if letters else None
            metrics.DEAD_LETTERS.tell(dead, lane.dead_letter_queue)
            metrics.QUEUE_OLDEST.tell(age, lane.queue)

    async def _age(self, lane: Lane) -> float:
        return waited(await self._store.oldest_pending(lane), self._clock())


def waited(oldest: float | None, now: float) -> float:
    """Seconds for which the oldest pending task has waited; 0 where none does."""
    return 0.0 if oldest is None else max(now - oldest, 0.0)


async def _known(answer: Awaitable[Answer]) -> Answer | None:
    """None while nobody says. Who needs it for more than a gauge tells of the outage."""
    try:
        return await answer
    except Unavailable:
        return None
    except Exception:
        log.exception("a look at the queues failed unexpectedly")
        return None
