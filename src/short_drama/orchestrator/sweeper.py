"""Mend what a crash leaves behind. Runs in every orchestrator; safe in parallel.

A list of due tasks is a hint: each task is decided again on its newest version, and the store
lets only one writer of a version win.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from structlog.contextvars import bind_contextvars, bound_contextvars

from short_drama import metrics
from short_drama.domain.errors import (
    LeaseLost,
    NewerFormat,
    TaskConflict,
    TaskNotFound,
    Unavailable,
)
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.logs.steps import Step, end_of, ids_of
from short_drama.newest import advance
from short_drama.orchestrator import outbox
from short_drama.orchestrator.dead_letters import LaneQueues, Undertaker
from short_drama.ports import TaskStore

log = logging.getLogger(__name__)

Action = Literal["none", "send", "expire", "tell"]

_BATCH = 100
_LEAST_PAUSE = 0.05
"""Seconds between two passes of which the first has taken long."""


def plan(task: Task, now: float) -> Action:
    """What to do about a task that is due: pure, and decided on the newest version."""
    if task.status.is_terminal:
        return "tell" if any(one.is_due(now) for one in task.notifications) else "none"
    if task.deadline is not None and now >= task.deadline:
        return "expire"
    if task.status is TaskStatus.PENDING:
        return "send" if task.outbox_due is not None and now >= task.outbox_due else "none"
    due = task.outbox_due is None or now >= task.outbox_due
    return "send" if due and now >= task.free_at else "none"


@dataclass(frozen=True, slots=True)
class Pass:
    """Something that is looked through again and again: `every` so many seconds."""

    over: str
    run: Callable[[], Awaitable[None]]
    _: KW_ONLY
    every: float


class Sweeper:
    """`every` and `dead_letters_every` are seconds between two passes: the first over due tasks,
    the second, which costs a request for each queue even when idle, over dead letters. `tell`:
    begins what endpoints are to be told of a task. `beside`: further passes. `about`: what each of
    its lines in the log tells."""

    def __init__(
        self,
        store: TaskStore,
        lanes: Mapping[Lane, LaneQueues],
        *,
        tell: Callable[[Task], Awaitable[None]] | None = None,
        beside: Sequence[Pass] = (),
        every: float = 2.0,
        dead_letters_every: float = 30.0,
        about: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._lanes, self._clock = store, lanes, clock
        self._every, self._dead_letters_every = every, dead_letters_every
        self._about, self._beside, self._tell = about or {}, beside, tell

    async def run(self) -> None:
        """Until cancelled."""
        bind_contextvars(**self._about)
        async with asyncio.TaskGroup() as passes:
            own = (
                Pass("tasks", self._sweep_ahead, every=self._every),
                Pass("dead letters", self.bury, every=self._dead_letters_every),
            )
            for each in (*own, *self._beside):
                passes.create_task(self._repeat(each))

    async def _sweep_ahead(self) -> None:
        await self.sweep(ahead=self._every)

    async def sweep(self, *, ahead: float = 0.0) -> None:
        """One pass over due tasks, and over parked ones that will be due within `ahead` seconds,
        each at its time: a short wait is not made longer by the pause between two passes."""
        for task in await self._store.due(self._clock() + ahead, limit=_BATCH):
            if task.parked:
                await asyncio.sleep(min((task.due_at or 0.0) - self._clock(), ahead))
            with bound_contextvars(**ids_of(task)):
                await self._mend(task)

    async def bury(self) -> None:
        """One pass over dead letters."""
        for line in self._lanes.values():
            await Undertaker(self._store, line, clock=self._clock).look_through()

    async def _mend(self, task: Task) -> None:
        now = self._clock()
        action = plan(task, now)
        try:
            if action == "send":
                taken = await advance(self._store, task, lambda found: _take_sending(found, now))
                queue = self._lanes[task.lane].queue
                await outbox.send(taken, now=now, queue=queue, store=self._store)
                log.info(Step.RESUMED if task.parked else Step.SENT_AGAIN)
            elif action == "expire":
                ended = await advance(self._store, task, lambda found: found.overdue(now=now))
                metrics.ended(ended)
                log.info(Step.EXPIRED, extra=end_of(ended))
            elif action == "tell" and self._tell is not None:
                await self._tell(task)
        except (TaskConflict, LeaseLost, TaskNotFound, NewerFormat):
            return  # another sweeper or a worker was first
        if action != "none":
            due = action == "send" and task.parked
            metrics.SWEPT.labels("unpark" if due else action).inc()

    async def _repeat(self, each: Pass) -> None:
        """When it is due, or when the one before is over."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await each.run()
                metrics.SWEPT_AT.tell(self._clock(), each.over)
            except Unavailable as error:
                log.debug("a pass will be repeated: %s", error.detail)
            except Exception:
                log.exception("a pass failed unexpectedly")
            await asyncio.sleep(max(began + each.every - clock(), _LEAST_PAUSE))


def _take_sending(task: Task, now: float) -> Task:
    """Take the sending upon us, so that parallel sweepers send once."""
    if plan(task, now) != "send":
        raise TaskConflict("already sent")
    return task.sending(now=now)
