"""What is measured of each system."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from tests.bench.connection import Connection
from tests.bench.peers.bench import Bench, load
from tests.bench.peers.figures import answers
from tests.bench.peers.processes import cpu_seconds, running
from tests.bench.peers.systems import Site, System

_LONG, _SHORT = 50, 1
"""Steps of a task that outlasts all that is measured beside it, and of one that ends at once."""
_STEP_SECONDS = 1.0
_SETTLED_SECONDS = 1.0
_HELD = 10
"""Long tasks that keep the engine and the workers busy, so that what is submitted waits."""


def move(image: str, steps: int) -> dict[str, Any]:
    return {"image_url": image, "horizontal": -1, "steps": steps}


def intake(bench: Bench, system: System) -> None:
    """Statuses of a finished task, then submits while the engine is busy with others."""
    with bench.site(system, step=_STEP_SECONDS) as (site, folder):
        path = site.status.format(_finished(site))
        for clients in bench.length.clients:
            _rate(bench, system, site, "status", "reads", clients=clients, path=path)
        asyncio.run(_submitted(site, _HELD))
        time.sleep(_SETTLED_SECONDS)
        _submits(bench, system, site, "submit", site.image)
        if system.takes_urls:
            picture = folder / "still.jpg"
            picture.write_bytes(bench.picture)
            command = [sys.executable, "-m", "tests.bench.peers.serve_picture", picture]
            with running(command, folder) as web:
                _submits(bench, system, site, "submit-url", web.line("http"))


def _finished(site: Site) -> str:
    """The id of a task that has ended."""
    ended = load(
        "batch",
        site,
        path=site.submit,
        status=site.status,
        clients=1,
        tasks=1,
        body=move(site.image, _SHORT),
    )
    return str(ended["ids"][0])


def _submits(bench: Bench, system: System, site: Site, scenario: str, image: str) -> None:
    job = {"path": site.submit, "body": move(image, _LONG)}
    load("submits", site, clients=1, seconds=0.1, **job)  # its bytes are known from now on
    for clients in bench.length.clients:
        _rate(bench, system, site, scenario, "submits", clients=clients, **job)


def _rate(
    bench: Bench,
    system: System,
    site: Site,
    scenario: str,
    work: str,
    *,
    clients: int,
    **job: Any,
) -> None:
    def act() -> Mapping[str, float]:
        before = cpu_seconds(site.programs)
        found = load(work, site, clients=clients, seconds=bench.length.seconds, **job)
        used = cpu_seconds(site.programs) - before
        rate = answers(found["seconds"], found["times"])
        return {**rate, "cpu_ms": 1000 * used / len(found["times"])}

    bench.measure(system.name, scenario, act, level=clients)


async def _submitted(site: Site, tasks: int) -> list[str]:
    """The ids of so many long tasks."""
    connection = await Connection.open(site.url)
    body = json.dumps(move(site.image, _LONG)).encode()
    kind = "Content-Type: application/json"
    return [str((await connection.post(site.submit, body, kind))["task_id"]) for _ in range(tasks)]
