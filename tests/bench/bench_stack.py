"""What the pipeline itself costs: submits per second, overhead per task, listening, and idling.

Submits name an asset or a URL of a server in this process, whose picture is known by then: one URL
has an entity tag, the other one sends its bytes again each time.

The product runs in a process of its own with an engine that takes no time; this process is the
client. Both share the machine's cores. Every submit counted is durable when it is answered.
"""

import argparse
import asyncio
import contextlib
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from PIL import Image

from tests.bench.connection import Connection

_PATH = "/api/v1/camera-angle/tasks"
_PATH_OF_ALL = "/api/v1/tasks"
_LISTENING_SECONDS = 32.0


@contextlib.asynccontextmanager
async def pictures(data: bytes) -> AsyncIterator[str]:
    """A server of one picture; at /tagged with an entity tag."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        tag = b'ETag: "1"\r\n' if head.startswith(b"GET /tagged ") else b""
        close = tag + b"Connection: close\r\n"
        if b'If-None-Match: "1"' in head:
            writer.write(b"HTTP/1.1 304 Not Modified\r\n" + close + b"\r\n")
        else:
            length = b"Content-Length: %d\r\n\r\n" % len(data)
            writer.write(b"HTTP/1.1 200 OK\r\n" + close + length + data)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The product running as `command`, and the first line it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.terminate()


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 2),
        "p99_ms": round(ordered[round(last * 0.99)] * 1000, 2),
    }


def still() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((512, 512), 60).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


async def upload(url: str) -> str:
    connection = await Connection.open(url)
    answer = await connection.post("/api/v1/assets", still(), "Content-Type: image/jpeg")
    return str(answer["image_url"])


async def submits(
    url: str, image: str, *, clients: int, tasks: int, pid: int | None = None
) -> dict[str, float]:
    """`pid`: the server's, for its time: that of the tasks it does meanwhile is in it."""
    body = json.dumps({"image_url": image, "horizontal": -1}).encode()
    times: list[float] = []

    async def one() -> None:
        connection = await Connection.open(url)
        for _ in range(tasks // clients):
            started = time.perf_counter()
            await connection.post(_PATH, body, "Content-Type: application/json")
            times.append(time.perf_counter() - started)

    before = cpu_seconds(pid) if pid else 0.0
    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    seconds = time.perf_counter() - started
    figures = {"clients": clients, "per_second": round(len(times) / seconds)} | milliseconds(times)
    if pid:
        figures["cpu_ms"] = round(1000 * (cpu_seconds(pid) - before) / len(times), 2)
    return figures


async def overhead(url: str, image: str, *, tasks: int) -> dict[str, float]:
    """Submit to visible completion, one task at a time, minus the engine's own seconds."""
    body = json.dumps({"image_url": image, "horizontal": -1}).encode()
    connection = await Connection.open(url)
    times: list[float] = []
    for _ in range(tasks):
        started = time.perf_counter()
        view = await connection.post(
            _PATH, body, "Content-Type: application/json", "Prefer: wait=30"
        )
        seconds = time.perf_counter() - started
        assert view["status"] == "completed", view
        times.append(seconds - view["timings"]["engine_seconds"])
    return {"tasks": tasks} | milliseconds(times)


async def listening(url: str, image: str, pid: int, *, listeners: int) -> dict[str, float]:
    """Followers of one task that waits, for two heartbeats and a little. The server's time for all
    of them, as a share of a core."""
    body = json.dumps({"image_url": image, "horizontal": -1}).encode()
    connection = await Connection.open(url)
    task = await connection.post(_PATH, body, "Content-Type: application/json")
    head = f"GET {_PATH_OF_ALL}/{task['task_id']}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    followers = [await Connection.open(url) for _ in range(listeners)]
    for follower in followers:
        follower.writer.write(head.encode())
    for follower in followers:
        await follower.reader.readuntil(b"event: ")
    await asyncio.sleep(2.0)
    before, started = cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(_LISTENING_SECONDS)
    used = (cpu_seconds(pid) - before) / (time.perf_counter() - started)
    for follower in followers:
        follower.writer.close()
    return {
        "listeners": listeners,
        "cpu_percent": round(100 * used, 2),
        "cpu_us_a_listener_and_second": round(1e6 * used / listeners, 1),
    }


async def drained(url: str) -> float:
    """Seconds until the queue is empty."""
    connection = await Connection.open(url)
    started = time.perf_counter()
    while True:
        queue = (await connection.get("/health"))["queue"]
        if queue["waiting"] == 0 and queue["in_flight"] == 0:
            return time.perf_counter() - started
        await asyncio.sleep(0.2)


def idle(seconds: float) -> dict[str, float]:
    """The real `short-drama up`, nothing to do, engines not loaded yet."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["short-drama", "up", "--ports", "auto", "--data-dir", folder]
        started = time.perf_counter()
        with served([str(Path(sys.executable).with_name(command[0])), *command[1:]]) as (
            process,
            _,
        ):
            ready = time.perf_counter() - started
            time.sleep(3.0)  # whatever starting leaves to be done
            before = cpu_seconds(process.pid)
            time.sleep(seconds)
            used = cpu_seconds(process.pid) - before
            return {
                "ready_seconds": round(ready, 2),
                "rss_mib": round(rss_mib(process.pid), 1),
                "cpu_percent": round(100 * used / seconds, 2),
            }


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def pipeline(tasks: int) -> dict[str, object]:
    os.environ["SHORT_DRAMA_FETCH_ALLOW"] = "127.0.0.0/8"
    async with pictures(still()) as gallery:
        return await _pipeline(tasks, gallery)


async def _pipeline(tasks: int, gallery: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.serve_noop", folder]
        with served(command) as (_, line):
            url = json.loads(line)["orchestrator"]
            image = await upload(url)
            figures: dict[str, object] = {"overhead": await overhead(url, image, tasks=200)}
            named = {"asset": image, "url": f"{gallery}/tagged", "url_sent": f"{gallery}/"}
            for clients, (name, reference) in itertools.product((1, 8, 32), named.items()):
                await submits(url, reference, clients=1, tasks=1)  # from now on it is known
                figures[f"submits_{clients}_{name}"] = await submits(
                    url, reference, clients=clients, tasks=tasks
                )
                seconds = await drained(url)
                figures[f"drained_{clients}_{name}"] = {"seconds": round(seconds, 1)}
            return figures


async def accepting(tasks: int) -> dict[str, object]:
    """An orchestrator alone: nobody works on what it accepts, so its time is that of submits, and
    of listeners."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.serve_noop", folder, "orchestrator"]
        with served(command) as (process, line):
            url = json.loads(line)["orchestrator"]
            image = await upload(url)
            figures: dict[str, object] = {}
            for clients in (1, 8, 32):
                figures[f"accepts_{clients}"] = await submits(
                    url, image, clients=clients, tasks=tasks, pid=process.pid
                )
            figures["listening"] = await listening(url, image, process.pid, listeners=1000)
            return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000, help="submits per level")
    parser.add_argument("--idle-seconds", type=float, default=20.0)
    options = parser.parse_args()
    figures = asyncio.run(pipeline(options.tasks))
    figures |= asyncio.run(accepting(options.tasks))
    figures["idle"] = idle(options.idle_seconds)
    for name, values in figures.items():
        assert isinstance(values, dict)
        print(f"{name:<18}", "  ".join(f"{key} {value}" for key, value in values.items()))


if __name__ == "__main__":
    main()
