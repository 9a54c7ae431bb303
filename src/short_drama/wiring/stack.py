"""From settings to objects: the only package, but for doctor, that names a backend or an engine."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from fastapi import FastAPI
from structlog.contextvars import bound_contextvars

from short_drama import metrics, tracing
from short_drama.comfyui_api import unified_api
from short_drama.consent_gate import ConsentGate
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Catalogue, Lane
from short_drama.images.fetch import Fetcher
from short_drama.images.guard import Guard
from short_drama.images.sources import ImageSources
from short_drama.jobs.room import MIB, Room, usual_room
from short_drama.jobs.runner import JobRunner
from short_drama.orchestrator import cpu_orchestrator_api, orchestrator_api
from short_drama.orchestrator.availability import Availability
from short_drama.orchestrator.character_office import CharacterOffice
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.picking import Picking
from short_drama.orchestrator.queue_limit import QueueLimit
from short_drama.orchestrator.queue_sight import QueueSight
from short_drama.orchestrator.submit import Submitter
from short_drama.orchestrator.sweeper import Pass, Sweeper
from short_drama.orchestrator.webhooks.registry import Registry
from short_drama.paid_api import api_service
from short_drama.settings import Settings
from short_drama.sqs_adapter import adapter_api
from short_drama.sqs_adapter.attempt import LeaseTimes
from short_drama.sqs_adapter.consumer import Consumer
from short_drama.sqs_adapter.handler import Limits
from short_drama.sqs_adapter.job_client import PATIENCE_SECONDS, JobClient
from short_drama.sqs_adapter.lane_reporter import LaneReporter
from short_drama.watch import Watch, look_at_disk
from short_drama.web.front.limits import descriptors, places
from short_drama.web.listeners import Listeners
from short_drama.web.owner_rate import OwnerRate
from short_drama.web.tickets import Tickets
from short_drama.wiring.accounts import open_hold, open_settlement
from short_drama.wiring.addresses import cdn, links, own_asset_urls, proxies
from short_drama.wiring.backend import Backend, open_backend
from short_drama.wiring.components import Component
from short_drama.wiring.engines import Engines, budgets, open_catalogue, open_runner
from short_drama.wiring.kind_facts import kind_facts
from short_drama.wiring.locks import asset_signatures, front_lock, inner_lock, service_token
from short_drama.wiring.manifests import open_manifests
from short_drama.wiring.webhooks import open_webhooks

_TIDY_EVERY = 3600.0


@dataclass(slots=True, kw_only=True)
class Stack:
    """The components asked for, ready to be run."""

    backend: Backend
    apps: dict[Component, FastAPI] = field(default_factory=dict)
    runners: list[JobRunner] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    reporters: list[LaneReporter] = field(default_factory=list)
    sweepers: list[Sweeper] = field(default_factory=list)
    watch: Watch

    async def first_answer(self) -> Unavailable | None:
        """Why the backend does not answer those that run here; None when it does."""
        asking: list[Awaitable[object]] = []
        if self.consumers or self.sweepers:
            asking.append(self.backend.store.get("none"))
        if any(parts.service in self.apps for parts in _LANES.values()):
            asking.append(self.backend.assets.get("images/none"))
        answers = await asyncio.gather(*asking, return_exceptions=True)
        return next((one for one in answers if isinstance(one, Unavailable)), None)


@contextlib.asynccontextmanager
async def open_stack(
    settings: Settings,
    components: Mapping[Component, str],
    *,
    engines: Mapping[Lane, Engines] | None = None,
) -> AsyncIterator[Stack]:
    """Build the components asked for.

    Args:
        components: each with the address it is served at.
        engines: how each lane's kinds are done, if not as the settings say.
    """
    metrics.begin(catalogue := open_catalogue(settings))
    addresses = _addresses(settings, components)
    here = f"{addresses[Component.ORCHESTRATOR]}/assets"
    assets_url = settings.assets_url or cdn(settings) or here
    orchestrators = (addresses[Component.ORCHESTRATOR], addresses[Component.CPU_ORCHESTRATOR])
    own_urls = (assets_url, *own_asset_urls(settings, orchestrators))
    async with contextlib.AsyncExitStack() as opened:
        traces = tracing.opened(settings.otlp_endpoint, service=_service_name(components))
        await opened.enter_async_context(traces)
        backend = await opened.enter_async_context(open_backend(settings, assets_url=assets_url))
        sources = await _open_sources(opened, settings, backend, own_urls)
        stack = Stack(backend=backend, watch=Watch(every=settings.figures_seconds))
        await _add_orchestrators(opened, stack, settings, sources, catalogue, components=components)
        runner_of = partial(
            open_runner,
            settings=settings,
            sources=sources,
            backend=backend,
            catalogue=catalogue,
            room=Room((settings.job_memory_mib or 0) * MIB or usual_room()),
            engines=engines,
        )
        for lane, parts in _LANES.items():
            if parts.service in components:
                with bound_contextvars(component=parts.service, lane=str(lane)):
                    runner = await opened.enter_async_context(runner_of(lane))
                _add_service(stack, parts, runner, catalogue, settings)
            if parts.adapter in components:
                client = _job_client(settings, backend, addresses[parts.service])
                _add_adapter(stack, lane, settings, await opened.enter_async_context(client))
        _point_to_figures(stack, components)
        _add_looks(stack, settings)
        yield stack


def _job_client(settings: Settings, backend: Backend, url: str) -> JobClient:
    return JobClient(
        url,
        token=service_token(settings, backend) if settings.demands_keys else None,
        patience=min(PATIENCE_SECONDS, settings.lease_seconds),
    )


async def _open_sources(
    opened: contextlib.AsyncExitStack, settings: Settings, backend: Backend, own_urls: Sequence[str]
) -> ImageSources:
    fetcher = await opened.enter_async_context(Fetcher(Guard(allow=settings.fetch_allow)))
    sources = ImageSources(
        backend.assets,
        fetcher,
        bucket=settings.bucket,
        public_urls=own_urls,
        secret=backend.secret,
        manifests=await asyncio.to_thread(open_manifests, settings),
    )
    opened.push_async_callback(sources.close)
    return sources


def _point_to_figures(stack: Stack, components: Mapping[Component, str]) -> None:
    """All that runs in this process has one registry: it is shown once, or whoever reads every port
    would count it as often as there are ports."""
    first = next(component for component in Component if component in stack.apps)
    for component, app in stack.apps.items():
        if component is not first:
            app.state.figures_at = f"{components[first]}/metrics"


def _add_looks(stack: Stack, settings: Settings) -> None:
    """Those of every process."""
    stack.watch.looks += [app.state.look for app in stack.apps.values()]
    stack.watch.looks += [stack.backend.look, partial(look_at_disk, "cache", settings.cache_dir)]


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


def _service_name(components: Collection[Component]) -> str:
    """In traces: the component's, or one for all that share the process."""
    return str(*components) if len(components) == 1 else "short-drama"


def _addresses(settings: Settings, components: Mapping[Component, str]) -> dict[Component, str]:
    """Where each component is: here if it runs here, else where the settings say."""
    told = {
        Component.COMFYUI_API: settings.comfyui_api_url,
        Component.PAID_API: settings.paid_api_url,
    }
    elsewhere = {
        component: told.get(component)
        or f"http://{settings.reached_at}:{getattr(settings, component.process.port)}"
        for component in Component
    }
    return elsewhere | dict(components)


async def _add_orchestrators(
    opened: contextlib.AsyncExitStack,
    stack: Stack,
    settings: Settings,
    sources: ImageSources,
    catalogue: Catalogue,
    *,
    components: Mapping[Component, str],
) -> None:
    wanted = [parts for parts in _LANES.values() if parts.orchestrator in components]
    if not wanted:
        return
    backend, lock = stack.backend, front_lock(settings, stack.backend)
    webhooks = await opened.enter_async_context(open_webhooks(settings, backend))
    desk = _desk(
        backend, settings, sources, catalogue, tickets=lock.tickets, webhooks=webhooks.registry
    )
    for parts in wanted:
        stack.apps[parts.orchestrator] = parts.create_orchestrator(
            desk, hosts=settings.answered_hosts, lock=lock, proxies=proxies(settings)
        )
    stack.watch.looks.append(QueueSight(backend.store, backend.lane_queues()).look)
    if settings.pays:
        stack.watch.looks.append(budgets(settings, backend).look)
    stack.sweepers.append(
        Sweeper(
            backend.store,
            backend.lane_queues(),
            tell=webhooks.courier.tell,
            beside=_beside(settings, backend),
            every=settings.sweep_seconds,
            about={"component": wanted[0].orchestrator},
            dead_letters_every=settings.dead_letter_seconds,
        )
    )


def _beside(settings: Settings, backend: Backend) -> list[Pass]:
    """What sweepers do beside their own passes."""
    settle = open_settlement(settings, backend).settle_once
    accounts = Pass("accounts", settle, every=settings.sweep_seconds)
    if backend.tidy is None:
        return [accounts]
    return [accounts, Pass("storage", backend.tidy, every=_TIDY_EVERY)]


def _desk(
    backend: Backend,
    settings: Settings,
    sources: ImageSources,
    catalogue: Catalogue,
    *,
    tickets: Tickets,
    webhooks: Registry,
) -> Desk:
    availability = Availability(backend.notices)
    signatures = asset_signatures(settings, backend)
    submitter = _submitter(backend, settings, sources, availability)
    return Desk(
        catalogue=catalogue,
        kind_facts=kind_facts(settings, catalogue),
        submitter=submitter,
        availability=availability,
        store=backend.store,
        shots=backend.shots,
        picking=Picking(backend.shots, backend.store, submitter, sources),
        queues=backend.queues,
        assets=backend.assets,
        audit=backend.audit,
        sources=sources,
        characters=CharacterOffice(
            characters=backend.characters,
            tasks=backend.store,
            assets=backend.assets,
            sources=sources,
        ),
        ledger=backend.ledger,
        listeners=Listeners(places(settings.connections, descriptors=descriptors()) // 3),
        check=partial(backend.check, "queues", "tasks"),
        remark=partial(backend.check, "dead letters", "assets"),
        tickets=tickets,
        webhooks=webhooks,
        links=links(settings, backend, signatures),
        signatures=signatures,
        rate=OwnerRate(most) if (most := settings.owner_requests_per_second) else None,
        serves_assets=cdn(settings) is None,
    )


def _submitter(
    backend: Backend, settings: Settings, sources: ImageSources, availability: Availability
) -> Submitter:
    line = QueueLimit(
        backend.queues,
        store=backend.store,
        most=settings.max_pending_tasks,
        most_each=settings.owner_pending_tasks,
    )

    async def available(kind: str, lane: Lane, owner: str) -> None:
        await availability.require(kind, lane)
        await line.require_place(lane, owner)

    return Submitter(
        backend.store,
        backend.queues,
        sources,
        secret=backend.required_secret,
        gate=ConsentGate(backend.characters, demanded=settings.consent_required),
        hold=open_hold(settings, backend),
        available=available,
    )


def _add_service(
    stack: Stack, parts: _LaneParts, runner: JobRunner, catalogue: Catalogue, settings: Settings
) -> None:
    stack.runners.append(runner)
    stack.watch.looks.append(runner.look)
    stack.apps[parts.service] = parts.create_service(
        runner,
        stack.backend.assets,
        catalogue,
        hosts=settings.answered_hosts,
        lock=inner_lock(settings, stack.backend),
    )


def _add_adapter(stack: Stack, lane: Lane, settings: Settings, jobs: JobClient) -> None:
    limits = Limits(
        deliveries=settings.deliveries(lane),
        most_each=settings.owner_running_tasks,
        wait=settings.poll,
        drain=settings.drain_seconds,
        times=LeaseTimes(
            lease=settings.lease_seconds,
            progress=settings.progress,
            visibility=settings.visibility(lane),
        ),
    )
    backend = stack.backend
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    about = {"component": _LANES[lane].adapter, "lane": lane}
    consumer = Consumer(
        name,
        limits,
        queue=backend.queues[lane],
        store=backend.store,
        jobs=jobs,
        gate=ConsentGate(backend.characters),
        check=partial(backend.check, "tasks"),
    )
    consumer.about = about
    stack.apps[_LANES[lane].adapter] = adapter_api.create_app(
        lane,
        consumer,
        jobs,
        hosts=settings.answered_hosts,
        lock=inner_lock(settings, backend),
    )
    stack.consumers.append(consumer)
    service = _LANES[lane].service.process.title
    stack.reporters.append(
        LaneReporter(name, lane, service=service, jobs=jobs, notices=backend.notices, about=about)
    )
