"""A lane takes so many tasks and no more, for little counting."""

import asyncio
from dataclasses import dataclass

import pytest

from short_drama.domain.errors import QueueFull, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.orchestrator.queue_limit import QueueLimit
from short_drama.ports import QueueDepth, TaskFilter
from tests.protocol.memory import MemoryQueue, MemoryStore
from tests.samples import a_task


@dataclass
class Queue:
    """One that only counts."""

    waiting: int = 0
    in_flight: int = 0
    counted: int = 0
    trouble: Exception | None = None

    async def depth(self) -> QueueDepth:
        self.counted += 1
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        return QueueDepth(self.waiting, self.in_flight)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def let_in(limit: QueueLimit, asked: int) -> int:
    answers = await asyncio.gather(
        *(limit.require_place(Lane.GPU) for _ in range(asked)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} <= {type(None), QueueFull}
    return answers.count(None)


async def test_so_many_are_let_in_at_once_and_no_more() -> None:
    queue = Queue(waiting=3, in_flight=2)
    limit = QueueLimit({Lane.GPU: queue}, most=25, clock=Clock())  # type: ignore[dict-item]
    assert await let_in(limit, 100) == 20
    assert queue.counted == 1


async def test_there_is_place_again_once_some_are_done() -> None:
    queue, clock = Queue(waiting=5), Clock()
    limit = QueueLimit({Lane.GPU: queue}, most=5, clock=clock)  # type: ignore[dict-item]
    assert await let_in(limit, 3) == 0
    queue.waiting, clock.now = 4, 3.0
    assert await let_in(limit, 3) == 1


async def test_a_refusal_says_when_to_come_again() -> None:
    limit = QueueLimit({Lane.GPU: MemoryQueue(lambda: 0.0)}, most=0)
    with pytest.raises(QueueFull) as refused:
        await limit.require_place(Lane.GPU)
    assert refused.value.after
    assert "SHORT_DRAMA_MAX_PENDING_TASKS" in str(refused.value.fix)


@pytest.mark.parametrize("trouble", [Unavailable("away"), TimeoutError()])
async def test_a_queue_that_cannot_be_counted_refuses_nobody(trouble: Exception) -> None:
    queue = Queue(waiting=100, trouble=trouble)
    limit = QueueLimit({Lane.GPU: queue}, most=5, clock=Clock())  # type: ignore[dict-item]
    assert await let_in(limit, 3) == 3


async def test_each_owner_has_so_many_and_no_more() -> None:
    store, clock = MemoryStore(lambda: 0.0), Clock()
    for number in range(3):
        await store.create(a_task(f"a{number}", owner="a"))
    queues = {Lane.GPU: MemoryQueue(lambda: 0.0)}
    limit = QueueLimit(queues, most=100, most_each=4, store=store, clock=clock)
    await limit.require_place(Lane.GPU, "a")
    with pytest.raises(QueueFull) as refused:
        await limit.require_place(Lane.GPU, "a")
    assert "SHORT_DRAMA_OWNER_PENDING_TASKS" in str(refused.value.fix)
    for _ in range(4):
        await limit.require_place(Lane.GPU, "b")
    await store.replace(
        (await store.list(TaskFilter(), cursor=None, limit=1)).tasks[0].cancel(now=1)
    )
    clock.now = 3.0
    await limit.require_place(Lane.GPU, "a")  # only two are left
