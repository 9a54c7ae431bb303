"""The ports in memory, on any clock: the ground on which the protocol is tried.

They keep the same promises as every backend; `tests/contract` holds them to that.
"""

import asyncio
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from short_drama.backends.cursor import (
    read_cursor,
    read_moment,
    read_places,
    write_cursor,
    write_places,
)
from short_drama.backends.outlook import outlook
from short_drama.consent_gate import ConsentGate
from short_drama.domain.api_keys import ApiKey
from short_drama.domain.audit import AuditEntry, AuditFilter, AuditLine
from short_drama.domain.characters import Character
from short_drama.domain.errors import AssetNotFound
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import LaneNotice
from short_drama.domain.picks import Picks
from short_drama.domain.shots import Shot
from short_drama.domain.spending import TaskSpend
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.domain.timings import timings_of
from short_drama.domain.webhooks import Endpoints
from short_drama.ports import (
    AssetExists,
    AssetInfo,
    AuditPage,
    Delivery,
    KeyExists,
    Order,
    Outlook,
    OverLimit,
    QueueDepth,
    ShotPage,
    StaleCharacter,
    StaleEndpoints,
    StalePicks,
    StaleSpend,
    StaleTask,
    TaskCount,
    TaskExists,
    TaskFilter,
    TaskPage,
)

Clock = Callable[[], float]


@dataclass(slots=True)
class Message:
    body: str
    visible_at: float
    receives: int = 0
    receipt: str | None = None


class Signal:
    """Wakes everybody who waits."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        event = self._event
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await event.wait()
        except TimeoutError:
            pass


class MemoryQueue:
    """`dead_letters` takes what was received `max_receives` times without an end."""

    def __init__(
        self, clock: Clock, *, dead_letters: "MemoryQueue | None" = None, max_receives: int = 10
    ) -> None:
        self.messages: list[Message] = []
        self._clock, self._dead_letters, self._max_receives = clock, dead_letters, max_receives
        self._receipts = (f"receipt {number}" for number in itertools.count(1))
        self._changed = Signal()

    async def send(self, body: str, *, group: str = "", delay: float = 0.0) -> None:
        self.messages.append(Message(body, self._clock() + delay))
        self._changed.set()

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        until = self._clock() + wait
        while True:
            delivery = self._take(lease)
            now = self._clock()
            if delivery is not None or now >= until:
                return delivery
            soon = min((message.visible_at for message in self.messages), default=until)
            await self._changed.wait(min(until, soon) - now)

    async def extend(self, delivery: Delivery, *, lease: float) -> None:
        self._show(delivery, lease)

    async def ack(self, delivery: Delivery) -> None:
        self.messages = [one for one in self.messages if one.receipt != delivery.receipt]

    async def release(self, delivery: Delivery, *, delay: float) -> None:
        self._show(delivery, delay)
        self._changed.set()

    async def depth(self) -> QueueDepth:
        waiting = sum(one.visible_at <= self._clock() for one in self.messages)
        return QueueDepth(waiting, len(self.messages) - waiting)

    def _take(self, lease: float) -> Delivery | None:
        now = self._clock()
        for message in sorted(self.messages, key=lambda one: one.visible_at):
            if message.visible_at > now:
                return None
            if self._dead_letters is not None and message.receives >= self._max_receives:
                self.messages.remove(message)
                self._dead_letters.messages.append(Message(message.body, now))
                continue
            message.receives += 1
            message.visible_at, message.receipt = now + lease, next(self._receipts)
            return Delivery(message.body, message.receipt, message.receives)
        return None

    def _show(self, delivery: Delivery, seconds: float) -> None:
        for message in self.messages:
            if message.receipt == delivery.receipt:
                message.visible_at = self._clock() + seconds


class MemoryStore:
    """Remembers every version of every task, and when it was written, for whoever checks what
    happened."""

    def __init__(self, clock: Clock, audit: "MemoryAudit | None" = None) -> None:
        self._clock, self._audit = clock, audit or MemoryAudit()
        self.history: defaultdict[str, list[Task]] = defaultdict(list)
        self.written_at: dict[tuple[str, int], float] = {}
        self._changed = Signal()

    @property
    def tasks(self) -> Sequence[Task]:
        return [versions[-1] for versions in self.history.values()]

    async def create(self, task: Task, *, line: AuditLine | None = None) -> Task:
        if task.task_id in self.history:
            raise TaskExists(self.history[task.task_id][-1])
        self._audit.note(line)
        return self._write(task)

    async def get(self, task_id: str) -> Task | None:
        return self.history[task_id][-1] if task_id in self.history else None

    async def replace(self, task: Task, *, line: AuditLine | None = None) -> Task:
        stored = await self.get(task.task_id)
        if stored is None or stored.version != task.version:
            raise StaleTask(task.task_id)
        self._audit.note(line)
        return self._write(task)

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        until = self._clock() + timeout
        while True:
            task = await self.get(task_id)
            left = until - self._clock()
            if task is None or task.version != version or left <= 0:
                return task
            await self._changed.wait(left)

    async def list(
        self,
        where: TaskFilter,
        *,
        cursor: str | None,
        limit: int,
        order: Order = Order.NEWEST,
    ) -> TaskPage:
        begin = None if cursor is None else _place(cursor, order)
        newest = order is Order.NEWEST
        places = sorted(
            (
                _place_of(task, order)
                for task in self.tasks
                if where.matches(task) and (order is not Order.SHOT or Shot.of(task.labels))
            ),
            reverse=newest,
        )
        if begin is not None:
            places = [one for one in places if (one < begin if newest else one > begin)]
        more = write_places(*places[limit - 1]) if len(places) > limit else None
        return TaskPage([self.history[place[-1]][-1] for place in places[:limit]], more)

    async def count(self, where: TaskFilter, *, most: int) -> TaskCount:
        found = sum(where.matches(task) for task in self.tasks)
        return TaskCount(min(found, most), is_whole=found <= most)

    async def due(self, now: float, *, limit: int) -> Sequence[Task]:
        due = [(task.due_at, task) for task in self.tasks if task.due_at is not None]
        late = [(at, task) for at, task in due if at <= now]
        return [task for _, task in sorted(late, key=lambda pair: pair[0])][:limit]

    async def oldest_pending(self, lane: Lane) -> float | None:
        waiting = [task for task in self.tasks if task.status is TaskStatus.PENDING]
        return min((task.created_at for task in waiting if task.lane is lane), default=None)

    async def count_open(self, owner: str, lane: Lane, *, most: int) -> int:
        where = TaskFilter(
            owner=owner, lane=lane, statuses=(TaskStatus.PENDING, TaskStatus.PROCESSING)
        )
        return min(sum(where.matches(task) for task in self.tasks), most)

    async def outlook(self, task: Task) -> Outlook:
        ahead = [
            other
            for other in self.tasks
            if (other.lane, other.status) == (task.lane, TaskStatus.PENDING)
            and other.created_at < task.created_at
        ]
        took = [
            timings_of(other).running_seconds or 0.0
            for other in self.tasks
            if (other.kind, other.status) == (task.kind, TaskStatus.COMPLETED)
        ]
        held = [
            other
            for other in self.tasks
            if (other.lane, other.status) == (task.lane, TaskStatus.PROCESSING)
        ]
        return outlook(
            task,
            held,
            before=len(ahead),
            seconds_each=statistics.median(took) if took else None,
            now=self._clock(),
        )

    def _write(self, task: Task) -> Task:
        stored = replace(task, version=task.version + 1)
        self.history[task.task_id].append(stored)
        self.written_at[task.task_id, stored.version] = self._clock()
        self._changed.set()
        return stored


def _place_of(task: Task, order: Order) -> tuple[Any, ...]:
    own = (task.created_at, task.task_id)
    shot = Shot.of(task.labels)
    return (shot.place, *own) if order is Order.SHOT and shot else own


def _place(cursor: str, order: Order) -> tuple[Any, ...]:
    if order is not Order.SHOT:
        return read_cursor(cursor)
    shot, created_at, task_id = read_places(cursor, 3)
    return shot, read_moment(created_at), task_id


class MemoryShots:
    """Implements `ports.ShotStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._picks: dict[tuple[str, Shot], Picks] = {}

    async def list(
        self, owner: str, project: str, episode: str | None, *, cursor: str | None, limit: int
    ) -> ShotPage:
        named = [Shot.of(task.labels) for task in self._store.tasks if task.owner == owner]
        picked = [shot for whose, shot in self._picks if whose == owner]
        after = "" if cursor is None else read_places(cursor, 1)[0]
        shots = sorted(
            {
                shot
                for shot in (*named, *picked)
                if shot is not None
                and shot.project == project
                and episode in (None, shot.episode)
                and shot.place > after
            },
            key=lambda shot: shot.place,
        )
        more = write_places(shots[limit - 1].place) if len(shots) > limit else None
        return ShotPage(shots[:limit], more)

    async def takes(
        self, owner: str, shots: Sequence[Shot], *, most: int
    ) -> Mapping[Shot, Sequence[Task]]:
        where = TaskFilter(owner=owner)
        tasks = [task for task in self._store.tasks if where.matches(task)]
        tasks.sort(key=lambda task: task.created_at, reverse=True)
        return {
            shot: [task for task in tasks if Shot.of(task.labels) == shot][:most] for shot in shots
        }

    async def picks(self, owner: str, shots: Sequence[Shot]) -> Mapping[Shot, Picks]:
        return {
            shot: self._picks.get((owner, shot), Picks(owner=owner, shot=shot)) for shot in shots
        }

    async def write(self, picks: Picks) -> Picks:
        found = await self.picks(picks.owner, [picks.shot])
        if found[picks.shot].version != picks.version:
            raise StalePicks(picks.shot.place)
        stored = replace(picks, version=picks.version + 1)
        self._picks[picks.owner, picks.shot] = stored
        return stored


@dataclass(slots=True)
class MemoryAssets:
    public_url: str = "http://localhost/assets"
    assets: dict[str, tuple[bytes, AssetInfo]] = field(default_factory=dict)

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        if key in self.assets:
            raise AssetExists(key)
        info = AssetInfo(
            key=key, size=len(data), content_type=content_type, metadata=dict(metadata or {})
        )
        self.assets[key] = (data, info)

    async def get(self, key: str) -> bytes:
        return self._find(key)[0]

    async def pieces(self, key: str) -> AsyncIterator[bytes]:
        data, size = await self.get(key), 64 * 1024
        for at in range(0, len(data), size):
            yield data[at : at + size]

    async def head(self, key: str) -> AssetInfo:
        return self._find(key)[1]

    async def inspect(self, key: str) -> AssetInfo:
        return self._find(key)[1]

    async def delete(self, key: str) -> None:
        self.assets.pop(key, None)

    async def renew(self, key: str) -> None:
        self._find(key)

    def url(self, key: str) -> str:
        return f"{self.public_url}/{key}"

    def _find(self, key: str) -> tuple[bytes, AssetInfo]:
        if key not in self.assets:
            raise AssetNotFound(f"there is no asset {key[:200]!r}", fix="Upload it first.")
        return self.assets[key]


class MemoryLedger:
    """Implements `ports.SpendLedger`."""

    def __init__(self, clock: Clock = time.time) -> None:
        self.pages: dict[str, TaskSpend] = {}
        self._clock = clock

    async def read(self, task_id: str) -> TaskSpend | None:
        return self.pages.get(task_id)

    async def write(self, page: TaskSpend, *, limits: Mapping[str, int] | None = None) -> TaskSpend:
        before = self.pages.get(page.task_id)
        if page.version != (0 if before is None else before.version):
            raise StaleSpend(page.task_id)
        stored = replace(page, version=page.version + 1, written_at=self._clock())
        for account, micros in stored.counted_more(before).items():
            limit = (limits or {}).get(account)
            if limit is not None and micros > 0 and await self.total(account) + micros > limit:
                raise OverLimit(account)
        self.pages[page.task_id] = stored
        return stored

    async def total(self, account: str) -> int:
        return sum(page.counted.get(account, 0) for page in self.pages.values())

    async def open(self, *, limit: int, after: TaskSpend | None = None) -> Sequence[TaskSpend]:
        pages = sorted(self.pages.values(), key=_written)
        begin = (0.0, "") if after is None else _written(after)
        return [page for page in pages if page.is_open and _written(page) > begin][:limit]

    async def written_since(self, moment: float) -> AsyncIterator[TaskSpend]:
        for page in list(self.pages.values()):
            if page.written_at >= moment:
                yield page


def _written(page: TaskSpend) -> tuple[float, str]:
    return page.written_at, page.task_id


class MemoryNotices:
    """Implements `ports.LaneNotices`."""

    def __init__(self) -> None:
        self._notices: defaultdict[Lane, dict[str, LaneNotice]] = defaultdict(dict)

    async def say(self, lane: Lane, notice: LaneNotice) -> None:
        self._notices[lane][notice.speaker] = notice

    async def said(self, lane: Lane, *, since: float) -> Sequence[LaneNotice]:
        return [one for one in self._notices[lane].values() if one.until > since]


class MemoryWebhooks:
    """Implements `ports.WebhookStore`."""

    def __init__(self) -> None:
        self._of: dict[str, Endpoints] = {}

    async def of(self, owner: str) -> Endpoints:
        return self._of.get(owner, Endpoints(owner))

    async def replace(self, endpoints: Endpoints) -> Endpoints:
        if (await self.of(endpoints.owner)).version != endpoints.version:
            raise StaleEndpoints(endpoints.owner)
        stored = self._of[endpoints.owner] = replace(endpoints, version=endpoints.version + 1)
        return stored


class MemoryAudit:
    """Implements `ports.AuditLog`; a cursor is a number."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def note(self, line: AuditLine | None) -> None:
        if line is not None:
            number, before = len(self.entries), self.entries[-1].digest if self.entries else ""
            entry = AuditEntry.of(line, until=None, number=number + 1, before=before)
            self.entries.append(entry)

    async def append(self, line: AuditLine) -> None:
        self.note(line)

    async def list(self, where: AuditFilter, *, cursor: str | None, limit: int) -> AuditPage:
        end = len(self.entries) if cursor is None else int(read_cursor(cursor)[0])
        begin = max(end - limit, 0)
        found = [one for one in self.entries[begin:end][::-1] if where.matches(one.line)]
        return AuditPage(found, write_cursor(float(begin), "") if begin else None)

    async def every(self) -> AsyncIterator[AuditEntry]:
        for entry in self.entries:
            yield entry


class MemoryKeys:
    """Implements `ports.KeyStore`."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    async def add(self, key: ApiKey) -> None:
        if key.key_id in self._keys:
            raise KeyExists(key.key_id)
        self._keys[key.key_id] = key

    async def get(self, key_id: str) -> ApiKey | None:
        return self._keys.get(key_id)

    async def list(self) -> Sequence[ApiKey]:
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.key_id))

    async def revoke(self, key_id: str, *, at: float) -> ApiKey | None:
        if (key := self._keys.get(key_id)) is None:
            return None
        if key.revoked_at is None:
            self._keys[key_id] = replace(key, revoked_at=at)
        return self._keys[key_id]

    async def used(self, key_id: str, *, at: float) -> None:
        if (key := self._keys.get(key_id)) is not None:
            self._keys[key_id] = replace(key, last_used_at=at)


class MemoryCharacters:
    """Implements `ports.CharacterStore`."""

    def __init__(self) -> None:
        self._characters: dict[tuple[str, str], Character] = {}
        self._uses: dict[tuple[str, str], set[str]] = defaultdict(set)

    async def get(self, owner: str, name: str) -> Character | None:
        return self._characters.get((owner, name))

    async def list(self, owner: str) -> Sequence[Character]:
        return [found for (whose, _), found in sorted(self._characters.items()) if whose == owner]

    async def write(self, character: Character) -> Character:
        named = (character.owner, character.name)
        self._require_newest(character)
        self._characters[named] = replace(character, version=character.version + 1)
        return self._characters[named]

    async def delete(self, character: Character) -> None:
        named = (character.owner, character.name)
        if named not in self._characters:
            raise StaleCharacter(character.name)
        self._require_newest(character)
        del self._characters[named]
        self._uses.pop(named, None)

    async def note_use(self, owner: str, name: str, task_id: str) -> None:
        self._uses[owner, name].add(task_id)

    async def uses(self, owner: str, name: str) -> Sequence[str]:
        return sorted(self._uses[owner, name])

    def _require_newest(self, character: Character) -> None:
        stored = self._characters.get((character.owner, character.name))
        if character.version != (stored.version if stored else 0):
            raise StaleCharacter(character.name)


def an_open_gate() -> ConsentGate:
    """For tasks without characters."""
    return ConsentGate(MemoryCharacters())
