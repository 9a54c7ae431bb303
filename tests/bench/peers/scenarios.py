"""What is measured of each system."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.connection import Connection
from tests.bench.peers.bench import Bench, engine_runs, listening, load
from tests.bench.peers.figures import answers, gaps, overheads
from tests.bench.peers.goals import SCRIPT
from tests.bench.peers.processes import THEIRS, cpu_seconds, memory_mib, running
from tests.bench.peers.systems import Site, System, environment, furnish

_LONG, _SHORT = 50, 1
"""Steps of a task that outlasts all that is measured beside it, and of one that ends at once."""
_STEP_SECONDS = 1.0
_ALONE, _BATCH, _FAST_STEP_SECONDS = 4, 20, 0.025
"""Steps of a task that runs alone, and of one of a batch: runs of 0.1 and 0.5 s."""
_WARM_UPS = 2
_LONGEST_SCRIPT = 120.0
_SUBMITTERS = 16
_SETTLED_SECONDS, _CALM_SECONDS = 1.0, 3.0
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


def work(bench: Bench, system: System) -> None:
    """One task at a time, then a batch, then nothing at all."""
    with bench.site(system, step=_FAST_STEP_SECONDS) as (site, folder):
        job: dict[str, Any] = {
            "path": site.submit,
            "status": site.status,
            "body": move(site.image, _ALONE),
        }
        load("one_by_one", site, tasks=_WARM_UPS, **job)
        _alone(bench, system, site, folder, "alone", **job)
        if system.long_poll:
            _alone(bench, system, site, folder, "alone-wait", headers=[system.long_poll], **job)
        _batch(bench, system, site, folder, **{**job, "body": move(site.image, _BATCH)})
        time.sleep(_CALM_SECONDS)
        bench.measure(system.name, "idle", lambda: _at_rest(site, bench.length.idle))


def _alone(
    bench: Bench, system: System, site: Site, folder: Path, scenario: str, **job: Any
) -> None:
    def act() -> Mapping[str, float]:
        done = len(engine_runs(folder))
        found = load("one_by_one", site, tasks=bench.length.alone, **job)
        return overheads(found["times"], engine_runs(folder)[done:])

    bench.measure(system.name, scenario, act)


def _batch(bench: Bench, system: System, site: Site, folder: Path, **job: Any) -> None:
    def act() -> Mapping[str, float]:
        done = len(engine_runs(folder))
        found = load("batch", site, clients=1, tasks=bench.length.batch, **job)
        return {**gaps(engine_runs(folder)[done:]), "seconds": found["seconds"]}

    bench.measure(system.name, "batch", act)


def _at_rest(site: Site, seconds: float) -> Mapping[str, float]:
    before = cpu_seconds(site.programs)
    time.sleep(seconds)
    used = cpu_seconds(site.programs) - before
    return {
        "cpu_percent": 100 * used / seconds,
        "memory_mib": memory_mib(site.programs),
    }


def script(bench: Bench) -> None:
    """What `work` measures, of a script that makes the same calls and has no queue."""
    with bench.comfyui(_FAST_STEP_SECONDS) as ground:
        image = furnish(ground)

        def made(tasks: int, steps: int) -> tuple[list[float], list[tuple[float, float]]]:
            done = len(engine_runs(ground.folder))
            program = [THEIRS / "python", "-m", "tests.bench.peers.theirs.bare", image]
            command = [*program, "--tasks", tasks + _WARM_UPS, "--steps", steps]
            told = environment(ground, broker="")
            with running(command, ground.folder, environment=told) as bare:
                times = json.loads(bare.line("[", within=_LONGEST_SCRIPT))
            return times[_WARM_UPS:], engine_runs(ground.folder)[done + _WARM_UPS :]

        def alone() -> Mapping[str, float]:
            return overheads(*made(bench.length.alone, _ALONE))

        def batch() -> Mapping[str, float]:
            times, runs = made(bench.length.batch, _BATCH)
            return {**gaps(runs), "seconds": sum(times)}

        bench.measure(SCRIPT, "alone", alone)
        bench.measure(SCRIPT, "batch", batch)


def drain(bench: Bench, system: System) -> None:
    """Tasks without an engine, from the first submit to the last end."""
    with bench.site(system, noop=True) as (site, _):
        job = {"path": site.submit, "status": site.status, "body": move(site.image, _ALONE)}
        load("batch", site, clients=_SUBMITTERS, tasks=_SUBMITTERS, **job)

        def act() -> Mapping[str, float]:
            before, tasks = cpu_seconds(site.programs), bench.length.noops
            found = load("batch", site, clients=_SUBMITTERS, tasks=tasks, **job)
            used = cpu_seconds(site.programs) - before
            return {"per_second": tasks / found["seconds"], "cpu_ms": 1000 * used / tasks}

        bench.measure(system.name, "drain", act)


def listen(bench: Bench, system: System) -> None:
    """Event streams of tasks that wait, beside the same tasks without anybody who listens."""
    if not system.events:
        return
    count = bench.length.listeners
    with bench.site(system, step=_STEP_SECONDS) as (site, _):
        ids = asyncio.run(_submitted(site, count))
        time.sleep(_SETTLED_SECONDS)
        paths = [system.events.format(one) for one in ids]

        def act() -> Mapping[str, float]:
            alone = _at_rest(site, bench.length.listening)
            with listening(site, paths):
                time.sleep(_SETTLED_SECONDS)
                found = _at_rest(site, bench.length.listening)
            return {
                **found,
                "cpu_percent_before": alone["cpu_percent"],
                "memory_mib_before": alone["memory_mib"],
            }

        bench.measure(system.name, "listeners", act, level=count)


async def _submitted(site: Site, tasks: int) -> list[str]:
    """The ids of so many long tasks."""
    connection = await Connection.open(site.url)
    body = json.dumps(move(site.image, _LONG)).encode()
    kind = "Content-Type: application/json"
    return [str((await connection.post(site.submit, body, kind))["task_id"]) for _ in range(tasks)]
