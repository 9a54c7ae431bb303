"""kill -9 the service, or ComfyUI, in the middle of its jobs: nothing is lost, nothing runs twice
that was done, and nothing runs more often than it has attempts."""

import asyncio
import contextlib
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from short_drama.sdk.client import AsyncClient
from short_drama.sdk.models import TaskView
from short_drama.wiring.components import Component
from tests.e2e.processes import COMMAND, ENVIRONMENT, Ports, Process
from tests.emulators.server import free_ports
from tests.patience import SOON
from tests.samples import png

TASKS = 6


@dataclass
class Site:
    """A simulated ComfyUI, the product, and a client, each in a process of its own."""

    comfyui: Process
    product: Process
    client: AsyncClient
    log: Path
    image: str = ""

    def runs(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]

    def started(self) -> int:
        return sum(run["event"] == "started" for run in self.runs())

    async def submit(self, count: int) -> list[str]:
        body = {"image_url": self.image, "horizontal": -1, "steps": 5}
        tasks = [await self.client.submit("camera-angle", body) for _ in range(count)]
        return [task.task_id for task in tasks]

    async def until_started(self, count: int) -> None:
        for _ in range(1500):
            if self.started() >= count:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"only {self.started()} runs have started")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    log, ports = tmp_path / "runs", Ports()
    [engine] = free_ports(1)
    simulator = [sys.executable, "-m", "tests.simulators.comfyui", "--port", str(engine)]
    options = ["--step-seconds", "0.1", "--run-log", str(log), "--folder", str(tmp_path / "c")]
    settings = {
        **ports.settings,
        **ENVIRONMENT,
        "SHORT_DRAMA_COMFYUI_URL": f"http://127.0.0.1:{engine}",
        "SHORT_DRAMA_COMFYUI_WARM_UP": "false",
        "SHORT_DRAMA_LEASE_SECONDS": "6",
        "SHORT_DRAMA_SWEEP_SECONDS": "0.5",
    }
    comfyui = Process([*simulator, *options], r"(http\S+)")
    product = Process([COMMAND, "up", "--data-dir", str(tmp_path / "data")], r"^(Ready)", settings)
    comfyui.start()
    product.start()
    gpu, cpu = ports.url(Component.ORCHESTRATOR), ports.url(Component.CPU_ORCHESTRATOR)
    async with AsyncClient(gpu_url=gpu, cpu_url=cpu, attempts=8) as client:
        found = Site(comfyui, product, client, log)
        found.image = (await client.upload(png())).image_url
        yield found
    for process in (product, comfyui):
        with contextlib.suppress(ProcessLookupError):
            process.end(signal.SIGKILL)


async def all_done(site: Site, tasks: list[str]) -> list[TaskView]:
    ended = [await site.client.wait(task, timeout=SOON) for task in tasks]
    assert [task.status for task in ended] == ["completed"] * len(tasks), [t.error for t in ended]
    return ended


def hold_to_the_promises(site: Site, ended: list[TaskView]) -> None:
    runs = site.runs()
    assert site.started() <= sum(task.attempts for task in ended)
    made = Counter(run["prompt_id"] for run in runs if run.get("ending") == "success")
    assert max(made.values()) == 1
    used = {(task.provenance or {}).get("prompt_id") for task in ended}
    assert set(made) == used  # every run that succeeded is somebody's result


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_service_is_killed_again_and_again(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    tasks = await site.submit(TASKS)
    for _ in range(3):
        await site.until_started(1)
        await asyncio.sleep(chance.uniform(0, 0.8))
        site.product.end(signal.SIGKILL)
        await asyncio.sleep(chance.uniform(0, 0.5))
        site.product.start()
    hold_to_the_promises(site, await all_done(site, tasks))


async def test_comfyui_is_killed_in_the_middle_of_a_job(site: Site) -> None:
    tasks = await site.submit(TASKS)
    for count in (1, 3):
        await site.until_started(count)
        site.comfyui.end(signal.SIGKILL)
        await asyncio.sleep(0.5)
        site.comfyui.start()
    ended = await all_done(site, tasks)
    assert site.started() <= sum(task.attempts for task in ended)


async def test_comfyui_stands_still_for_a_while(site: Site) -> None:
    tasks = await site.submit(2)
    await site.until_started(1)
    site.comfyui.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(8)  # longer than a lease
    site.comfyui.process.send_signal(signal.SIGCONT)
    hold_to_the_promises(site, await all_done(site, tasks))
