"""kill -9 the whole product at some moment, start it again: nothing accepted is lost."""

import asyncio
import contextlib
import io
import json
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

TASKS = 8
COMMAND = str(Path(sys.executable).with_name("short-drama"))


@dataclass
class Product:
    """The real command on one data directory; may be killed and started again."""

    data_dir: Path
    process: subprocess.Popen[str] = field(init=False)
    url: str = ""

    def start(self) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "up", "--ports", "auto", "--data-dir", str(self.data_dir)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(r"GPU tasks\s+(http\S+)", line):
                self.url = match[1]
            if line.startswith("Ready"):
                return
        raise AssertionError("the product did not start")

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    product = Product(tmp_path)
    product.start()
    yield product
    product.end(signal.SIGTERM)
    assert product.process.returncode == 0


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def upload(http: aiohttp.ClientSession, url: str) -> str:
    buffer = io.BytesIO()
    bands = [Image.effect_noise((1600, 1200), 60) for _ in range(3)]
    Image.merge("RGB", bands).save(buffer, "JPEG")
    headers = {"Content-Type": "image/jpeg"}
    async with http.post(f"{url}/api/v1/assets", data=buffer.getvalue(), headers=headers) as answer:
        return str((await answer.json())["image_url"])


async def submit(http: aiohttp.ClientSession, url: str, image: str, key: str) -> str:
    body = {"image_url": image, "prompt": "line art", "labels": {"key": key}}
    headers = {"Idempotency-Key": key}
    path = f"{url}/api/v1/qwen-image-edit/tasks"
    async with http.post(path, json=body, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["task_id"])


async def ended(http: aiohttp.ClientSession, url: str, task_id: str) -> dict[str, Any]:
    while True:
        async with http.get(f"{url}/api/v1/tasks/{task_id}?wait=20") as answer:
            task: dict[str, Any] = await answer.json()
        if task["status"] in ("completed", "failed", "cancelled"):
            return task


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.2, 0.5, 1.0])
async def test_every_accepted_task_ends_once_whenever_the_process_is_killed(
    product: Product, http: aiohttp.ClientSession, moment: float
) -> None:
    image = await upload(http, product.url)
    keys = [uuid.uuid4().hex for _ in range(TASKS)]
    accepted: dict[str, str] = {}
    first = asyncio.Event()

    async def submit_all() -> None:
        for key in keys:
            accepted[key] = await submit(http, product.url, image, key)
            first.set()

    submitting = asyncio.create_task(submit_all())
    await first.wait()
    await asyncio.sleep(moment)
    product.end(signal.SIGKILL)
    with contextlib.suppress(aiohttp.ClientError):
        await submitting
    before = dict(accepted)
    await asyncio.to_thread(product.start)

    # A client that does not know what became of its submit repeats it with the same key.
    again = {key: await submit(http, product.url, image, key) for key in keys}
    assert {key: again[key] for key in before} == before

    tasks = [await ended(http, product.url, task_id) for task_id in again.values()]
    assert [task["status"] for task in tasks] == ["completed"] * TASKS
    for task in tasks:
        async with http.get(task["result_url"]) as answer:
            Image.open(io.BytesIO(await answer.read())).load()
    async with http.get(f"{product.url}/api/v1/tasks?limit=200") as answer:
        listed = (await answer.json())["tasks"]
    assert sorted(task["task_id"] for task in listed) == sorted(again.values())
    # An end is final: nothing writes the record again.
    versions = {task["task_id"]: task["version"] for task in tasks}
    assert {task["task_id"]: task["version"] for task in listed} == versions


async def test_a_second_process_is_refused_and_told_why(product: Product) -> None:
    second = await asyncio.to_thread(
        subprocess.run,
        [COMMAND, "up", "--ports", "auto", "--data-dir", str(product.data_dir)],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert second.returncode == 3
    assert "another short-drama uses the data directory" in second.stderr
    assert "--data-dir" in second.stderr


async def test_a_taken_port_is_named(product: Product, tmp_path: Path) -> None:
    port = product.url.rpartition(":")[2]
    second = await asyncio.to_thread(
        subprocess.run,
        [COMMAND, "up", "--data-dir", str(tmp_path / "other")],
        env={"SHORT_DRAMA_ORCHESTRATOR_PORT": port, "PATH": ""},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert second.returncode == 3
    assert f"port {port} for the orchestrator" in second.stderr
    assert json.dumps("Traceback") not in second.stderr
