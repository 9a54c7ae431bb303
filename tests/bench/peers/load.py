"""The client, one for all systems, in a process of its own: what it is to do is a line of
JSON on its input, and what it has measured is one on its output. All times are in seconds."""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.bench.connection import Connection

_POLL_SECONDS = 0.01
_JSON = "Content-Type: application/json"
_LONGEST_TASK = 120.0


async def repeated(
    url: str, clients: int, seconds: float, ask: Callable[[Connection], Awaitable[object]]
) -> dict[str, Any]:
    """`ask` again and again, on so many connections at once."""
    connections = [await Connection.open(url) for _ in range(clients)]
    times: list[float] = []
    began = time.perf_counter()

    async def one(connection: Connection) -> None:
        while time.perf_counter() - began < seconds:
            started = time.perf_counter()
            await ask(connection)
            times.append(time.perf_counter() - started)

    await asyncio.gather(*map(one, connections))
    whole = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return {"seconds": whole, "times": times}


async def submits(job: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(job["body"]).encode()
    return await repeated(
        job["url"], job["clients"], job["seconds"], lambda it: it.post(job["path"], body, _JSON)
    )


async def reads(job: dict[str, Any]) -> dict[str, Any]:
    return await repeated(
        job["url"], job["clients"], job["seconds"], lambda it: it.get(job["path"])
    )


async def one_by_one(job: dict[str, Any]) -> dict[str, Any]:
    """One task after the other, each from its submit to its visible end."""
    body = json.dumps(job["body"]).encode()
    connection = await Connection.open(job["url"])
    times = []
    for _ in range(job["tasks"]):
        started = time.perf_counter()
        view = await connection.post(job["path"], body, _JSON, *job["headers"])
        await _ended(connection, job["status"], view)
        times.append(time.perf_counter() - started)
    return {"times": times}


async def batch(job: dict[str, Any]) -> dict[str, Any]:
    """All at once, on `clients` connections: seconds until all are accepted, and until all have
    ended."""
    body = json.dumps(job["body"]).encode()
    connections = [await Connection.open(job["url"]) for _ in range(job["clients"])]
    left = iter(range(job["tasks"]))
    views: list[dict[str, Any]] = []
    began = time.perf_counter()

    async def submit(connection: Connection) -> None:
        views.extend([await connection.post(job["path"], body, _JSON) for _ in left])

    await asyncio.gather(*map(submit, connections))
    seconds = submitted = time.perf_counter() - began
    for view in reversed(views):  # when the last has ended, most others have as well
        if await _ended(connections[0], job["status"], view):
            seconds = time.perf_counter() - began
    return {
        "submitted": submitted,
        "seconds": seconds,
        "ids": [view["task_id"] for view in views],
    }


async def _ended(connection: Connection, path: str, view: dict[str, Any]) -> bool:
    """Waits for the end of a task; whether it had not ended before."""
    deadline, waited = time.perf_counter() + _LONGEST_TASK, False
    path = path.format(view["task_id"])
    while view["status"] != "completed":
        view = await connection.get(path)
        if view["status"] in ("pending", "processing"):
            if time.perf_counter() > deadline:
                raise RuntimeError(f"a task has not ended: {view}")
            waited = True
            await asyncio.sleep(_POLL_SECONDS)
        elif view["status"] != "completed":
            raise RuntimeError(f"a task has failed: {view}")
    return waited


async def listeners(job: dict[str, Any]) -> dict[str, Any]:
    """So many event streams, held open and read until the input ends."""
    streams = [await _stream(job["url"], path) for path in job["paths"]]
    print(json.dumps({"open": len(streams)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for _, writer in streams:
        writer.close()
    return {"open": len(streams)}


async def _stream(url: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = await Connection.open(url)
    connection.writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await connection.reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{path}: {head!r}")
    await connection.reader.readuntil(b"\n\n")  # its first event
    return connection.reader, connection.writer


WORK = {each.__name__: each for each in (submits, reads, one_by_one, batch, listeners)}


def main() -> None:
    job = json.loads(sys.stdin.readline())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(WORK[job["work"]](job))))


if __name__ == "__main__":
    main()
