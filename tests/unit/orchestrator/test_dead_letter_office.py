"""What an operator may settle, and how often a look is repeated."""

import contextlib
from typing import Any

import pytest

from short_drama.domain.message import TaskMessage
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.orchestrator.dead_letter_office import DeadLetterOffice, obstacle
from short_drama.orchestrator.dead_letters import LaneQueues, Letter
from short_drama.ports import Delivery, QueueDepth
from tests.samples import NOW, a_task


def letter(task: Task | None) -> Letter:
    return Letter(delivery=Delivery("body", "receipt", 1), names="t1", task=task)


HELD = a_task().claim("alice", now=NOW, lease=60)


@pytest.mark.parametrize(
    ("task", "status"),
    [
        (None, None),
        (a_task().cancel(now=NOW), None),
        (HELD.complete("alice", 1, Outcome(), now=NOW), None),
        (a_task(), "pending"),
        (HELD, "processing"),
    ],
)
def test_only_the_letters_of_open_tasks_are_not_an_operators(
    task: Task | None, status: str | None
) -> None:
    reason = obstacle(letter(task))
    assert (reason is None) == (status is None)
    assert status is None or (reason is not None and status in reason)


# --- Passes -------------------------------------------------------------------------------


class ForgetfulQueue:
    """Dead letters of which the first passes show only some, as SQS may."""

    def __init__(self, *shown: int, counted: int) -> None:
        self._shown, self._counted = list(shown), counted
        self._left = self._shown.pop(0)
        self.waits: list[float] = []
        self.acknowledged: list[str] = []

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        assert lease > 0
        if self._left == 0:
            self.waits.append(wait)
            return None
        self._left -= 1
        return Delivery(TaskMessage.of(a_task()).to_body(), f"{self._left}", 1)

    async def release(self, delivery: Delivery, *, delay: float) -> None:
        assert delay == 0

    async def ack(self, delivery: Delivery) -> None:
        self.acknowledged.append(delivery.receipt)

    async def depth(self) -> QueueDepth:
        self._left = self._shown.pop(0) if self._shown else 0
        return QueueDepth(self._counted, 0)


class OneTask:
    """A store of nothing but ended tasks."""

    async def get(self, task_id: str) -> Task:
        return a_task(task_id).cancel(now=NOW)


def office(letters: Any) -> DeadLetterOffice:
    store: Any = OneTask()
    return DeadLetterOffice(store, LaneQueues(queue=letters, dead_letters=letters))


@pytest.mark.parametrize(
    ("shown", "counted", "passes"),
    [((3,), 3, 1), ((1, 3), 3, 2), ((0, 3), 3, 2), ((0, 0, 0), 3, 3)],
)
async def test_a_look_is_repeated_until_it_agrees_with_the_queues_count(
    shown: tuple[int, ...], counted: int, passes: int
) -> None:
    letters = ForgetfulQueue(*shown, counted=counted)
    assert len(await office(letters).look()) == shown[-1]
    assert letters.waits == [0.0, 1.0, 1.0][:passes]  # later passes are long polls


async def test_what_a_pass_has_settled_is_told_once_and_before_the_next() -> None:
    letters = ForgetfulQueue(1, 2, counted=2)
    async with contextlib.aclosing(office(letters).purge(lambda _: True)) as purged:
        told = [(handled.outcome, len(letters.waits)) async for handled in purged]
    assert told == [("deleted", 0), ("deleted", 1), ("deleted", 1)]
    assert len(letters.acknowledged) == 3
