"""A job, and how one kind of job is done."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from short_drama.domain.errors import Failure
from short_drama.domain.task import WAITING, Outcome

Prepared = TypeVar("Prepared")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """What a client asks for. `key` makes it idempotent; `created_at` dates the result's key."""

    kind: str
    request: BaseModel
    key: str
    attempt: int = 1
    created_at: float
    labels: Mapping[str, str] = field(default_factory=dict)
    """The task's, for budgets."""

    def asks_the_same(self, other: "JobOrder") -> bool:
        return (self.kind, self.request) == (other.kind, other.request)


@dataclass(slots=True, eq=False)
class Job:
    """One run inside an API service."""

    order: JobOrder
    job_id: str
    attempt: int = 1
    """The latest attempt that asked for it; an earlier one has lost it."""
    status: str = "pending"
    stage: str = WAITING
    progress: float = 0.0
    preview: str | None = None
    """The unfinished picture as a data URL."""
    version: int = 1
    outcome: Outcome | None = None
    failure: Failure | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def report(
        self,
        *,
        stage: str | None = None,
        progress: float | None = None,
        preview: str | None = None,
    ) -> None:
        """Tell whoever follows the job; for engines as well."""
        self.stage = stage or self.stage
        self.progress = self.progress if progress is None else progress
        self.preview = preview or self.preview
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Until the next report."""
        await self._changed.wait()


class Work(Protocol, Generic[Prepared, Made]):
    """How one kind of job is done. Stages raise ShortDramaError to fail the job."""

    engine: str
    """What turns the pixels; named in every record."""

    async def prepare(self, job: Job) -> Prepared:
        """Everything before the engine: fetch, check, decode."""
        ...

    async def make(self, job: Job, prepared: Prepared) -> Made:
        """The engine's own time; it counts as engine_seconds, unless the outcome knows better.

        The one stage that a cancel interrupts: it may raise CancelledError as soon as nothing
        computes any more. See `threads.in_thread`. A job that has not ended then is not cancelled:
        the service stops.
        """
        ...

    async def publish(self, job: Job, made: Made) -> Outcome:
        """Encode, label, store."""
        ...


@runtime_checkable
class Abandoning(Protocol):
    """What a Work may offer beside its stages, when preparing leaves something behind."""

    async def abandon(self, prepared: Any) -> None:
        """The job was cancelled before it was made."""
        ...


@runtime_checkable
class SelfChecking(Protocol):
    """What a Work may offer beside its stages."""

    async def check(self) -> None:
        """Could a job run now? Quick. Raises EngineNotReady or Unavailable, saying what is
        missing."""
        ...
