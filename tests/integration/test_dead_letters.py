"""Dead letters and lost messages, on the embedded backend."""

import asyncio
import json
import time

import pytest

from short_drama.domain.attempts import MAX_DEAD_LETTERS
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import QueueDepth
from tests.integration.adapter_line import (
    GPU,
    WorkedLine,
)

# --- Dead letters and the sweeper ---------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["not ours", "{}", json.dumps({"task_id": "gone", "task_type": "k", "api_path": "/p"})],
)
async def test_a_message_that_names_no_task_ends_as_a_dead_letter_and_stays(
    line: WorkedLine, body: str
) -> None:
    await line.queue.send(body)
    await line.consumer()
    await line.idle()
    await line.sweeper.bury()
    depth = await line.dead_letters.depth()
    assert (depth.waiting, depth.in_flight) == (1, 0)
    await line.task()
    assert (await line.ended()).status is TaskStatus.COMPLETED


async def bury(line: WorkedLine, task: Task) -> QueueDepth:
    """Let the task's message be received too often; what the sweeper leaves of the letter."""
    delivery = await line.queue.receive(wait=1, lease=60)
    assert delivery is not None
    await line.queue.ack(delivery)
    await line.dead_letters.send(delivery.body)
    await line.sweeper.bury()
    return await line.dead_letters.depth()


async def test_a_task_whose_message_was_received_too_often_is_sent_anew(line: WorkedLine) -> None:
    depth = await bury(line, await line.task())
    assert (depth.waiting, depth.in_flight) == (0, 0)
    task = await line.store.get("t1")
    assert task is not None
    assert (task.status, task.dead_letters) == (TaskStatus.PENDING, 1)
    await line.consumer()
    assert (await line.ended()).status is TaskStatus.COMPLETED
    await line.idle()


async def test_a_task_whose_message_keeps_dying_fails_and_its_letter_is_kept(
    line: WorkedLine,
) -> None:
    task = await line.task()
    for _ in range(MAX_DEAD_LETTERS):
        await bury(line, task)
    depth = await bury(line, task)
    ended = await line.ended()
    assert ended.failure is not None
    assert ended.failure.code == "dead_letter"
    assert (depth.waiting, depth.in_flight) == (1, 0)
    await line.sweeper.bury()
    assert (await line.dead_letters.depth()).waiting == 1


async def test_a_dead_letter_of_a_task_somebody_works_on_is_left(line: WorkedLine) -> None:
    task = await line.task()
    claimed = await line.store.replace(task.claim("alice", now=time.time(), lease=60))
    depth = await bury(line, claimed)
    assert await line.store.get("t1") == claimed
    assert depth.waiting == 1


async def test_a_dead_letter_of_an_ended_task_is_dropped(line: WorkedLine) -> None:
    task = await line.task()
    ended = await line.store.replace(task.cancel(now=time.time()))
    depth = await bury(line, ended)
    assert await line.store.get("t1") == ended
    assert (depth.waiting, depth.in_flight) == (0, 0)


async def test_sweepers_at_once_settle_a_letter_once(line: WorkedLine) -> None:
    await line.task()
    await lose_message(line, bury=True)
    await asyncio.gather(*(line.sweeper.bury() for _ in range(5)))
    assert (await line.queue.depth()).waiting == 1
    assert (await line.dead_letters.depth()).waiting == 0


async def lose_message(line: WorkedLine, *, bury: bool = False) -> None:
    delivery = await line.queue.receive(wait=1, lease=60)
    assert delivery is not None
    await line.queue.ack(delivery)
    if bury:
        await line.dead_letters.send(delivery.body)


async def test_a_message_that_was_never_sent_is_sent_once_by_many_sweepers(
    line: WorkedLine,
) -> None:
    task = await line.task()
    await lose_message(line)
    await line.store.replace(task.sending(now=time.time() - 60))
    await asyncio.gather(*(line.sweeper.sweep() for _ in range(5)))
    assert (await line.queue.depth()).waiting == 1
    await line.consumer()
    assert (await line.ended()).status is TaskStatus.COMPLETED


async def test_a_message_the_queue_has_lost_is_sent_again(line: WorkedLine) -> None:
    task = await line.task()
    await lose_message(line)
    long_ago = time.time() - 3 * GPU.visibility_seconds
    await line.store.replace(task.sending(now=long_ago).sent(now=long_ago))
    await line.sweeper.sweep()
    await line.sweeper.sweep()
    assert (await line.queue.depth()).waiting == 1


async def test_a_dead_workers_lost_message_is_sent_again(line: WorkedLine) -> None:
    task = await line.task()
    await lose_message(line)
    await line.store.replace(task.claim("dead", now=time.time() - 100, lease=60))
    await line.sweeper.sweep()
    await line.sweeper.sweep()
    assert (await line.queue.depth()).waiting == 1
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
