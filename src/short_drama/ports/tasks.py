"""The records of tasks, and what is asked of them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from short_drama.domain.audit import AuditLine
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.domain.task_filter import Order, TaskFilter
from short_drama.ports.queues import Delivery


class TaskExists(Exception):
    """A task with this id is already stored; `task` is the stored one."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.task_id)
        self.task = task


class StaleTask(Exception):
    """Somebody wrote the task since it was read."""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """`left_out`: how many more there are in this stretch of the list that cannot be read."""

    tasks: Sequence[Task]
    next_cursor: str | None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class TaskCount:
    """So many, or at least so many where nobody has looked at all of them."""

    count: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of a task that waits: its place among all that wait in its lane, in the queue and in services
    (1 is next), and about how many seconds it is until it is done; None before any of its kind
    was."""

    position: int
    eta_seconds: float | None


class TaskStore(Protocol):
    """The records. Reads by id are consistent; lists may lag. May raise Unavailable.

    A record of a newer release is never written over: what names its task raises NewerFormat. Lists
    of every sort go on without it, as without one that is damaged, and do not become shorter.
    """

    async def create(self, task: Task, *, line: AuditLine | None = None) -> Task:
        """Store a new task; the returned one carries version 1. `line`: of the audit, which is
        written with it, both or neither.

        When the backend queues the task's message in the same transaction, the returned
        `outbox_due` is None and there is nothing left to send. Raises TaskExists.
        """
        ...

    async def get(self, task_id: str) -> Task | None: ...

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        """Write `task` over the version it was computed from, and return it with the next
        version; `line` as in `create`. Raises StaleTask when the stored version is another one, or
        there is none."""
        ...

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        """The task as soon as its version differs from `version`; as it is after `timeout`
        seconds. None if there is no such task."""
        ...

    async def list(
        self,
        where: TaskFilter,
        *,
        cursor: str | None,
        limit: int,
        order: Order = Order.NEWEST,
    ) -> TaskPage:
        """`cursor` is an earlier page's `next_cursor` of the same order; a malformed one raises
        InvalidRequest. Tasks created since the first page do not shift the pages. A page may be
        short, even empty, and have a successor: one call looks at only so many records. By shot, an
        owner must be given, and nothing that is deleted is listed."""
        ...

    async def count(self, where: TaskFilter, *, most: int) -> TaskCount:
        """How many match, up to `most`, as far as one look goes; may lag."""
        ...

    async def due(self, now: float, *, limit: int) -> Sequence[Task]:
        """Tasks whose `due_at` has come, most overdue first: a hint, to be re-decided."""
        ...

    async def oldest_pending(self, lane: Lane) -> float | None:
        """When the longest waiting pending task of the lane was created, in Unix seconds; None
        when none waits."""
        ...

    async def count_open(self, owner: str, lane: Lane, *, most: int) -> int:
        """How many of the owner's tasks of the lane wait or run, counted up to `most`; may lag."""
        ...

    async def outlook(self, task: Task) -> Outlook:
        """Of a task that waits; may be some seconds old."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A task as it was found, and as it was claimed."""

    found: Task
    task: Task


@runtime_checkable
class ClaimingQueue(Protocol):
    """What some queues offer beside their port: those that are written together with the records.
    May raise Unavailable; nothing was received then."""

    async def receive_and_claim(
        self,
        claim: Callable[[Task], Task],
        *,
        wait: float,
        lease: float,
        but: Collection[str] = (),
    ) -> tuple[Delivery, Claim | None] | None:
        """As `TaskQueue.receive`; and what `claim` makes of the message's task is written, both or
        neither. Where there is no such task, or `claim` refuses with an error of ours, a message
        is received and no more. `claim` may be asked twice for one message. `but`: groups of which
        none is received."""
        ...
