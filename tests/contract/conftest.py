"""The backends that the promises of `short_drama.ports` are tested on.

A further backend is one more entry of BACKENDS, and no other change.
"""

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from short_drama.backends.aws.asset_store import S3AssetStore
from short_drama.backends.aws.audit_log import DynamoAuditLog
from short_drama.backends.aws.bucket import create_bucket
from short_drama.backends.aws.character_store import DynamoCharacterStore
from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.backends.aws.key_store import DynamoKeyStore
from short_drama.backends.aws.lane_notices import DynamoLaneNotices
from short_drama.backends.aws.queue_resources import create_queues
from short_drama.backends.aws.shot_store import DynamoShotStore
from short_drama.backends.aws.spend_ledger import DynamoSpendLedger
from short_drama.backends.aws.table import create_table
from short_drama.backends.aws.task_queue import SqsTaskQueue
from short_drama.backends.aws.task_store import DynamoTaskStore
from short_drama.backends.aws.webhook_store import DynamoWebhookStore
from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.backends.embedded.audit_log import EmbeddedAuditLog
from short_drama.backends.embedded.character_store import EmbeddedCharacterStore
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.key_store import EmbeddedKeyStore
from short_drama.backends.embedded.lane_notices import EmbeddedLaneNotices
from short_drama.backends.embedded.shot_store import EmbeddedShotStore
from short_drama.backends.embedded.spend_ledger import EmbeddedSpendLedger
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.backends.embedded.webhook_store import EmbeddedWebhookStore
from short_drama.domain.kinds import Lane
from short_drama.ports import (
    AssetStore,
    AuditLog,
    CharacterStore,
    KeyStore,
    LaneNotices,
    ShotStore,
    SpendLedger,
    TaskQueue,
    TaskStore,
    WebhookStore,
)
from tests.protocol.memory import (
    MemoryAssets,
    MemoryAudit,
    MemoryCharacters,
    MemoryKeys,
    MemoryLedger,
    MemoryNotices,
    MemoryQueue,
    MemoryShots,
    MemoryStore,
    MemoryWebhooks,
)
from tests.real_comfyui.program import Program, prepared

MAX_RECEIVES = 3


@dataclass(frozen=True, slots=True)
class Queues:
    """`queue` is the GPU lane's, limited to MAX_RECEIVES; `other` is the CPU lane's."""

    queue: TaskQueue
    dead_letters: TaskQueue
    other: TaskQueue


class Backend(Protocol):
    """One backend, empty, and its clock's grain; each port is made when a test asks for it."""

    @property
    def tick(self) -> float:
        """The shortest lease or delay, in seconds, that the backend tells apart from none."""
        ...

    @property
    def prompt(self) -> float:
        """How soon, at the latest, a long poll returns what has come; seconds."""
        ...

    async def queues(self) -> Queues: ...

    async def store(self) -> TaskStore: ...

    async def assets(self) -> AssetStore: ...

    async def ledger(self) -> SpendLedger: ...

    async def notices(self) -> LaneNotices: ...

    async def keys(self) -> KeyStore: ...

    async def webhooks(self) -> WebhookStore: ...

    async def characters(self) -> CharacterStore: ...

    async def audit(self) -> AuditLog: ...

    async def shots(self) -> ShotStore:
        """Of the tasks of its `store`, which has been asked for."""
        ...


# --- Embedded -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Embedded:
    root: Path
    database: Database
    wakeups: Wakeups
    tick = 0.2
    prompt = 0.4

    async def queues(self) -> Queues:
        gpu = Lane.GPU
        return Queues(
            EmbeddedTaskQueue(
                self.database,
                self.wakeups,
                gpu.queue,
                dead_letter=gpu.dead_letter_queue,
                max_receives=MAX_RECEIVES,
            ),
            EmbeddedTaskQueue(self.database, self.wakeups, gpu.dead_letter_queue),
            EmbeddedTaskQueue(self.database, self.wakeups, Lane.CPU.queue),
        )

    async def store(self) -> TaskStore:
        return EmbeddedTaskStore(self.database, self.wakeups)

    async def assets(self) -> AssetStore:
        return EmbeddedAssetStore(self.root / "assets", public_url="http://localhost/assets/")

    async def ledger(self) -> SpendLedger:
        return EmbeddedSpendLedger(self.database)

    async def notices(self) -> LaneNotices:
        return EmbeddedLaneNotices(self.database)

    async def keys(self) -> KeyStore:
        return EmbeddedKeyStore(self.database)

    async def webhooks(self) -> WebhookStore:
        return EmbeddedWebhookStore(self.database)

    async def characters(self) -> CharacterStore:
        return EmbeddedCharacterStore(self.database)

    async def audit(self) -> AuditLog:
        return EmbeddedAuditLog(self.database)

    async def shots(self) -> ShotStore:
        return EmbeddedShotStore(self.database)


@contextlib.asynccontextmanager
async def embedded(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[Backend]:
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    # Who looks now and then would be prompt as well.
    patch.setattr("short_drama.backends.embedded.wakeups.POLL_SECONDS", 60.0)
    async with Database(root / "tasks.db") as database, Wakeups(root) as wakeups:
        yield Embedded(root, database, wakeups)


# --- AWS ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aws:
    clients: Clients
    prefix: str
    tick = 1.0
    prompt = 1.0

    async def queues(self) -> Queues:
        sqs, gpu = self.clients.sqs, Lane.GPU
        await create_queues(sqs, prefix=self.prefix, max_receives=MAX_RECEIVES)
        return Queues(
            SqsTaskQueue(sqs, self.prefix + gpu.queue),
            SqsTaskQueue(sqs, self.prefix + gpu.dead_letter_queue),
            SqsTaskQueue(sqs, self.prefix + Lane.CPU.queue),
        )

    async def store(self) -> TaskStore:
        await create_table(self.clients.dynamodb, self.prefix + "tasks")
        return DynamoTaskStore(self.clients.dynamodb, table=self.prefix + "tasks")

    async def assets(self) -> AssetStore:
        bucket = self.prefix + "assets"
        await create_bucket(self.clients.s3, bucket)
        return S3AssetStore(self.clients.s3, bucket=bucket, public_url="http://localhost/")

    async def ledger(self) -> SpendLedger:
        await create_table(self.clients.dynamodb, self.prefix + "tasks")
        return DynamoSpendLedger(self.clients.dynamodb, table=self.prefix + "tasks")

    async def notices(self) -> LaneNotices:
        await create_table(self.clients.dynamodb, self.prefix + "tasks")
        return DynamoLaneNotices(self.clients.dynamodb, table=self.prefix + "tasks")

    async def keys(self) -> KeyStore:
        await create_table(self.clients.dynamodb, self.prefix + "tasks")
        return DynamoKeyStore(self.clients.dynamodb, table=self.prefix + "tasks")

    async def webhooks(self) -> WebhookStore:
        await create_table(self.clients.dynamodb, self.prefix + "tasks")
        return DynamoWebhookStore(self.clients.dynamodb, table=self.prefix + "tasks")

    async def characters(self) -> CharacterStore:
        await create_table(self.clients.dynamodb, self.prefix + "tasks")
        return DynamoCharacterStore(self.clients.dynamodb, table=self.prefix + "tasks")

    async def audit(self) -> AuditLog:
        await create_table(self.clients.dynamodb, self.prefix + "tasks")
        return DynamoAuditLog(self.clients.dynamodb, table=self.prefix + "tasks")

    async def shots(self) -> ShotStore:
        return DynamoShotStore(self.clients.dynamodb, table=self.prefix + "tasks")


@contextlib.asynccontextmanager
async def aws(request: pytest.FixtureRequest, _: Path) -> AsyncIterator[Backend]:
    request.getfixturevalue("aws")
    async with open_clients() as clients:
        yield Aws(clients, f"t{uuid.uuid4().hex[:12]}-")


# --- Memory -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Memory:
    lines: MemoryAudit
    tasks: MemoryStore
    tick = 0.2
    prompt = 0.4

    async def queues(self) -> Queues:
        dead_letters = MemoryQueue(time.time)
        queue = MemoryQueue(time.time, dead_letters=dead_letters, max_receives=MAX_RECEIVES)
        return Queues(queue, dead_letters, MemoryQueue(time.time))

    async def store(self) -> TaskStore:
        return self.tasks

    async def assets(self) -> AssetStore:
        return MemoryAssets()

    async def ledger(self) -> SpendLedger:
        return MemoryLedger()

    async def notices(self) -> LaneNotices:
        return MemoryNotices()

    async def keys(self) -> KeyStore:
        return MemoryKeys()

    async def webhooks(self) -> WebhookStore:
        return MemoryWebhooks()

    async def characters(self) -> CharacterStore:
        return MemoryCharacters()

    async def audit(self) -> AuditLog:
        return self.lines

    async def shots(self) -> ShotStore:
        return MemoryShots(self.tasks)


@contextlib.asynccontextmanager
async def memory(_: pytest.FixtureRequest, __: Path) -> AsyncIterator[Backend]:
    lines = MemoryAudit()
    yield Memory(lines, MemoryStore(time.time, lines))


# --- Fixtures -----------------------------------------------------------------------------

Open = Callable[[pytest.FixtureRequest, Path], contextlib.AbstractAsyncContextManager[Backend]]
BACKENDS = [
    pytest.param(embedded, id="embedded"),
    pytest.param(memory, id="memory"),
    pytest.param(aws, id="aws", marks=pytest.mark.aws),
]


@pytest.fixture(params=BACKENDS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    opens: Open = request.param
    async with opens(request, tmp_path) as opened:
        yield opened


@pytest.fixture
async def queues(backend: Backend) -> Queues:
    return await backend.queues()


@pytest.fixture
def queue(queues: Queues) -> TaskQueue:
    return queues.queue


@pytest.fixture
def dead_letters(queues: Queues) -> TaskQueue:
    return queues.dead_letters


@pytest.fixture
async def store(backend: Backend) -> TaskStore:
    return await backend.store()


@pytest.fixture
async def assets(backend: Backend) -> AssetStore:
    return await backend.assets()


@pytest.fixture
async def ledger(backend: Backend) -> SpendLedger:
    return await backend.ledger()


@pytest.fixture
async def notices(backend: Backend) -> LaneNotices:
    return await backend.notices()


@pytest.fixture
async def keys(backend: Backend) -> KeyStore:
    return await backend.keys()


@pytest.fixture
async def webhooks(backend: Backend) -> WebhookStore:
    return await backend.webhooks()


@pytest.fixture
async def characters(backend: Backend) -> CharacterStore:
    return await backend.characters()


@pytest.fixture
async def audit(backend: Backend) -> AuditLog:
    return await backend.audit()


@pytest.fixture
async def shots(backend: Backend, store: TaskStore) -> ShotStore:
    return await backend.shots()


@pytest.fixture
def tick(backend: Backend) -> float:
    return backend.tick


@pytest.fixture
def prompt(backend: Backend) -> float:
    return backend.prompt


@dataclass(frozen=True, slots=True)
class Ports:
    """For promises about a store and its queue together."""

    store: TaskStore
    queue: TaskQueue


@pytest.fixture
def ports(store: TaskStore, queue: TaskQueue) -> Ports:
    return Ports(store, queue)


@pytest.fixture(scope="session")
def comfyui_program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """What `--comfyui real` starts."""
    return prepared(tmp_path_factory.mktemp("models"))
