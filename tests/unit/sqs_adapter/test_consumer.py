"""When a consumer asks for messages, and when it leaves them where they are; in virtual time."""

import asyncio
from typing import Any, cast

import pytest

from short_drama.domain.errors import Unavailable
from short_drama.ports import Delivery, TaskQueue, TaskStore
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.handler import Limits
from short_drama.sqs_adapter.job_client import JobClient
from tests.protocol.memory import an_open_gate
from tests.protocol.virtual_time import run

HOUR = 3600.0


class Lane:
    """In place of a queue without messages, of its service, and of the table."""

    def __init__(self) -> None:
        self.refused, self.ready_now, self.table_away = False, True, False
        self.receives: list[float] = []
        self.looks = 0

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        self.receives.append(asyncio.get_running_loop().time())
        if self.refused:
            raise Unavailable("there is no queue")
        await asyncio.sleep(wait)
        return None

    async def ready(self) -> bool:
        self.looks += 1
        return self.ready_now

    async def check(self) -> None:
        if self.table_away:
            raise Unavailable("there is no table")

    async def consumed(self, *steps: Any) -> None:
        """Each step is a change, or seconds to wait."""
        consumer = Consumer(
            "alice",
            Limits(wait=20.0),
            queue=cast("TaskQueue", self),
            store=cast("TaskStore", None),
            jobs=cast("JobClient", self),
            gate=an_open_gate(),
            check=self.check,
        )
        running = asyncio.create_task(consumer.run())
        for step in steps:
            if isinstance(step, dict):
                vars(self).update(step)
                self.receives.clear()
                self.looks = 0
            else:
                await asyncio.sleep(step)
        consumer.stop()
        await running


@pytest.fixture
def lane() -> Lane:
    return Lane()


def test_a_queue_that_refuses_is_asked_ever_more_rarely(lane: Lane) -> None:
    run(lane.consumed({"refused": True}, HOUR))
    assert 300 < len(lane.receives) < 370
    gaps = [later - sooner for sooner, later in zip(lane.receives, lane.receives[1:], strict=False)]
    assert (gaps[0], max(gaps)) == (1.0, 10.0)


def test_it_is_asked_within_seconds_of_the_cure(lane: Lane) -> None:
    run(lane.consumed({"refused": True}, HOUR, {"refused": False}, 10.1))
    assert lane.receives


def test_after_that_a_new_refusal_begins_anew(lane: Lane) -> None:
    run(lane.consumed({"refused": True}, HOUR, {"refused": False}, 60.0, {"refused": True}, 25.0))
    assert lane.receives[1] - lane.receives[0] == 1.0


def test_nothing_is_received_while_the_service_cannot_store(lane: Lane) -> None:
    """It was ready at first: it is asked again without any message that told so."""
    run(lane.consumed(60.0, {"ready_now": False}, 25.0, {"ready_now": False}, HOUR))
    assert lane.receives == []


def test_nothing_is_received_while_the_table_is_away(lane: Lane) -> None:
    run(lane.consumed(60.0, {"table_away": True}, 25.0, {"table_away": True}, HOUR))
    assert lane.receives == []
    run(lane.consumed({"table_away": False}, 1.0))
    assert lane.receives


def test_a_service_is_not_asked_before_each_message(lane: Lane) -> None:
    async def quick(*, wait: float, lease: float) -> Delivery | None:
        await asyncio.sleep(0.01)
        return None

    lane.receive = quick  # type: ignore[method-assign]
    run(lane.consumed({"ready_now": True}, 20.0))
    assert 8 <= lane.looks <= 12
