"""The promises of `ports.TaskQueue`, on every backend."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from short_drama.ports import Delivery, TaskQueue
from tests.contract.conftest import MAX_RECEIVES, Queues
from tests.patience import within

LONG = 60.0
WAIT = 5.0
"""Longer than anything here should take."""


async def take(queue: TaskQueue, *, lease: float = LONG, wait: float = WAIT) -> Delivery:
    delivery = await queue.receive(wait=wait, lease=lease)
    assert delivery is not None
    return delivery


async def nothing(queue: TaskQueue) -> bool:
    return await queue.receive(wait=0, lease=LONG) is None


# --- Send and receive ---------------------------------------------------------------------


async def test_an_empty_queue_answers_none_after_the_wait(queue: TaskQueue, tick: float) -> None:
    started = time.monotonic()
    assert await queue.receive(wait=tick, lease=LONG) is None
    assert time.monotonic() - started >= tick * 0.9


async def test_without_a_wait_an_empty_queue_answers_at_once(
    queue: TaskQueue, prompt: float
) -> None:
    with within(prompt):
        assert await queue.receive(wait=0, lease=LONG) is None


@pytest.mark.parametrize("body", ["t1", "", " 猫\n\t'\"\\", "\0\x1b\ufffe", "x" * 100_000])
async def test_a_body_arrives_as_it_was_sent(queue: TaskQueue, body: str) -> None:
    await queue.send(body)
    assert (await take(queue)).body == body


async def test_a_message_is_delivered_once_while_leased(queue: TaskQueue) -> None:
    await queue.send("t1")
    assert (await take(queue)).receives == 1
    assert await nothing(queue)


async def test_an_expired_lease_redelivers_and_counts(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    first = await take(queue, lease=tick)
    again = await take(queue)
    assert (again.body, again.receives) == ("t1", 2)
    assert again.receipt != first.receipt


async def test_a_delayed_message_is_hidden_until_its_time(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1", delay=2 * tick)
    assert await nothing(queue)
    started = time.monotonic()
    assert (await take(queue)).receives == 1
    assert time.monotonic() - started >= tick


async def test_queues_do_not_share_messages(queues: Queues) -> None:
    await queues.queue.send("gpu")
    assert await nothing(queues.other)
    await queues.other.send("cpu")
    assert (await take(queues.other)).body == "cpu"
    assert (await take(queues.queue)).body == "gpu"


async def test_no_two_receivers_get_the_same_message(queue: TaskQueue) -> None:
    await asyncio.gather(*(queue.send(str(number)) for number in range(60)))
    received: list[str] = []

    async def receive_all() -> None:
        while (delivery := await queue.receive(wait=0, lease=LONG)) is not None:
            received.append(delivery.body)
            await queue.ack(delivery)

    await asyncio.gather(*(receive_all() for _ in range(6)))
    assert Counter(received) == Counter(str(number) for number in range(60))


async def test_one_message_wakes_many_but_is_given_to_one(queue: TaskQueue, tick: float) -> None:
    waiting = [asyncio.create_task(queue.receive(wait=4 * tick, lease=LONG)) for _ in range(4)]
    await asyncio.sleep(tick)
    await queue.send("t1")
    received = [delivery for task in waiting if (delivery := await task) is not None]
    assert [delivery.body for delivery in received] == ["t1"]


async def test_a_group_is_no_part_of_the_body(queue: TaskQueue) -> None:
    await queue.send("t1", group="a-studio")
    await queue.send("t2")
    taken = [await take(queue) for _ in range(2)]
    assert {delivery.body for delivery in taken} == {"t1", "t2"}
    for delivery in taken:
        await queue.ack(delivery)
    assert await nothing(queue)


# --- Long polls wake ----------------------------------------------------------------------

Wake = Callable[[TaskQueue, float], Awaitable[None]]


async def by_sending(queue: TaskQueue, _: float) -> None:
    await queue.send("t1")


async def by_delay_expiry(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1", delay=tick)


async def by_releasing(queue: TaskQueue, _: float) -> None:
    await queue.send("t1")
    await queue.release(await take(queue), delay=0)


async def by_delayed_release(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    await queue.release(await take(queue), delay=tick)


async def by_lease_expiry(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    await take(queue, lease=tick)


@pytest.mark.parametrize("wake", [by_delay_expiry, by_delayed_release, by_lease_expiry])
async def test_a_long_poll_returns_promptly_when_time_shows_a_message(
    queue: TaskQueue, tick: float, prompt: float, wake: Wake
) -> None:
    await wake(queue, tick)
    with within(tick + prompt):
        assert (await take(queue)).body == "t1"


@pytest.mark.parametrize("wake", [by_sending, by_delay_expiry])
async def test_a_long_poll_that_waits_already_returns_promptly(
    queue: TaskQueue, tick: float, prompt: float, wake: Wake
) -> None:
    waiting = asyncio.create_task(take(queue))
    await asyncio.sleep(tick)
    await wake(queue, tick)
    with within(tick + prompt):
        assert (await waiting).body == "t1"


async def test_a_long_poll_that_waits_already_sees_a_release(
    queue: TaskQueue, tick: float, prompt: float
) -> None:
    await queue.send("t1")
    held = await take(queue)
    waiting = asyncio.create_task(take(queue))
    await asyncio.sleep(tick)
    with within(prompt):
        await queue.release(held, delay=0)
        assert (await waiting).receives == 2


# --- Extend, ack, release -----------------------------------------------------------------


async def test_extending_keeps_the_message(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    delivery = await take(queue, lease=3 * tick)
    for _ in range(3):
        await asyncio.sleep(1.5 * tick)
        await queue.extend(delivery, lease=3 * tick)
    assert await nothing(queue)
    assert (await take(queue)).receives == 2


async def test_extending_counts_from_now(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    await queue.extend(await take(queue), lease=tick)
    with within(WAIT / 2):
        assert (await take(queue)).receives == 2


async def test_an_acknowledged_message_is_forgotten(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    delivery = await take(queue, lease=tick)
    await queue.ack(delivery)
    await asyncio.sleep(1.5 * tick)
    assert await nothing(queue)


async def test_ack_may_be_repeated(queue: TaskQueue) -> None:
    await queue.send("t1")
    delivery = await take(queue)
    await queue.ack(delivery)
    await queue.ack(delivery)
    await queue.release(delivery, delay=0)
    assert await nothing(queue)


async def test_ack_forgets_that_message_only(queue: TaskQueue) -> None:
    for body in ("t1", "t2", "t3"):
        await queue.send(body)
    acknowledged = await take(queue)
    await queue.ack(acknowledged)
    left = {(await take(queue)).body, (await take(queue)).body}
    assert left == {"t1", "t2", "t3"} - {acknowledged.body}


async def test_a_released_message_comes_back_at_once_and_counts(
    queue: TaskQueue, prompt: float
) -> None:
    await queue.send("t1")
    await queue.release(await take(queue), delay=0)
    with within(prompt):
        assert (await take(queue)).receives == 2


async def test_a_message_released_with_a_delay_stays_away_for_it(
    queue: TaskQueue, tick: float
) -> None:
    await queue.send("t1")
    await queue.release(await take(queue), delay=2 * tick)
    assert await nothing(queue)
    started = time.monotonic()
    await take(queue)
    assert time.monotonic() - started >= tick


async def test_a_stale_receipt_forgets_nothing(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    stale = await take(queue, lease=tick)
    held = await take(queue, lease=2 * tick)
    await queue.ack(stale)
    assert (await take(queue)).receives == 3
    assert held.receives == 2


async def test_a_stale_receipt_gives_nothing_back(queue: TaskQueue, tick: float) -> None:
    await queue.send("t1")
    stale = await take(queue, lease=tick)
    held = await take(queue)
    await queue.release(stale, delay=0)
    assert await nothing(queue)
    await queue.ack(held)
    assert await nothing(queue)


# --- Dead letters -------------------------------------------------------------------------


async def test_a_message_received_too_often_is_a_dead_letter(
    queue: TaskQueue, dead_letters: TaskQueue
) -> None:
    await queue.send("poison")
    for number in range(MAX_RECEIVES):
        delivery = await take(queue)
        assert delivery.receives == number + 1
        assert await nothing(dead_letters)
        await queue.release(delivery, delay=0)
    assert await nothing(queue)
    assert (await take(dead_letters)).body == "poison"


async def test_a_dead_letter_does_not_hide_what_is_behind_it(
    queue: TaskQueue, dead_letters: TaskQueue
) -> None:
    await queue.send("poison")
    for _ in range(MAX_RECEIVES):
        await queue.release(await take(queue), delay=0)
    await queue.send("good")
    assert (await take(queue, wait=0)).body == "good"
    assert (await take(dead_letters)).body == "poison"


async def test_the_last_receive_may_still_be_acknowledged(
    queue: TaskQueue, dead_letters: TaskQueue
) -> None:
    await queue.send("late")
    for _ in range(MAX_RECEIVES - 1):
        await queue.release(await take(queue), delay=0)
    await queue.ack(await take(queue))
    assert await nothing(queue)
    assert await nothing(dead_letters)


async def test_a_dead_letter_queue_has_no_limit(dead_letters: TaskQueue) -> None:
    await dead_letters.send("letter")
    for _ in range(MAX_RECEIVES + 2):
        await dead_letters.release(await take(dead_letters), delay=0)
    assert (await take(dead_letters)).body == "letter"


# --- Depth --------------------------------------------------------------------------------


async def test_depth_tells_waiting_from_in_flight(queue: TaskQueue) -> None:
    empty = await queue.depth()
    assert (empty.waiting, empty.in_flight) == (0, 0)
    for body in ("t1", "t2", "t3"):
        await queue.send(body)
    held = await take(queue)
    depth = await queue.depth()
    assert (depth.waiting, depth.in_flight) == (2, 1)
    await queue.ack(held)
    assert (await queue.depth()).in_flight == 0
