"""What may go wrong, one schedule each: exact, and in milliseconds whatever time they span.

The modules beside this one hold the schedules, by theme; `catalogue` has them all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from short_drama.domain.task_state import TaskStatus
from tests.protocol.processes import Trouble
from tests.protocol.world import LEASE, World

Schedule = Callable[[], Awaitable[None]]
SCHEDULES: dict[str, Schedule] = {}

RECOVERY = LEASE + 5.0
PROMPTLY = 10.0
"""Seconds."""
COMPLETED, FAILED = TaskStatus.COMPLETED, TaskStatus.FAILED


def schedule(function: Schedule) -> Schedule:
    SCHEDULES[function.__name__] = function
    return function


def once(call: str, trouble: Trouble) -> Callable[[str], Trouble]:
    """The first such call has the trouble, no other has."""
    left = [call]

    def decide(name: str) -> Trouble:
        if name in left:
            left.remove(name)
            return trouble
        return None

    return decide


def sometimes(rng: Random, share: float) -> Callable[[str], Trouble]:
    def decide(_: str) -> Trouble:
        if rng.random() >= share:
            return None
        return "before" if rng.random() < 0.5 else "after"

    return decide


async def completed_once(w: World, task_id: str, *, seconds: float = 600.0) -> None:
    task = await w.ended(task_id, seconds=seconds)
    assert task.status is COMPLETED, task.failure
    assert (task.attempt, w.runs(task_id)) == (1, 1)


async def drained(w: World) -> None:
    """Until no message is left."""
    for _ in range(3000):
        if not w.queue.messages:
            return
        await asyncio.sleep(1.0)
    raise AssertionError(f"{len(w.queue.messages)} messages are left")


async def drained_promptly(w: World) -> None:
    """Messages of ended tasks are forgotten, not left to die of old age."""
    await asyncio.sleep(PROMPTLY)
    assert (w.queue.messages, w.letters.messages) == ([], [])
