"""What happened, as it was seen from outside: by clients, and by those who broke things.

Times are Unix seconds of the one clock that every process of the run shares.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus

Result = Literal["invoke", "ok", "fail", "info"]
"""As Jepsen has them: `info` is a call whose effect its caller does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    at: float
    key: str
    result: Result
    task_id: str | None = None
    """With `ok` only."""
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    at: float
    task_id: str
    result: Result
    """`fail`: it had ended already, perhaps by an earlier cancel whose answer was lost."""
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A task's record as a reader got it."""

    asked_at: float
    at: float
    reader: str
    task_id: str
    status: TaskStatus
    version: int
    attempt: int
    started_at: float | None
    ended_at: float | None

    @classmethod
    def in_view(cls, view: Mapping[str, Any], *, asked_at: float, at: float, reader: str) -> Self:
        """From the orchestrators' task view."""
        created, total = view["created_at"], view["timings"]["total_seconds"]
        return cls(
            asked_at=asked_at,
            at=at,
            reader=reader,
            task_id=view["task_id"],
            status=TaskStatus(view["status"]),
            version=view["version"],
            attempt=view["attempts"],
            started_at=view["started_at"],
            ended_at=None if total is None else created + total,
        )

    @classmethod
    def in_store(cls, task: Task, *, asked_at: float, at: float) -> Self:
        return cls(
            asked_at=asked_at,
            at=at,
            reader="store",
            task_id=task.task_id,
            status=task.status,
            version=task.version,
            attempt=task.attempt,
            started_at=task.started_at,
            ended_at=task.ended_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A read of an accepted task, or of its result, that was answered with an error which is not
    "try again later"."""

    at: float
    task_id: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A completed task's result, downloaded whole."""

    at: float
    task_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault and how long it lasted; for a kill, until its victim answers again.

    `disturbs`: could it delay the recovery of tasks that other faults have hit?
    """

    number: int
    kind: str
    target: str
    at: float
    until: float
    disturbs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A task that was in the hands of the victim of fault number `fault` when it was hit."""

    at: float
    fault: int
    by: Literal["adapter", "service"]
    task_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaved:
    """A process did not stop as it should when it was asked to."""

    at: float
    member: str
    how: str


Event = Submitted | Cancelled | Seen | Refused | Fetched | Injected | Held | Misbehaved


class History:
    """Kept in memory, and as one JSON line per event for whoever looks into a failed run."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self._file = path.open("w", buffering=1)

    def add(self, event: Event) -> None:
        self.events.append(event)
        self._file.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")

    def close(self) -> None:
        self._file.close()
