"""Mend what a crash leaves behind. Runs in every orchestrator; safe in parallel.

A list of due tasks is a hint: each task is decided again on its newest version, and the store
lets only one writer of a version win.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from short_drama.domain.errors import (
    DeadLetter,
    Failure,
    LeaseLost,
    ShortDramaError,
    TaskConflict,
    Unavailable,
)
from short_drama.domain.kinds import Lane
from short_drama.domain.message import MalformedMessage, TaskMessage
from short_drama.domain.task import Task, TaskStatus
from short_drama.ports import Delivery, TaskQueue, TaskStore, advance
from short_drama.web import metrics

log = logging.getLogger(__name__)

Action = Literal["none", "send", "expire"]

_BATCH = 100
_GRACE = 2.0
"""Seconds after a lease's end in which the queue may bring the message back by itself."""


def plan(task: Task, now: float) -> Action:
    """What to do about a task that is due: pure, and decided on the newest version."""
    if task.status.is_terminal:
        return "none"
    if task.deadline is not None and now >= task.deadline:
        return "expire"
    if task.status is TaskStatus.PENDING:
        return "send" if task.outbox_due is not None and now >= task.outbox_due else "none"
    lapsed = task.lease_until is not None and now >= task.lease_until + _GRACE
    due = task.outbox_due is None or now >= task.outbox_due
    return "send" if lapsed and due else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A lane's queue and its dead-letter queue."""

    queue: TaskQueue
    dead_letters: TaskQueue


class Sweeper:
    def __init__(
        self,
        store: TaskStore,
        lanes: Mapping[Lane, Lines],
        *,
        every: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._lanes, self._every, self._clock = store, lanes, every, clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep()
            except Unavailable as error:
                log.warning("the sweep will be repeated: %s", error.detail)
            except Exception:
                log.exception("a sweep failed unexpectedly")
            await asyncio.sleep(self._every)

    async def sweep(self) -> None:
        """One pass over due tasks and dead letters."""
        for task in await self._store.due(self._clock(), limit=_BATCH):
            await self._mend(task)
        for lane in self._lanes.values():
            await self._bury(lane.dead_letters)

    async def _mend(self, task: Task) -> None:
        now = self._clock()
        action = plan(task, now)
        try:
            if action == "send":
                # Looked at again only after the message had its chance to be worked on.
                again = now + task.lane.visibility_seconds
                await advance(self._store, task, lambda found: _claim_send(found, now, again))
                await self._lanes[task.lane].queue.send(TaskMessage.of(task).to_body())
            elif action == "expire":
                await advance(self._store, task, lambda found: found.overdue(now=now))
                metrics.ENDED.labels(task.kind, TaskStatus.FAILED).inc()
        except (TaskConflict, LeaseLost):
            return  # another sweeper or a worker was first
        if action != "none":
            metrics.SWEPT.labels(action).inc()

    async def _bury(self, dead_letters: TaskQueue) -> None:
        """Fail the tasks of dead letters, except those a worker holds."""
        for _ in range(_BATCH):
            delivery = await dead_letters.receive(wait=0, lease=60.0)
            if delivery is None:
                return
            await self._bury_one(dead_letters, delivery)

    async def _bury_one(self, dead_letters: TaskQueue, delivery: Delivery) -> None:
        try:
            task = await self._store.get(TaskMessage.from_body(delivery.body).task_id)
        except MalformedMessage:
            task = None
        if task is not None:
            failure = Failure.of(DeadLetter("its message was received too often without an end"))
            try:
                await advance(
                    self._store, task, lambda found: found.expire(failure, now=self._clock())
                )
            except LeaseLost:
                return  # a worker holds it: look again when this lease on the letter ends
            except TaskConflict:
                pass
            except ShortDramaError:
                return
        else:
            log.warning("a dead letter names no task; dropped")
        await dead_letters.ack(delivery)
        metrics.SWEPT.labels("dead_letter").inc()


def _claim_send(task: Task, now: float, again: float) -> Task:
    """Take the sending upon us, so that parallel sweepers send once."""
    if plan(task, now) != "send":
        raise TaskConflict("already sent")
    return task.sent(resend_at=again)
