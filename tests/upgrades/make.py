"""Keep what a release leaves behind when it is killed in the middle of its work.

`python -m tests.upgrades.make SOURCE NAME` runs `up` of the release whose `src` folder is SOURCE,
with simulated providers, until tasks have been completed and failed and others are pending and
being worked on, kills it, and writes `NAME.zip`: its database as statements, its files, and what
it had answered by then (`asked.json`).
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.processes import ENVIRONMENT, Process
from tests.emulators.server import free_ports
from tests.samples import png
from tests.simulators import qwen_vl, seedream

KEPT = Path(__file__).parent / "kept"
DUMP, ASKED, FILES = "tasks.sql", "asked.json", "files/"
LATENCY = 1.0
"""Of the providers, in seconds: for which a call is sure to be under way."""
_LARGE = (2600, 1900)
"""Pixels of a still that is worked on for a while."""


class Site:
    """Orchestrators of both lanes, asked over HTTP alone, which is what releases have in common.
    What they were asked for is kept by its Idempotency-Key."""

    def __init__(self, http: aiohttp.ClientSession, data: Path, *, gpu: str, cpu: str) -> None:
        self._http, self._data, self._gpu, self._cpu = http, data, gpu, cpu
        self.asked: dict[str, dict[str, Any]] = {}

    async def upload(self, picture: bytes) -> str:
        headers = {"Content-Type": "image/png"}
        url = f"{self._gpu}/api/v1/assets"
        async with self._http.post(url, data=picture, headers=headers) as answer:
            told = await answer.json()
            assert answer.status < 300, told
        return str(told["image_url"])

    async def submit(self, key: str, kind: str, **body: Any) -> str:
        given = {"labels": {"show": "Nightfall"}, **body}
        headers = {"Idempotency-Key": key}
        url = f"{self._lane(kind)}/api/v1/{kind}/tasks"
        async with self._http.post(url, json=given, headers=headers) as answer:
            told = await answer.json()
            assert answer.status == 202, told
        self.asked[key] = {"kind": kind, "body": given, "task_id": told["task_id"]}
        return str(told["task_id"])

    async def ended(self, key: str, kind: str, **body: Any) -> None:
        task_id = await self.submit(key, kind, **body)
        url = f"{self._lane(kind)}/api/v1/tasks/{task_id}?wait=1"
        for _ in range(60):
            async with self._http.get(url) as answer:
                view = await answer.json()
            if view["status"] in ("completed", "failed"):
                self.asked[key]["view"] = view
                return
        raise AssertionError(f"{key} does not end")

    async def begun(self, task_id: str) -> None:
        """Until somebody works on it."""
        asked = "SELECT status FROM tasks WHERE task_id = ?"
        with contextlib.closing(sqlite3.connect(self._data / "tasks.db")) as database:
            for _ in range(10_000):
                (status,) = database.execute(asked, (task_id,)).fetchone()
                if status == "processing":
                    return
                await asyncio.sleep(0.001)
        raise AssertionError(f"nobody begins with {task_id}")

    def _lane(self, kind: str) -> str:
        return self._cpu if "face" in kind else self._gpu


async def fill(site: Site, *, paid: bool) -> None:
    """Leave tasks of every sort, the last of them under way."""
    still, large = await site.upload(png(320, 256)), await site.upload(png(*_LARGE))
    await site.ended("completed", "camera-angle", image_url=still, horizontal=1, seed=7)
    await site.ended("failed", "face-mask", image_url=still, face_index=9)
    if paid:
        faces = {"source_image_url": still, "target_face_url": still}
        await site.ended("bought", "full-face-swap", **faces)
        await site.submit("buying", "full-face-swap", **faces)
        await asyncio.sleep(1.5 * LATENCY)  # in its second call
    held = await site.submit("processing", "camera-angle", image_url=large, zoom=1, seed=8)
    for number in range(2):
        await site.submit(f"pending-{number}", "camera-angle", image_url=still, zoom=1, seed=number)
    await site.begun(held)


@contextlib.asynccontextmanager
async def providers(folder: Path) -> AsyncIterator[Mapping[str, str]]:
    """Settings for simulated ones."""
    qwen, ark = free_ports(2)
    with contextlib.ExitStack() as running:
        for name, port in (("qwen_vl", qwen), ("seedream", ark)):
            command = [sys.executable, "-m", f"tests.simulators.{name}", "--port", str(port)]
            command += ["--latency", str(LATENCY), "--log", str(folder / name)]
            simulator = Process(command, r"(http\S+)", {**ENVIRONMENT, "PYTHONPATH": "."})
            simulator.start()
            running.callback(simulator.end, signal.SIGKILL)
        yield {
            "DASHSCOPE_API_KEY": qwen_vl.KEY,
            "ARK_API_KEY": seedream.KEY,
            "SHORT_DRAMA_DASHSCOPE_BASE_URL": f"http://127.0.0.1:{qwen}/compatible-mode/v1",
            "SHORT_DRAMA_ARK_BASE_URL": f"http://127.0.0.1:{ark}/api/v3",
        }


async def leave(source: Path, data: Path, *, paid: bool) -> Mapping[str, Any]:
    """What was asked of the release and answered by it until it was killed."""
    async with contextlib.AsyncExitStack() as running:
        settings = {**ENVIRONMENT, "PYTHONPATH": str(source)}
        if paid:
            settings |= await running.enter_async_context(providers(data.parent))
        product = _started(data, settings)
        running.callback(product.kill)
        urls = _urls(product)
        http = await running.enter_async_context(aiohttp.ClientSession())
        site = Site(http, data, gpu=urls[0], cpu=urls[1])
        await fill(site, paid=paid)
        product.kill()
        product.wait()
    return site.asked


def _started(data: Path, settings: Mapping[str, str]) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "short_drama",
        "up",
        "--ports",
        "auto",
        "--data-dir",
        str(data),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings)


def _urls(product: "subprocess.Popen[str]") -> list[str]:
    """Of the orchestrators, which name themselves first."""
    assert product.stdout is not None
    told = list(itertools.takewhile(lambda line: "Ready" not in line, product.stdout))
    return re.findall(r"Orchestrator\D*?(http://\S+)", "".join(told))


def keep(data: Path, asked: Mapping[str, Any], kept: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / "tasks.db")) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        statements = [*database.iterdump(), f"PRAGMA user_version = {version};"]
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(DUMP, "\n".join(statements))
        archive.writestr(ASKED, json.dumps(asked, indent=1))
        for path in sorted(data.rglob("*")):
            if path.is_file() and not path.name.startswith("tasks.db"):
                archive.write(path, FILES + str(path.relative_to(data)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("name")
    parser.add_argument("--unpaid", action="store_true", help="of the releases without providers")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        asked = asyncio.run(leave(chosen.source.resolve(), data, paid=not chosen.unpaid))
        keep(data, asked, KEPT / f"{chosen.name}.zip")


if __name__ == "__main__":
    main()
