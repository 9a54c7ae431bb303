"""The ports. Their docstrings are promises; `tests/contract` holds every backend to them."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from short_drama.domain.api_keys import ApiKey
from short_drama.domain.asset_keys import owner_in
from short_drama.domain.characters import Character
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import LaneNotice
from short_drama.domain.principal import LOCAL_OWNER
from short_drama.domain.spending import TaskSpend
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus

# --- Queue --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """One lease on one message."""

    body: str
    receipt: str
    receives: int
    """How often the message has been received, this time included."""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages wait, and how many are hidden; about, where many do or a queue counts
    lazily (SQS)."""

    waiting: int
    in_flight: int


class TaskQueue(Protocol):
    """One queue: at least once, any order, leased.

    A message received more often than the queue's limit moves to its dead-letter queue.
    Every method may raise Unavailable.
    """

    async def send(self, body: str, *, group: str = "", delay: float = 0.0) -> None:
        """Durable once this returns; hidden for `delay` seconds. `group`: whose it is. As far
        as the backend can, no group's many delay another's first."""
        ...

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        """Wait up to `wait` seconds; hide the message for `lease` seconds."""
        ...

    async def extend(self, delivery: Delivery, *, lease: float) -> None:
        """Hide the message for `lease` seconds from now. A stale holder is not always told:
        the task store's version is the fence."""
        ...

    async def ack(self, delivery: Delivery) -> None:
        """Forget the message. Safe to repeat; a stale receipt forgets nothing."""
        ...

    async def release(self, delivery: Delivery, *, delay: float) -> None:
        """Give the message back after `delay` seconds. A stale receipt changes nothing."""
        ...

    async def depth(self) -> QueueDepth: ...


# --- Store --------------------------------------------------------------------------------


class TaskExists(Exception):
    """A task with this id is already stored; `task` is the stored one."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.task_id)
        self.task = task


class StaleTask(Exception):
    """Somebody wrote the task since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """All given members must match: one of the statuses, one of the kinds, every label. None and
    empty ones match everything. Times are Unix seconds."""

    owner: str | None = None
    lane: Lane | None = None
    statuses: Collection[TaskStatus] = ()
    kinds: Collection[str] = ()
    labels: Collection[tuple[str, str]] = ()
    created_after: float | None = None
    """Then or later."""
    created_before: float | None = None
    """Earlier than then."""

    def matches(self, task: Task) -> bool:
        return (
            self.owner in (None, task.owner)
            and self.lane in (None, task.lane)
            and (not self.statuses or task.status in self.statuses)
            and (not self.kinds or task.kind in self.kinds)
            and all(task.labels.get(key) == value for key, value in self.labels)
            and (self.created_after is None or task.created_at >= self.created_after)
            and (self.created_before is None or task.created_at < self.created_before)
        )


@dataclass(frozen=True, slots=True)
class TaskPage:
    """`left_out`: how many more there are in this stretch of the list that cannot be read."""

    tasks: Sequence[Task]
    next_cursor: str | None
    left_out: int = 0


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

    async def create(self, task: Task) -> Task:
        """Store a new task; the returned one carries version 1.

        When the backend queues the task's message in the same transaction, the returned
        `outbox_due` is None and there is nothing left to send. Raises TaskExists.
        """
        ...

    async def get(self, task_id: str) -> Task | None: ...

    async def replace(self, task: Task) -> Task:
        """Write `task` over the version it was computed from, and return it with the next
        version. Raises StaleTask when the stored version is another one, or there is none."""
        ...

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        """The task as soon as its version differs from `version`; as it is after `timeout`
        seconds. None if there is no such task."""
        ...

    async def list(self, where: TaskFilter, *, cursor: str | None, limit: int) -> TaskPage:
        """Newest first. `cursor` is an earlier page's `next_cursor`; a malformed one raises
        InvalidRequest. Tasks created since the first page do not shift the pages. A page may be
        short, even empty, and have a successor: one call looks at only so many records."""
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


# --- Assets -------------------------------------------------------------------------------


OWNED_BY: Final = "owner"
"""What an asset's metadata calls its owner."""


def owned_by(owner: str) -> dict[str, str]:
    """Metadata of what is made for `owner`; empty where nobody signs in."""
    return {OWNED_BY: owner} if owner not in ("", LOCAL_OWNER) else {}


class AssetExists(Exception):
    """There is an asset with this key; assets are never overwritten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetInfo:
    key: str
    size: int
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """Whose it is; what says nothing of that was made where nobody signs in."""
        return owner_in(self.key) or self.metadata.get(OWNED_BY, LOCAL_OWNER)


class AssetStore(Protocol):
    """Image bytes by key. Keys are made by us, never by users. May raise Unavailable."""

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Durable and whole once this returns. Raises AssetExists; of several at once, exactly
        one succeeds."""
        ...

    async def get(self, key: str) -> bytes:
        """Raises AssetNotFound."""
        ...

    def pieces(self, key: str) -> AsyncIterator[bytes]:
        """The same, never all of it in memory. Raises AssetNotFound before the first."""
        ...

    async def head(self, key: str) -> AssetInfo:
        """Raises AssetNotFound."""
        ...

    async def inspect(self, key: str) -> AssetInfo:
        """As `head`, having looked at the bytes too where the storage does not do that itself:
        what is no longer as it was put is not found."""
        ...

    async def delete(self, key: str) -> None:
        """For good, whatever names it. Safe to repeat, also for what is damaged or not there."""
        ...

    async def renew(self, key: str) -> None:
        """Whoever is about to name an asset in a task says so: it is not deleted within a day of
        that, and later not while the task is there. Raises AssetNotFound."""
        ...

    def url(self, key: str) -> str:
        """Where a client reads the asset."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """What a client posts, as multipart/form-data: the fields in order, then the part `file`."""

    url: str
    fields: Mapping[str, str]


@runtime_checkable
class DirectUploads(Protocol):
    """What some asset stores offer beside their port: uploads that do not pass through us."""

    async def upload_form(
        self, key: str, *, content_type: str, max_bytes: int, expires_in: int
    ) -> UploadForm:
        """A form that stores one object under `key`, of exactly this content type and of 1 to
        `max_bytes` bytes, within `expires_in` seconds."""
        ...


# --- Money --------------------------------------------------------------------------------


class StaleSpend(Exception):
    """Somebody else has written the page since it was read."""


class OverLimit(Exception):
    """The page would count more than `account` allows; nothing was written."""

    def __init__(self, account: str) -> None:
        super().__init__(account)
        self.account = account


class SpendLedger(Protocol):
    """What each task may cost and has cost, a page each, and sums of all pages by account: a name
    such as `day/2026-11-23` or `label/show=Nightfall`. May raise Unavailable; a page may then have
    been written nevertheless. Pages of a newer release are as its records are: reading or writing
    one raises NewerFormat, and lists go on without it."""

    async def read(self, task_id: str) -> TaskSpend | None: ...

    async def write(self, page: TaskSpend, *, limits: Mapping[str, int] | None = None) -> TaskSpend:
        """Write the page over the version that it was made from, and count in each account what
        it counts more or less than before, all or nothing; the answer is the page with its new
        version, and when that was written.

        `limits`: of accounts, in millionths of a US dollar. Raises OverLimit when the page adds to
        an account that would then pass its limit; of several at once no more succeed than the
        limit allows. What is not more than before is never refused. Raises StaleSpend.
        """
        ...

    async def total(self, account: str) -> int: ...

    async def open(self, *, limit: int, after: TaskSpend | None = None) -> Sequence[TaskSpend]:
        """Pages that are open, those written longest ago first, at most `limit`; may lag. `after`:
        the last one of those that were looked at before, as it was then."""
        ...

    def written_since(self, moment: float) -> AsyncIterator[TaskSpend]:
        """Every page that was last written at that time or later, once each, in any order; may
        lag."""
        ...


# --- Lanes --------------------------------------------------------------------------------


class LaneNotices(Protocol):
    """What adapters say of their lanes, for those who accept tasks and show them. What is said in
    words of a newer release is not heard, and stays. May raise Unavailable."""

    async def say(self, lane: Lane, notice: LaneNotice) -> None:
        """In place of what its speaker has said of the lane before. Of several at once, none is
        lost."""
        ...

    async def said(self, lane: Lane, *, since: float) -> Sequence[LaneNotice]:
        """What holds or has held at some moment after `since`, in any order. What lapsed long ago
        may be forgotten: after a day, and after an hour while others speak."""
        ...


# --- Keys ---------------------------------------------------------------------------------


class KeyExists(Exception):
    """There is an API key with this id."""


class KeyStore(Protocol):
    """What is kept of API keys. May raise Unavailable."""

    async def add(self, key: ApiKey) -> None:
        """Durable once this returns. Raises KeyExists."""
        ...

    async def get(self, key_id: str) -> ApiKey | None:
        """As it is now. When it was last used need not be told."""
        ...

    async def list(self) -> Sequence[ApiKey]:
        """All of them, those that were revoked as well, oldest first."""
        ...

    async def revoke(self, key_id: str, *, at: float) -> ApiKey | None:
        """For good; one that was revoked before stays revoked since then. None if there is none."""
        ...

    async def used(self, key_id: str, *, at: float) -> None:
        """Remember when it was last used."""
        ...


# --- Characters ---------------------------------------------------------------------------


class StaleCharacter(Exception):
    """Somebody wrote the character since it was read, or it is gone; or there is one of its name
    already."""


class CharacterStore(Protocol):
    """Owners' characters, and which tasks each was used in. Reads are consistent. May raise
    Unavailable."""

    async def get(self, owner: str, name: str) -> Character | None: ...

    async def list(self, owner: str) -> Sequence[Character]:
        """An owner's, by name."""
        ...

    async def write(self, character: Character) -> Character:
        """Write it over the version it was made from, 0 for a new one, and return it with the next
        version. Raises StaleCharacter; of several at once, exactly one succeeds."""
        ...

    async def delete(self, character: Character) -> None:
        """And what is known of its uses. Raises StaleCharacter when the stored version is another
        one, or there is none."""
        ...

    async def note_use(self, owner: str, name: str, task_id: str) -> None:
        """A task is about to be stored that uses it. Safe to repeat."""
        ...

    async def uses(self, owner: str, name: str) -> Sequence[str]:
        """The ids of these tasks, in order; some may be gone, or never have been stored."""
        ...
