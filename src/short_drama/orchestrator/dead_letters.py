"""Dead letters: messages that were received too often without an end.

A letter is evidence about a message, not about its task: the task may have ended, may be in good
hands, or may only have met a long outage. Each is judged by its record.
"""

import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal

from structlog.contextvars import bound_contextvars

from short_drama import metrics
from short_drama.domain.attempts import MAX_DEAD_LETTERS
from short_drama.domain.errors import (
    DeadLetter,
    LeaseLost,
    NewerFormat,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.failure import Failure
from short_drama.domain.message import MalformedMessage, TaskMessage
from short_drama.domain.task import Task
from short_drama.logs.steps import Step, end_of, ids_of
from short_drama.newest import advance
from short_drama.orchestrator import outbox
from short_drama.ports import Delivery, TaskQueue, TaskStore

log = logging.getLogger(__name__)

Judgement = Literal["forget", "leave", "revive", "fail"]


def judge(task: Task | None, now: float) -> Judgement:
    """What becomes of a dead letter, by its task's record; None when it names no task.

    A letter that has ended its task stays for the operator, as does one that names none.
    """
    if task is None:
        return "leave"
    if task.status.is_terminal:
        own = task.failure is not None and task.failure.code == DeadLetter.code
        return "leave" if own else "forget"
    if task.parked:
        return "forget"  # the sweeper sends another message when what it waits for may be over
    if now < task.surely_free_at:
        return "leave"  # a worker may have it and may yet finish
    if task.attempts_after_this > 0 and task.dead_letters < MAX_DEAD_LETTERS:
        return "revive"
    return "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneQueues:
    """A lane's queue and its dead-letter queue."""

    queue: TaskQueue
    dead_letters: TaskQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter in our hands."""

    delivery: Delivery
    names: str | None
    """The id of the task it names; None when it is no message of ours."""
    task: Task | None
    """That task's record, if there is one."""
    unread: str | None = None
    """Why we cannot tell what it is about: a newer release has written it, or the record."""


async def held_letters(
    queues: LaneQueues, store: TaskStore, *, wait: float = 0.0, hold: float = 60.0, limit: int = 100
) -> AsyncGenerator[Letter, None]:
    """The letters there are, each once; all are shown again at the end, except those that the
    caller has acknowledged. Use with `contextlib.aclosing`. Raises Unavailable.

    Args:
        wait: seconds to wait for one more.
        hold: seconds that keep a letter from coming twice; more than one pass takes.
        limit: letters in one pass.
    """
    held: list[Delivery] = []
    try:
        while len(held) < limit:
            delivery = await queues.dead_letters.receive(wait=wait, lease=hold)
            if delivery is None:
                return
            held.append(delivery)
            yield await _read(delivery, store)
    finally:
        for delivery in held:
            await queues.dead_letters.release(delivery, delay=0)


async def _read(delivery: Delivery, store: TaskStore) -> Letter:
    try:
        task_id = TaskMessage.from_body(delivery.body).task_id
    except MalformedMessage:
        return Letter(delivery=delivery, names=None, task=None)
    except NewerFormat as error:
        return Letter(delivery=delivery, names=None, task=None, unread=error.detail)
    try:
        return Letter(delivery=delivery, names=task_id, task=await store.get(task_id))
    except NewerFormat as error:
        return Letter(delivery=delivery, names=task_id, task=None, unread=error.detail)


class Undertaker:
    """Looks through a lane's dead letters; runs in every orchestrator, safe in parallel."""

    def __init__(
        self, store: TaskStore, queues: LaneQueues, *, clock: Callable[[], float] = time.time
    ):
        self._store, self._queues, self._clock = store, queues, clock

    async def look_through(self) -> None:
        """One pass. Raises Unavailable; what was not done is done in the next pass."""
        async with contextlib.aclosing(held_letters(self._queues, self._store)) as letters:
            async for letter in letters:
                with bound_contextvars(**(ids_of(letter.task) if letter.task else {})):
                    await self._settle(letter)

    async def _settle(self, letter: Letter) -> None:
        judgement = judge(letter.task, self._clock())
        if letter.task is not None and judgement in ("revive", "fail"):
            judgement = await self._carry_out(judgement, letter.task)
        if judgement in ("forget", "revive"):
            await self._queues.dead_letters.ack(letter.delivery)
        if judgement != "leave":
            metrics.SWEPT.labels(f"dead_letter_{judgement}").inc()
            received = letter.delivery.receives
            log.info(Step.DEAD_LETTER, extra={"judgement": judgement, "received": received})

    async def _carry_out(self, judgement: Judgement, task: Task) -> Judgement:
        """What was done: the judgement, unless somebody changed the task meanwhile."""
        now = self._clock()
        try:
            if judgement == "revive":
                await self._revive(task, now)
            else:
                failure = Failure.of(
                    DeadLetter("its message was received too often without an end")
                )
                dead = await advance(
                    self._store, task, lambda found: found.expire(failure, now=now)
                )
                metrics.ended(dead)
                log.warning(Step.FAILED, extra=end_of(dead))
        except (TaskConflict, LeaseLost, TaskNotFound, NewerFormat):
            return "leave"  # judged anew in the next pass
        return judgement

    async def _revive(self, task: Task, now: float) -> None:
        revived = await advance(self._store, task, lambda found: found.revive(now=now))
        try:
            await outbox.send(revived, now=now, queue=self._queues.queue, store=self._store)
        except Unavailable:
            log.warning("a revived task's message is sent later")
