"""The backend that the settings name, opened."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from short_drama.complaints import Complaints, Part
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import Lane
from short_drama.domain.lifetimes import Lifetimes
from short_drama.orchestrator.dead_letters import LaneQueues
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
from short_drama.settings import Settings
from short_drama.watch import Look, look_at_disk


class BackendCheck(Protocol):
    async def __call__(self, *parts: Part) -> None: ...


if TYPE_CHECKING:
    from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
    from short_drama.backends.embedded.database import Database
    from short_drama.backends.embedded.wakeups import Wakeups


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Its ports, opened, and what goes with them."""

    store: TaskStore
    shots: ShotStore
    queues: Mapping[Lane, TaskQueue]
    dead_letters: Mapping[Lane, TaskQueue]
    assets: AssetStore
    ledger: SpendLedger
    notices: LaneNotices
    keys: KeyStore
    webhooks: WebhookStore
    characters: CharacterStore
    audit: AuditLog
    secret: bytes | None
    """Makes task ids of idempotency keys, and keys of uploads, unguessable; only orchestrators need
    it."""
    look: Look
    """For /metrics: at what the backend stands on."""
    take_over: Callable[[], Awaitable[int]]
    """Take back what workers that are known to be gone still hold; how many tasks."""
    check: "BackendCheck"
    """Raises Unavailable while what this process asked of these parts was refused."""
    tidy: Callable[[], Awaitable[None]] | None = None
    """One pass over all that is kept, which deletes what has had its time; None where the backend
    does so by itself."""

    @property
    def required_secret(self) -> bytes:
        """An orchestrator's. Raises InvalidRequest where there is none."""
        if self.secret is None:
            raise InvalidRequest(
                "an orchestrator on AWS needs a secret for idempotency keys",
                field="SHORT_DRAMA_SECRET",
                fix="Set SHORT_DRAMA_SECRET to 32 random characters or more, the same for each.",
            )
        return self.secret

    def lane_queues(self) -> dict[Lane, LaneQueues]:
        return {
            lane: LaneQueues(queue=self.queues[lane], dead_letters=self.dead_letters[lane])
            for lane in Lane
        }


def open_backend(
    settings: Settings, *, assets_url: str
) -> contextlib.AbstractAsyncContextManager[Backend]:
    """The backend the settings name. `assets_url`: where clients read assets.

    Raises Unavailable when the data directory cannot be used, InvalidRequest when a setting is
    missing.
    """
    if settings.backend == "aws":
        return _open_aws(settings, assets_url)
    return _open_embedded(settings, assets_url)


@contextlib.asynccontextmanager
async def _open_embedded(settings: Settings, assets_url: str) -> AsyncIterator[Backend]:
    from short_drama.backends.embedded.database import Database
    from short_drama.backends.embedded.wakeups import Wakeups

    root, complaints = settings.data_dir, Complaints()
    database = Database(root / "tasks.db", complaints=complaints)
    async with database, Wakeups(root, version=database.version) as wakeups:
        secret = _secret(root / "secret")
        yield _embedded(settings, database, wakeups, complaints, assets_url, secret=secret)


@contextlib.asynccontextmanager
async def look_into(settings: Settings) -> AsyncIterator[Backend]:
    """The backend to be read only, beside whoever works on it: nothing is made or changed.

    Raises Unavailable, also when the data directory has no tasks or those of another version;
    InvalidRequest as `open_backend`.
    """
    if settings.backend == "aws":
        async with _open_aws(settings, assets_url="") as backend:
            yield backend
        return
    from short_drama.backends.embedded.read_only import ReadOnlyDatabase
    from short_drama.backends.embedded.wakeups import Wakeups

    root = settings.data_dir
    async with ReadOnlyDatabase(root / "tasks.db") as database:
        yield _embedded(settings, database, Wakeups(root), Complaints(), "", secret=None)


def _embedded(
    settings: Settings,
    database: "Database",
    wakeups: "Wakeups",
    complaints: Complaints,
    assets_url: str,
    *,
    secret: bytes | None,
) -> Backend:
    from short_drama.backends.embedded.audit_log import EmbeddedAuditLog
    from short_drama.backends.embedded.character_store import EmbeddedCharacterStore
    from short_drama.backends.embedded.key_store import EmbeddedKeyStore
    from short_drama.backends.embedded.lane_notices import EmbeddedLaneNotices
    from short_drama.backends.embedded.recovery import take_over
    from short_drama.backends.embedded.retention import Keeper
    from short_drama.backends.embedded.shot_store import EmbeddedShotStore
    from short_drama.backends.embedded.spend_ledger import EmbeddedSpendLedger
    from short_drama.backends.embedded.task_store import EmbeddedTaskStore
    from short_drama.backends.embedded.webhook_store import EmbeddedWebhookStore

    root, kept = settings.data_dir, lifetimes(settings)
    store = EmbeddedTaskStore(database, wakeups, lifetimes=kept)
    assets = _embedded_assets(settings, complaints, assets_url)

    queues, dead_letters = _embedded_queues(settings, database, wakeups)
    return Backend(
        store=store,
        shots=EmbeddedShotStore(database),
        queues=queues,
        dead_letters=dead_letters,
        assets=assets,
        ledger=EmbeddedSpendLedger(database),
        notices=EmbeddedLaneNotices(database),
        keys=EmbeddedKeyStore(database),
        webhooks=EmbeddedWebhookStore(database),
        characters=EmbeddedCharacterStore(database),
        audit=EmbeddedAuditLog(database, lifetimes=kept),
        secret=secret,
        look=partial(look_at_disk, "data", root),
        take_over=lambda: take_over(database, store),
        check=_embedded_check(root, database, assets, complaints),
        tidy=Keeper(database, root, kept).tidy,
    )


def _embedded_queues(
    settings: Settings, database: "Database", wakeups: "Wakeups"
) -> tuple[dict[Lane, TaskQueue], dict[Lane, TaskQueue]]:
    """The lanes', and those of their dead letters."""
    from short_drama.backends.embedded.claiming_queue import EmbeddedClaimingQueue

    queue, most = partial(EmbeddedClaimingQueue, database, wakeups), settings.owner_running_tasks
    own: dict[Lane, TaskQueue] = {
        lane: queue(lane.queue, dead_letter=lane.dead_letter_queue, most_each=most or None)
        for lane in Lane
    }
    return own, {lane: queue(lane.dead_letter_queue) for lane in Lane}


def _embedded_assets(
    settings: Settings, complaints: Complaints, assets_url: str
) -> "EmbeddedAssetStore":
    from short_drama.backends.embedded.asset_store import EmbeddedAssetStore

    return EmbeddedAssetStore(
        settings.data_dir / "assets",
        public_url=assets_url,
        complaints=complaints,
        most_uploads=settings.uploads_mib * 2**20,
        most_uploads_each=settings.owner_uploads_mib * 2**20,
    )


def _embedded_check(
    root: Path, database: "Database", assets: "EmbeddedAssetStore", complaints: Complaints
) -> BackendCheck:
    from short_drama.backends.embedded.disk import require_room

    async def check(*parts: Part) -> None:
        require_room(root)
        database.require_writer()
        # What was refused is tried again: nothing else may, while nobody takes work.
        if complaints.trouble(*parts) is not None:
            await database.try_to_write()
            await assets.try_to_write()

    return check


def lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        tasks=settings.keep_days,
        uploads=settings.keep_uploads_days,
        audit=settings.keep_audit_days,
        deleted=settings.deleted_keep_days,
    )


@contextlib.asynccontextmanager
async def _open_aws(settings: Settings, assets_url: str) -> AsyncIterator[Backend]:
    from short_drama.backends.aws.asset_store import S3AssetStore
    from short_drama.backends.aws.audit_log import DynamoAuditLog
    from short_drama.backends.aws.character_store import DynamoCharacterStore
    from short_drama.backends.aws.clients import open_clients
    from short_drama.backends.aws.key_store import DynamoKeyStore
    from short_drama.backends.aws.lane_notices import DynamoLaneNotices
    from short_drama.backends.aws.shot_store import DynamoShotStore
    from short_drama.backends.aws.spend_ledger import DynamoSpendLedger
    from short_drama.backends.aws.task_queue import SqsTaskQueue
    from short_drama.backends.aws.task_store import DynamoTaskStore
    from short_drama.backends.aws.webhook_store import DynamoWebhookStore

    async def nothing_to_take_over() -> int:
        return 0  # other machines may hold what this one does not know of

    prefix, secret = settings.name_prefix, settings.secret
    table, kept = prefix + settings.table, lifetimes(settings)
    async with open_clients(settings.aws_region) as clients:

        async def check(*parts: Part) -> None:
            if (trouble := clients.complaints.trouble(*parts)) is not None:
                raise trouble

        yield Backend(
            store=DynamoTaskStore(clients.dynamodb, table=table, lifetimes=kept),
            shots=DynamoShotStore(clients.dynamodb, table=table, lifetimes=kept),
            queues={lane: SqsTaskQueue(clients.sqs, prefix + lane.queue) for lane in Lane},
            dead_letters={
                lane: SqsTaskQueue(clients.sqs, prefix + lane.dead_letter_queue) for lane in Lane
            },
            assets=S3AssetStore(clients.s3, bucket=settings.bucket, public_url=assets_url),
            ledger=DynamoSpendLedger(clients.dynamodb, table=table),
            notices=DynamoLaneNotices(clients.dynamodb, table=table),
            keys=DynamoKeyStore(clients.dynamodb, table=table),
            audit=DynamoAuditLog(clients.dynamodb, table=table, lifetimes=kept),
            webhooks=DynamoWebhookStore(clients.dynamodb, table=table),
            characters=DynamoCharacterStore(clients.dynamodb, table=table),
            look=clients.look,
            secret=None if secret is None else secret.get_secret_value().encode(),
            take_over=nothing_to_take_over,
            check=check,
        )


async def provision(settings: Settings) -> Sequence[str]:
    """Create what the AWS backend needs and does not have; nothing that exists is changed.

    Returns the names of what was created. Raises Unavailable.
    """
    from short_drama.backends.aws.bucket import create_bucket
    from short_drama.backends.aws.clients import open_clients
    from short_drama.backends.aws.queue_resources import create_queues
    from short_drama.backends.aws.resources import TABLES, TASKS
    from short_drama.backends.aws.table import create_table

    prefix = settings.name_prefix
    async with open_clients(settings.aws_region) as clients:
        created = list(await create_queues(clients.sqs, prefix=prefix))
        for table in TABLES:
            name = prefix + (settings.table if table is TASKS else table.name)
            if await create_table(clients.dynamodb, name, table):
                created.append(name)
        if await create_bucket(clients.s3, settings.bucket, lifetimes=lifetimes(settings)):
            created.append(settings.bucket)
    return created


def _secret(path: Path) -> bytes:
    """The data directory's secret, made by whichever process is first."""
    with contextlib.suppress(FileExistsError):
        temporary = path.with_name(f".secret-{secrets.token_hex(8)}")
        temporary.touch(mode=0o600)
        temporary.write_bytes(secrets.token_bytes(32))
        try:
            os.link(temporary, path)
        finally:
            temporary.unlink()
    return path.read_bytes()
