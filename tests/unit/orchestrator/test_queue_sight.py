"""The queues' gauges: what is seen, and nothing of what cannot be."""

import asyncio
from collections.abc import Mapping

import pytest

from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.orchestrator.dead_letters import LaneQueues
from short_drama.orchestrator.queue_sight import QueueSight
from short_drama.ports import QueueDepth
from tests.figures import figure
from tests.protocol.memory import MemoryQueue, MemoryStore
from tests.samples import a_task

NOW = 1000.0
GAUGES = ("queue_waiting", "queue_in_flight", "queue_oldest_seconds")


class AwayQueue(MemoryQueue):
    reason: Exception | None = None
    hangs = False

    async def depth(self) -> QueueDepth:
        if self.hangs:
            await asyncio.sleep(60)
        if self.reason is not None:
            raise self.reason
        return await super().depth()


def queue() -> AwayQueue:
    return AwayQueue(lambda: NOW)


def told(lane: Lane) -> Mapping[str, float | None]:
    found = {name: figure(name, queue=lane.queue) for name in GAUGES}
    return {**found, "dead_letters": figure("dead_letters", queue=lane.dead_letter_queue)}


async def test_both_lanes_are_told() -> None:
    store = MemoryStore(lambda: NOW)
    lanes = {lane: LaneQueues(queue=queue(), dead_letters=queue()) for lane in Lane}
    await store.create(a_task(created_at=NOW - 70))
    for _ in range(2):
        await lanes[Lane.GPU].queue.send("x")
    await lanes[Lane.GPU].queue.receive(wait=0, lease=60)
    await lanes[Lane.CPU].dead_letters.send("x")
    await QueueSight(store, lanes, clock=lambda: NOW).look()
    assert told(Lane.GPU) == {
        "queue_waiting": 1, "queue_in_flight": 1, "queue_oldest_seconds": 70, "dead_letters": 0,
    }  # fmt: skip
    assert told(Lane.CPU) == {
        "queue_waiting": 0, "queue_in_flight": 0, "queue_oldest_seconds": 0, "dead_letters": 1,
    }  # fmt: skip


@pytest.mark.parametrize("reason", [Unavailable("AWS does not answer"), RuntimeError("a bug")])
async def test_a_queue_that_does_not_answer_is_told_no_more(reason: Exception) -> None:
    main, letters = queue(), queue()
    lines = {Lane.GPU: LaneQueues(queue=main, dead_letters=letters)}
    sight = QueueSight(MemoryStore(lambda: NOW), lines, clock=lambda: NOW)
    await sight.look()
    assert None not in told(Lane.GPU).values()
    main.reason = reason
    await sight.look()
    assert told(Lane.GPU) == {
        "queue_waiting": None, "queue_in_flight": None, "queue_oldest_seconds": 0,
        "dead_letters": 0,
    }  # fmt: skip
    main.reason, letters.reason = None, reason
    await sight.look()
    assert told(Lane.GPU) == {
        "queue_waiting": 0, "queue_in_flight": 0, "queue_oldest_seconds": 0, "dead_letters": None,
    }  # fmt: skip


async def test_a_queue_that_hangs_is_told_no_more() -> None:
    main = queue()
    lines = {Lane.GPU: LaneQueues(queue=main, dead_letters=queue())}
    sight = QueueSight(MemoryStore(lambda: NOW), lines, clock=lambda: NOW)
    await sight.look()
    assert None not in told(Lane.GPU).values()
    main.hangs = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await sight.look()
    assert set(told(Lane.GPU).values()) == {None}
