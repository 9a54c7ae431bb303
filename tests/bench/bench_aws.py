"""The AWS backend on emulators beside the embedded one, in one run: quote the ratios.

Submits per second, overhead per task, a backlog drained by four adapters, and the requests that a
task costs. The emulators share the machine's cores with the product; AWS itself does not.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from short_drama.settings import load
from short_drama.wiring.backend import provision
from short_drama.wiring.components import Component
from tests import emulators
from tests.bench.bench_stack import drained, overhead, served, submits, upload
from tests.bench.connection import Connection

_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
_ADAPTERS = (Component.GPU_ADAPTER, Component.CPU_ADAPTER)
_OTHERS = [component for component in Component if component not in _ADAPTERS]


def aws_environment(servers: emulators.Emulators) -> dict[str, str]:
    """The AWS backend on fresh queues, table and bucket."""
    stage = secrets.token_hex(4)
    return {
        **servers.environment(),
        "SHORT_DRAMA_BACKEND": "aws",
        "SHORT_DRAMA_SECRET": secrets.token_hex(16),
        "SHORT_DRAMA_NAME_PREFIX": f"bench-{stage}-",
        "SHORT_DRAMA_BUCKET": f"bench-{stage}",
    }


@contextlib.contextmanager
def stage(environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder, and this process's environment as the child processes shall see it."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        if environment:
            asyncio.run(provision(load()))
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def command(folder: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.bench.serve_noop", str(folder), *map(str, arguments)]


async def pipeline(folder: Path, tasks: int) -> dict[str, Mapping[str, Any]]:
    with served(command(folder)) as (_, line):
        url = json.loads(line)["orchestrator"]
        image = await upload(url)
        figures: dict[str, Mapping[str, Any]] = {"overhead": await overhead(url, image, tasks=100)}
        for clients in (1, 8, 32):
            name = f"submits_{clients}"
            figures[name] = await submits(url, image, clients=clients, tasks=tasks)
            await drained(url)
        return figures


async def backlog(folder: Path, tasks: int, *, adapters: int) -> dict[str, Any]:
    """Seconds from starting the adapters until the queue is empty."""
    with contextlib.ExitStack() as running:
        _, line = running.enter_context(served(command(folder, *_OTHERS)))
        urls = json.loads(line)
        image = await upload(urls["orchestrator"])
        await submits(urls["orchestrator"], image, clients=16, tasks=tasks)
        os.environ["SHORT_DRAMA_COMFYUI_API_URL"] = urls["comfyui-api"]
        try:
            started = time.perf_counter()
            for _ in range(adapters):
                running.enter_context(served(command(folder, Component.GPU_ADAPTER)))
            await drained(urls["orchestrator"])
            seconds = time.perf_counter() - started
        finally:
            del os.environ["SHORT_DRAMA_COMFYUI_API_URL"]
    return {"tasks": tasks, "adapters": adapters, "seconds": round(seconds, 1),
            "per_second": round(tasks / seconds, 1)}  # fmt: skip


def requests_per_task(folder: Path, tasks: int, *, seconds: float) -> dict[str, Any]:
    """What one task costs whose engine takes `seconds`; polls of an idle queue are not its."""
    with served(command(folder, "--engine-seconds", seconds)) as (process, line):
        asyncio.run(one_by_one(json.loads(line)["orchestrator"], tasks))
        process.terminate()
        process.wait(60)
    (file,) = folder.glob("requests-*.json")
    counts: Counter[str] = Counter(json.loads(file.read_text()))
    file.unlink()
    writes = sum(count for name, count in counts.items() if name.endswith(_WRITES))
    ours = ("sqs.SendMessage", "sqs.DeleteMessage", "sqs.ChangeMessageVisibility")
    sqs = sum(counts[name] for name in ours) / tasks + 1  # and the receive that brought it
    return {"tasks": tasks, "engine_seconds": seconds, "sqs": round(sqs, 2),
            "dynamodb_writes": round(writes / tasks, 2),
            "dynamodb_reads": round((counts["dynamodb.GetItem"]) / tasks, 2)}  # fmt: skip


async def one_by_one(url: str, tasks: int) -> None:
    body = json.dumps({"image_url": await upload(url), "horizontal": -1}).encode()
    connection = await Connection.open(url)
    for _ in range(tasks):
        headers = "Content-Type: application/json", "Prefer: wait=60"
        view = await connection.post("/api/v1/camera-angle/tasks", body, *headers)
        assert view["status"] == "completed", view
    await drained(url)


def show(backend: str, name: str, values: Mapping[str, Any]) -> None:
    figures = "  ".join(f"{key} {value}" for key, value in values.items())
    print(f"{backend:<9} {name:<12} {figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=500, help="submits per level")
    parser.add_argument("--backlog", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as logs, emulators.running(Path(logs)) as servers:
        environments = {"embedded": {}, "aws": aws_environment(servers)}
        for backend, environment in environments.items():
            with stage(environment) as folder:
                for name, values in asyncio.run(pipeline(folder, options.tasks)).items():
                    show(backend, name, values)
        with stage(aws_environment(servers)) as folder:
            show("aws", "backlog", asyncio.run(backlog(folder, options.backlog, adapters=4)))
        for tasks, seconds in ((50, 0.0), (1, 55.0)):
            with stage(aws_environment(servers)) as folder:
                show("aws", "requests", requests_per_task(folder, tasks, seconds=seconds))


if __name__ == "__main__":
    main()
