"""A job, and how one kind of job is done."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from short_drama.domain.attempts import PREPARING, WAITING
from short_drama.domain.casting import images_of
from short_drama.domain.errors import IdempotencyKeyReused
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.stage_times import IN_LANE, StageTimes, account_of_stage, added
from short_drama.images.signing import UNSIGNED, Manifests
from short_drama.images.visible_mark import VisibleMark

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
    owner: str = ""
    """The task's; empty where nobody says."""
    traceparent: str | None = None
    """Of the attempt's span."""
    retry_of: str | None = None
    """The key of an earlier order for the same, whose paid answers it begins with."""
    consents: Sequence[str] = ()
    """Ids of those that the characters' faces in it are used under."""

    @property
    def images(self) -> dict[str, str]:
        """The request's image references, by field."""
        fields = type(self.request).model_fields
        return images_of({name: getattr(self.request, name) for name in fields})

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
    position: int | None = None
    """Its place among those that have not begun, as it was last told; 1 is next."""
    version: int = 1
    outcome: Outcome | None = None
    failure: Failure | None = None
    cost: Mapping[str, Any] | None = None
    """So far, in all attempts, however it ends; None where nothing is paid for."""
    waits_for: Failure | None = None
    """What keeps it from going on for the moment, if that is worth telling."""
    manifests: Manifests = UNSIGNED
    """Signs what it publishes."""
    mark: VisibleMark | None = None
    """What is drawn on it."""
    clock: Callable[[], float] = time.monotonic
    on_move: Callable[[], None] = lambda: None
    """To be called when somebody's place in the line may have changed; its stages' changes do."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    accepted_at: float = field(init=False)
    """By the clock."""
    _entered_at: float = field(init=False)
    _stage_times: StageTimes = field(default_factory=dict)
    _times_before: StageTimes = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._entered_at = self.accepted_at = self.clock()

    @property
    def ids(self) -> dict[str, Any]:
        """What each of its lines in the log tells. Its order's key is the task's id."""
        return {
            "task_id": self.order.key,
            "job_id": self.job_id,
            "attempt": self.attempt,
            "kind": self.order.kind,
            "owner": self.order.owner,
        }

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    @property
    def has_begun(self) -> bool:
        """Whether an engine is at work on it, or has been."""
        return self.stage not in (PREPARING, WAITING)

    @property
    def in_stage(self) -> float:
        """Seconds since its stage began."""
        return self.clock() - self._entered_at

    @property
    def waited(self) -> float:
        """Seconds, so far, in which nothing computed for it."""
        return self.stage_times.get(IN_LANE, 0.0)

    @property
    def waited_in_attempt(self) -> float:
        """As `waited`, since the latest attempt asked for it."""
        return self.stage_times_in_attempt.get(IN_LANE, 0.0)

    @property
    def stage_times(self) -> StageTimes:
        """All its seconds so far, by what they were spent on."""
        account = account_of_stage(self.stage)
        return added(self._stage_times, {account: self.in_stage} if account is not None else {})

    @property
    def stage_times_in_attempt(self) -> StageTimes:
        """As `stage_times`, since the latest attempt asked for it."""
        earlier = {account: -seconds for account, seconds in self._times_before.items()}
        return added(self.stage_times, earlier)

    def require_same(self, order: JobOrder) -> None:
        """Raises IdempotencyKeyReused for an order of something else."""
        if not self.order.asks_the_same(order):
            raise IdempotencyKeyReused(
                f"this key started job {self.job_id} from a different request",
                field="Idempotency-Key",
                fix="Use a new key for a new request.",
            )

    def join(self, attempt: int) -> None:
        """An attempt asks for it as well."""
        if attempt > self.attempt:
            self.attempt, self._times_before = attempt, self.stage_times

    def report(
        self,
        *,
        stage: str | None = None,
        progress: float | None = None,
        preview: str | None = None,
    ) -> None:
        """Tell whoever follows the job; for engines as well."""
        if stage is not None and stage != self.stage:
            self._enter(stage)
        self.progress = self.progress if progress is None else progress
        self.preview = preview or self.preview
        self._tell()

    def spent(self, cost: Mapping[str, Any]) -> None:
        """Tell whoever follows the job what it has cost, even after its end: a call that was under
        way when it was cancelled is settled later."""
        if cost != self.cost:
            self.cost = cost
            self._tell()

    def move(self, position: int) -> None:
        """Tell whoever follows the job that others have gone before it, or come in between."""
        if position != self.position:
            self.position = position
            self._tell()

    def _enter(self, stage: str) -> None:
        self._stage_times, self._entered_at = self.stage_times, self.clock()
        self.stage = stage
        if self.has_begun:
            self.position = None
        self.on_move()

    def _tell(self) -> None:
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
        """The engine's own time; it counts as engine_seconds but for what the job waits in it,
        with the stage `queued`, unless the outcome knows better.

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
        """Could a job of this kind run now? Quick. Raises EngineNotReady, where a person has to
        mend something, or what time mends, saying what is missing."""
        ...


@runtime_checkable
class Weighing(Protocol):
    """What a Work may offer beside its stages, that holds pixels from one to the next."""

    async def weigh(self, job: Job) -> int:
        """How many bytes of them the job will hold, about. Raises as `prepare` does."""
        ...


@runtime_checkable
class Shared(Protocol):
    """What a Work may offer beside its stages, whose engine others use as well."""

    def others_before(self, job: Job) -> int:
        """How many jobs of others wait in the engine that it does before this one, as far as is
        known. Quick."""
        ...
