"""From settings to objects: the only module that names a backend or an engine."""

import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from short_drama.comfyui_api import unified_api
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import Lane
from short_drama.images.fetch import Fetcher
from short_drama.images.guard import Guard
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import JobRunner, Work
from short_drama.orchestrator import cpu_orchestrator_api, orchestrator_api
from short_drama.orchestrator.dead_letters import Line
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.submit import Submitter
from short_drama.orchestrator.sweeper import Sweeper
from short_drama.paid_api import api_service
from short_drama.ports import AssetStore, TaskQueue, TaskStore
from short_drama.settings import Settings
from short_drama.sqs_adapter.attempt import LeaseTimes
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.handler import Limits
from short_drama.sqs_adapter.job_client import JobClient


class Component(StrEnum):
    """What can run on its own; `up` runs them all in one process."""

    ORCHESTRATOR = "orchestrator"
    CPU_ORCHESTRATOR = "cpu-orchestrator"
    COMFYUI_API = "comfyui-api"
    PAID_API = "paid-api"
    GPU_ADAPTER = "gpu-adapter"
    CPU_ADAPTER = "cpu-adapter"

    @property
    def serves_http(self) -> bool:
        return self not in (Component.GPU_ADAPTER, Component.CPU_ADAPTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The three ports, opened."""

    store: TaskStore
    queues: Mapping[Lane, TaskQueue]
    dead_letters: Mapping[Lane, TaskQueue]
    assets: AssetStore
    secret: bytes | None
    """Makes task ids of idempotency keys unguessable; only orchestrators need it."""
    take_over: Callable[[], Awaitable[int]]
    """Take back what workers that are known to be gone still hold; how many tasks."""

    def lines(self) -> dict[Lane, Line]:
        return {
            lane: Line(queue=self.queues[lane], dead_letters=self.dead_letters[lane])
            for lane in Lane
        }


@dataclass(slots=True, kw_only=True)
class Stack:
    """The components asked for, ready to be run."""

    backend: Backend
    apps: dict[Component, FastAPI] = field(default_factory=dict)
    consumers: list[Consumer] = field(default_factory=list)
    sweepers: list[Sweeper] = field(default_factory=list)


Engines = Callable[[Settings, ImageSources, AssetStore], Mapping[str, Work[Any, Any]]]
"""How the kinds of one lane are done."""


def local_preview(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    from short_drama.comfyui_api.local_work import preview_works

    return preview_works(settings.models_dir, sources, assets)


def local_faces(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    from short_drama.paid_api.local_work import face_works

    return face_works(settings.models_dir, sources, assets)


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
    from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
    from short_drama.backends.embedded.database import Database
    from short_drama.backends.embedded.recovery import take_over
    from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
    from short_drama.backends.embedded.task_store import EmbeddedTaskStore
    from short_drama.backends.embedded.wakeups import Wakeups

    root = settings.data_dir
    async with Database(root / "tasks.db") as database, Wakeups(root) as wakeups:
        store = EmbeddedTaskStore(database, wakeups)
        queues = {
            lane: EmbeddedTaskQueue(
                database, wakeups, lane.queue, dead_letter=lane.dead_letter_queue
            )
            for lane in Lane
        }
        yield Backend(
            store=store,
            queues=queues,
            dead_letters={
                lane: EmbeddedTaskQueue(database, wakeups, lane.dead_letter_queue) for lane in Lane
            },
            assets=EmbeddedAssetStore(root / "assets", public_url=assets_url),
            secret=_secret(root / "secret"),
            take_over=lambda: take_over(database, store),
        )


@contextlib.asynccontextmanager
async def _open_aws(settings: Settings, assets_url: str) -> AsyncIterator[Backend]:
    from short_drama.backends.aws.asset_store import S3AssetStore
    from short_drama.backends.aws.clients import open_clients
    from short_drama.backends.aws.task_queue import SqsTaskQueue
    from short_drama.backends.aws.task_store import DynamoTaskStore

    async def nothing_to_take_over() -> int:
        return 0  # other machines may hold what this one does not know of

    prefix, secret = settings.name_prefix, settings.secret
    async with open_clients(settings.aws_region) as clients:
        yield Backend(
            store=DynamoTaskStore(clients.dynamodb, table=prefix + settings.table),
            queues={lane: SqsTaskQueue(clients.sqs, prefix + lane.queue) for lane in Lane},
            dead_letters={
                lane: SqsTaskQueue(clients.sqs, prefix + lane.dead_letter_queue) for lane in Lane
            },
            assets=S3AssetStore(clients.s3, bucket=settings.bucket, public_url=assets_url),
            secret=None if secret is None else secret.get_secret_value().encode(),
            take_over=nothing_to_take_over,
        )


async def provision(settings: Settings) -> Sequence[str]:
    """Create what the AWS backend needs and does not have; nothing that exists is changed.

    Returns the names of what was created. Raises Unavailable.
    """
    from short_drama.backends.aws.bucket import create_bucket
    from short_drama.backends.aws.clients import open_clients
    from short_drama.backends.aws.queue_resources import create_queues
    from short_drama.backends.aws.table import create_table

    prefix = settings.name_prefix
    async with open_clients(settings.aws_region) as clients:
        created = list(await create_queues(clients.sqs, prefix=prefix))
        if await create_table(clients.dynamodb, prefix + settings.table):
            created.append(prefix + settings.table)
        if await create_bucket(clients.s3, settings.bucket):
            created.append(settings.bucket)
    return created


@contextlib.asynccontextmanager
async def open_stack(
    settings: Settings,
    components: Mapping[Component, str],
    *,
    engines: Mapping[Lane, Engines] | None = None,
) -> AsyncIterator[Stack]:
    """Build the components asked for.

    Args:
        components: each with the address it is served at; "" for those without one.
        engines: how each lane's kinds are done, if not as the settings say.
    """
    addresses = _addresses(settings, components)
    assets_url = (
        settings.assets_url or _cdn(settings) or f"{addresses[Component.ORCHESTRATOR]}/assets"
    )
    own_urls = (assets_url, f"{addresses[Component.CPU_ORCHESTRATOR]}/assets")
    async with contextlib.AsyncExitStack() as opened:
        backend = await opened.enter_async_context(open_backend(settings, assets_url=assets_url))
        fetcher = await opened.enter_async_context(Fetcher(Guard(allow=settings.fetch_allow)))
        sources = ImageSources(
            backend.assets, fetcher, bucket=settings.bucket, public_urls=own_urls
        )
        stack = Stack(backend=backend)
        _add_orchestrators(stack, settings, sources, components)
        for lane, parts in _LANES.items():
            if parts.service in components:
                works = (engines or _LOCAL_ENGINES)[lane](settings, sources, backend.assets)
                runner = await opened.enter_async_context(
                    JobRunner(parts.service, works, parallel=settings.parallel(lane))
                )
                stack.apps[parts.service] = parts.create_service(
                    runner, backend.assets, hosts=settings.public_hosts
                )
            if parts.adapter in components:
                jobs = await opened.enter_async_context(JobClient(addresses[parts.service]))
                stack.consumers.append(_consumer(lane, settings, backend, jobs))
        yield stack


@dataclass(frozen=True, slots=True)
class _LaneParts:
    orchestrator: Component
    service: Component
    adapter: Component
    create_orchestrator: Callable[..., FastAPI]
    create_service: Callable[..., FastAPI]


_LANES = {
    Lane.GPU: _LaneParts(
        Component.ORCHESTRATOR,
        Component.COMFYUI_API,
        Component.GPU_ADAPTER,
        orchestrator_api.create_app,
        unified_api.create_app,
    ),
    Lane.CPU: _LaneParts(
        Component.CPU_ORCHESTRATOR,
        Component.PAID_API,
        Component.CPU_ADAPTER,
        cpu_orchestrator_api.create_app,
        api_service.create_app,
    ),
}
_LOCAL_ENGINES: Mapping[Lane, Engines] = {Lane.GPU: local_preview, Lane.CPU: local_faces}


def _cdn(settings: Settings) -> str | None:
    if settings.backend != "aws" or settings.cloudfront_domain is None:
        return None
    return f"https://{settings.cloudfront_domain}"


def _addresses(settings: Settings, components: Mapping[Component, str]) -> dict[Component, str]:
    """Where each component is: here if it runs here, else where the settings say."""
    base = f"http://{settings.host}"
    elsewhere = {
        Component.ORCHESTRATOR: f"{base}:{settings.orchestrator_port}",
        Component.CPU_ORCHESTRATOR: f"{base}:{settings.cpu_orchestrator_port}",
        Component.COMFYUI_API: settings.comfyui_api_url or f"{base}:{settings.comfyui_api_port}",
        Component.PAID_API: settings.paid_api_url or f"{base}:{settings.paid_api_port}",
    }
    return elsewhere | {component: url for component, url in components.items() if url}


def _add_orchestrators(
    stack: Stack,
    settings: Settings,
    sources: ImageSources,
    components: Mapping[Component, str],
) -> None:
    wanted = [parts for parts in _LANES.values() if parts.orchestrator in components]
    if not wanted:
        return
    backend = stack.backend
    if backend.secret is None:
        raise InvalidRequest(
            "an orchestrator on AWS needs a secret for idempotency keys",
            field="SHORT_DRAMA_SECRET",
            fix="Set it to 32 random characters or more, the same for every orchestrator.",
        )
    submitter = Submitter(
        backend.store,
        backend.queues,
        sources,
        secret=backend.secret,
        consent_required=settings.consent_required,
    )
    desk = Desk(
        submitter=submitter,
        store=backend.store,
        queues=backend.queues,
        assets=backend.assets,
        sources=sources,
        serves_assets=_cdn(settings) is None,
    )
    for parts in wanted:
        stack.apps[parts.orchestrator] = parts.create_orchestrator(
            desk, hosts=settings.public_hosts
        )
    stack.sweepers.append(
        Sweeper(
            backend.store,
            backend.lines(),
            every=settings.sweep_seconds,
            dead_letters_every=settings.dead_letter_seconds,
        )
    )


def _consumer(lane: Lane, settings: Settings, backend: Backend, jobs: JobClient) -> Consumer:
    limits = Limits(
        deliveries=settings.parallel(lane) + 1,
        wait=settings.poll,
        drain=settings.drain_seconds,
        times=LeaseTimes(
            lease=settings.lease_seconds,
            progress=settings.progress,
            visibility=settings.visibility(lane),
        ),
    )
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    return Consumer(name, limits, queue=backend.queues[lane], store=backend.store, jobs=jobs)


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
