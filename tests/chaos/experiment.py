"""One run: start everything, let clients work while things break, let it settle, look at what is
left."""

import asyncio
import contextlib
import hashlib
import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import aiohttp
from PIL import Image

from short_drama.domain.errors import AssetNotFound
from short_drama.domain.kinds import Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.ports import TaskFilter
from short_drama.settings import Settings
from short_drama.wiring.backend import Backend, open_backend, provision
from tests.chaos import cluster as clusters
from tests.chaos.checker import RECOVERY_SECONDS, Evidence
from tests.chaos.clients import Client, Site
from tests.chaos.cluster import LEASE_SECONDS, Cluster
from tests.chaos.engine import read_log
from tests.chaos.history import History
from tests.chaos.patience import surely
from tests.chaos.plan import plan
from tests.chaos.saboteur import Saboteur
from tests.emulators import Emulators

_CLIENTS = {Lane.GPU: 8, Lane.CPU: 4}
_QUIET_SECONDS = LEASE_SECONDS + RECOVERY_SECONDS + 1
"""Around a blow whose recovery is timed."""
_END_SECONDS = 150.0
"""For every task to end once the faults have: retries that were put off, hidden messages."""
_EMPTY_SECONDS = 120.0
"""For the queues to be empty once every task has ended."""
_LOOK_SECONDS = 0.5
_NEWS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Findings:
    evidence: Evidence
    injected: Mapping[str, int]
    unused_links: Sequence[str]
    """Of no use to a fault: nothing ever went through them."""


async def experiment(
    folder: Path, aws: Emulators | None, *, duration: float, seed: int
) -> Findings:
    """What does not settle in time is evidence as well. Raises MemberFailed when a process does
    not start."""
    shared = clusters.product_settings(folder, aws)
    settings = Settings(**shared)
    if aws is not None:
        await provision(settings)
    history = History(folder / "history.jsonl")
    async with (
        open_backend(settings, assets_url="http://unused.invalid") as backend,
        clusters.running(folder, shared, aws, seed=seed) as cluster,
        Saboteur(cluster, backend, history) as saboteur,
        _telling(backend, saboteur),
    ):
        steps = plan(seed, duration, cluster.targets(), recovery=_QUIET_SECONDS)
        async with _busy_clients(cluster, history, seed):
            await saboteur.carry_out(steps)
        await _settle(backend)
        unused = [name for name, link in cluster.links.items() if not link.accepted]
        evidence = await _evidence(backend, cluster, history)
        return Findings(evidence, saboteur.injected, unused)


@contextlib.asynccontextmanager
async def _busy_clients(cluster: Cluster, history: History, seed: int) -> AsyncIterator[None]:
    """Clients at work in the block; after it, until each has seen the end of its last task, or
    for as long as anything may take to end."""
    closing = asyncio.Event()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        site = Site(cluster.doors, await _upload(http, cluster.doors[Lane.GPU]), http)
        async with asyncio.TaskGroup() as working:
            clients = [
                working.create_task(client.run(closing)) for client in _clients(site, history, seed)
            ]
            yield
            closing.set()
            _, hopeless = await asyncio.wait(clients, timeout=_END_SECONDS)
            for client in hopeless:
                client.cancel()


def _clients(site: Site, history: History, seed: int) -> Iterator[Client]:
    for lane, number in _CLIENTS.items():
        for index in range(number):
            name = f"{lane}-{index}"
            yield Client(name, lane, site, history, Random(f"{seed}/{name}"))


async def _upload(http: aiohttp.ClientSession, door: str) -> str:
    picture = io.BytesIO()
    Image.effect_noise((256, 256), 60).convert("RGB").save(picture, "PNG")
    headers = {"Content-Type": "image/png"}
    url = f"{door}/api/v1/assets"
    async with http.post(url, data=picture.getvalue(), headers=headers) as answer:
        answer.raise_for_status()
        return str((await answer.json())["image_url"])


@contextlib.asynccontextmanager
async def _telling(backend: Backend, saboteur: Saboteur) -> AsyncIterator[None]:
    """How far it is, now and then."""

    async def tell() -> None:
        started = time.monotonic()
        while True:
            await asyncio.sleep(_NEWS_SECONDS)
            statuses = Counter(str(task.status) for task in await _all_tasks(backend))
            told = ", ".join(f"{status} {number}" for status, number in sorted(statuses.items()))
            faults = sum(saboteur.injected.values())
            print(f"{time.monotonic() - started:4.0f} s: {told}; {faults} faults", flush=True)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


# --- The end ------------------------------------------------------------------------------


async def _settle(backend: Backend) -> None:
    for _ in range(round(_EMPTY_SECONDS / _LOOK_SECONDS)):
        if await _settled(backend):
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _settled(backend: Backend) -> bool:
    if any((await _waiting(backend)).values()):
        return False
    return all(task.status.is_terminal for task in await _all_tasks(backend))


async def _waiting(backend: Backend) -> dict[str, int]:
    depths = {lane.queue: await surely(backend.queues[lane].depth) for lane in Lane}
    return {name: depth.waiting + depth.in_flight for name, depth in depths.items()}


async def _all_tasks(backend: Backend) -> list[Task]:
    tasks, cursor = list[Task](), None
    while True:
        page = await surely(partial(backend.store.list, TaskFilter(), cursor=cursor, limit=200))
        tasks.extend(page.tasks)
        cursor = page.next_cursor
        if cursor is None:
            return tasks


async def _evidence(backend: Backend, cluster: Cluster, history: History) -> Evidence:
    listed = await _all_tasks(backend)
    found = [await surely(partial(backend.store.get, task.task_id)) for task in listed]
    records = {task.task_id: task for task in found if task is not None}
    return Evidence(
        events=history.events,
        runs=list(read_log(cluster.engine_log)),
        records=records,
        results=await _results(backend, records.values()),
        waiting=await _waiting(backend),
        letters=[letter async for letter in _letters(backend)],
        lease=LEASE_SECONDS,
    )


async def _results(backend: Backend, tasks: Iterable[Task]) -> dict[str, str]:
    """SHA-256 by key, of the results that can be read."""
    digests = {}
    for task in tasks:
        if task.outcome is not None and task.outcome.result_key is not None:
            key = task.outcome.result_key
            with contextlib.suppress(AssetNotFound):
                data = await surely(partial(backend.assets.get, key))
                digests[key] = hashlib.sha256(data).hexdigest()
    return digests


async def _letters(backend: Backend) -> AsyncIterator[str]:
    for queue in backend.dead_letters.values():
        receive = partial(queue.receive, wait=1, lease=60)
        while (letter := await surely(receive)) is not None:
            yield TaskMessage.from_body(letter.body).task_id
