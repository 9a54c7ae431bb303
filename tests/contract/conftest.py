"""The backends that the promises of `short_drama.ports` are tested on.

A further backend is one more function in BACKENDS, and no other change.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.kinds import Lane
from short_drama.ports import AssetStore, TaskQueue, TaskStore

MAX_RECEIVES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One backend's ports, empty, and its clock's grain.

    `queue` is the GPU lane's, limited to MAX_RECEIVES; `tick` is the shortest lease or delay, in
    seconds, that the backend tells apart from none; `prompt` is how soon, at the latest, a long
    poll returns what has come.
    """

    store: TaskStore
    queue: TaskQueue
    dead_letters: TaskQueue
    other_queue: TaskQueue
    assets: AssetStore
    tick: float
    prompt: float


@contextlib.asynccontextmanager
async def embedded(root: Path) -> AsyncIterator[Ports]:
    gpu = Lane.GPU
    async with Database(root / "tasks.db") as database, Wakeups(root) as wakeups:
        yield Ports(
            store=EmbeddedTaskStore(database, wakeups),
            queue=EmbeddedTaskQueue(
                database,
                wakeups,
                gpu.queue,
                dead_letter=gpu.dead_letter_queue,
                max_receives=MAX_RECEIVES,
            ),
            dead_letters=EmbeddedTaskQueue(database, wakeups, gpu.dead_letter_queue),
            other_queue=EmbeddedTaskQueue(database, wakeups, Lane.CPU.queue),
            assets=EmbeddedAssetStore(root / "assets", public_url="http://localhost/assets/"),
            tick=0.1,
            prompt=0.4,
        )


Backend = Callable[[Path], contextlib.AbstractAsyncContextManager[Ports]]
BACKENDS: list[Backend] = [embedded]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.__name__)
async def ports(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ports]:
    async with request.param(tmp_path) as opened:
        yield opened


@pytest.fixture
def queue(ports: Ports) -> TaskQueue:
    return ports.queue


@pytest.fixture
def dead_letters(ports: Ports) -> TaskQueue:
    return ports.dead_letters


@pytest.fixture
def store(ports: Ports) -> TaskStore:
    return ports.store


@pytest.fixture
def assets(ports: Ports) -> AssetStore:
    return ports.assets


@pytest.fixture
def tick(ports: Ports) -> float:
    return ports.tick


@pytest.fixture
def prompt(ports: Ports) -> float:
    return ports.prompt
