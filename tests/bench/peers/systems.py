"""The systems, each started from nothing in a folder of its own."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from short_drama.domain.sizes import Size
from tests.bench.connection import Connection
from tests.bench.peers import stores
from tests.bench.peers.graphs import write_workflow
from tests.bench.peers.processes import OURS, THEIRS, Program, listening, running
from tests.bench.peers.theirs import place
from tests.bench.peers.theirs.place import AT_ONCE
from tests.emulators.server import ROOT, free_ports

_PROGRAMS = "tests.bench.peers.theirs"


@dataclass(frozen=True, slots=True)
class Ground:
    """What every system is given.

    Args:
        folder: empty, and its own.
        picture: a JPEG, the still of all tasks.
        size: of it, width and height.
        noop: whether tasks skip the engine.
    """

    folder: Path
    comfyui: str
    picture: bytes
    size: Size
    noop: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A system that runs. `submit` and `status` are paths, {} in the latter stands for the id."""

    url: str
    submit: str
    status: str
    image: str
    programs: Sequence[Program] = field(default_factory=list)


Opened = Callable[[Ground], AbstractContextManager[Site]]


@dataclass(frozen=True, slots=True)
class System:
    """
    Args:
        name: as in figures.
        title: as on the page.
        durable: what makes an accepted task outlive a power cut.
        takes_urls: whether tasks may name pictures elsewhere, which it fetches at the submit.
        long_poll: the header with which a submit is answered when its task has ended.
        events: the path of a task's event stream, {} for its id.
    """

    name: str
    title: str
    durable: str
    open: Opened
    takes_urls: bool = False
    long_poll: str = ""
    events: str = ""


# --- Ours --------------------------------------------------------------------------------


@contextlib.contextmanager
def _ours(ground: Ground) -> Iterator[Site]:
    settings = {
        "SHORT_DRAMA_COMFYUI_URL": ground.comfyui,
        "SHORT_DRAMA_COMFYUI_WARM_UP": "false",
        "SHORT_DRAMA_FETCH_ALLOW": "127.0.0.0/8",
        "SHORT_DRAMA_MAX_PENDING_TASKS": "1000000",  # peers take any number
    }
    data = ground.folder / "data"
    command = [OURS / "short-drama", "up", "--ports", "auto", "--data-dir", data]
    if ground.noop:  # the product itself, with an engine that reads and publishes, and no more
        command = [sys.executable, "-m", "tests.bench.serve_noop", ground.folder]
    with running(command, ground.folder, environment=settings) as program:
        if ground.noop:
            url = str(json.loads(program.line("{"))["orchestrator"])
        else:
            url = program.line("Orchestrator, GPU tasks").split()[-1]
            program.line("Ready")
        yield Site(
            url,
            "/api/v1/camera-angle/tasks",
            "/api/v1/tasks/{}",
            upload(url, ground.picture),
            [program],
        )


def upload(url: str, picture: bytes) -> str:
    import asyncio

    async def post() -> str:
        connection = await Connection.open(url)
        kept = await connection.post("/api/v1/assets", picture, "Content-Type: image/jpeg")
        return str(kept["image_url"])

    return asyncio.run(post())


# --- Theirs ------------------------------------------------------------------------------


def environment(ground: Ground, broker: str) -> Mapping[str, str]:
    told = {
        "PYTHONPATH": str(ROOT),
        place.FOLDER: str(ground.folder),
        place.COMFYUI: ground.comfyui,
        place.BROKER: broker,
    }
    return told | {place.NOOP: "1"} if ground.noop else told


def furnish(ground: Ground) -> str:
    """The folders and files that programs of peers expect; returns the picture's reference."""
    for name in ("assets", "results"):
        (ground.folder / name).mkdir()
    (ground.folder / "assets" / "still.jpg").write_bytes(ground.picture)
    reference = "asset:still.jpg"
    write_workflow(ground.folder / "workflow.json", reference=reference, size=ground.size)
    return reference


def _peer(
    store: Callable[[Path], AbstractContextManager[tuple[Program, str]]],
    front: str,
    worker: Sequence[str],
    *,
    first: Sequence[str] = (),
) -> Opened:
    """A store, a front and a worker; `first` is run to its end before them."""

    @contextlib.contextmanager
    def opened(ground: Ground) -> Iterator[Site]:
        image, (port,) = furnish(ground), free_ports(1)
        with ExitStack() as stack:
            keeper, broker = stack.enter_context(store(ground.folder))
            told: dict[str, Any] = {"environment": environment(ground, broker)}
            if first:
                with running([THEIRS / first[0], *first[1:]], ground.folder, **told) as begun:
                    if begun.process.wait(60):
                        raise RuntimeError(begun.tail())
            serve = ["--port", port, "--no-access-log", "--log-level", "warning"]
            command = [THEIRS / "uvicorn", f"{_PROGRAMS}.{front}:app", *serve]
            served = stack.enter_context(running(command, ground.folder, **told))
            command = [THEIRS / worker[0], *worker[1:]]
            working = stack.enter_context(running(command, ground.folder, **told))
            listening(served, port)
            working.require_alive()
            url = f"http://127.0.0.1:{port}"
            yield Site(url, "/tasks", "/tasks/{}", image, [keeper, served, working])

    return opened


_REDIS = "Redis with appendfsync always"
_PROCRASTINATE = ["procrastinate", "--app", f"{_PROGRAMS}.procrastinate_queue.app"]
SYSTEMS = (
    System(
        "short-drama",
        "short-drama",
        "an SQLite transaction with synchronous=FULL",
        _ours,
        takes_urls=True,
        long_poll="Prefer: wait=30",
        events="/api/v1/tasks/{}/events",
    ),
    System(
        "celery",
        "Celery + Redis",
        f"{_REDIS}, task_acks_late, task_reject_on_worker_lost",
        _peer(
            stores.redis,
            "celery_front",
            ["celery", "--app", f"{_PROGRAMS}.celery_worker", "worker", f"--concurrency={AT_ONCE}"],
        ),
    ),
    System(
        "arq",
        "arq + Redis",
        _REDIS,
        _peer(stores.redis, "arq_front", ["arq", f"{_PROGRAMS}.arq_worker.WorkerSettings"]),
    ),
    System(
        "procrastinate",
        "procrastinate + Postgres",
        "a Postgres transaction with synchronous_commit on",
        _peer(
            stores.postgres,
            "procrastinate_front",
            [*_PROCRASTINATE, "worker", f"--concurrency={AT_ONCE}"],
            first=[*_PROCRASTINATE, "schema", "--apply"],
        ),
    ),
)
