"""The product with simulated providers, each in a process of its own; charges are counted by what
the providers wrote down.

`python -m tests.e2e.paid_site --tasks 40 --kills 20` kills the product at random and counts.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.spend_ledger import EmbeddedSpendLedger
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.models import TaskView
from short_drama.wiring.components import Component
from tests.e2e.processes import COMMAND, ENVIRONMENT, Ports, Process
from tests.emulators.server import free_ports
from tests.patience import SOON
from tests.samples import png
from tests.simulators import qwen_vl, seedream

FULL = "full-face-swap"
READ_SECONDS = 3
"""For which an answer is waited for: a call that a kill cut off is repeated some seconds later."""


@dataclass
class PaidSite:
    folder: Path
    product: Process
    client: AsyncClient
    ledger: EmbeddedSpendLedger
    image: str = ""

    async def submit(self, kind: str = FULL) -> str:
        still = "source_image_url" if kind == FULL else "masked_image_url"
        body = {still: self.image, "target_face_url": self.image}
        return (await self.client.submit(kind, body)).task_id

    async def ended(self, task_id: str) -> TaskView:
        return await self.client.wait(task_id, timeout=SOON)

    async def kill_and_start(self) -> None:
        self.product.end(signal.SIGKILL)
        await asyncio.to_thread(self.product.start)

    async def lines(self, task_id: str) -> set[str]:
        """What the task's page of the ledger says by now, as `step.number.state`."""
        page = await self.ledger.read(task_id)
        calls = () if page is None else page.calls
        return {f"{call.step}.{call.number}.{call.state}" for call in calls}

    async def until(self, task_id: str, line: str) -> None:
        for _ in range(20_000):
            if line in await self.lines(task_id):
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"{line} does not come about: {await self.lines(task_id)}")

    def calls(self, provider: str) -> Sequence[dict[str, Any]]:
        """Those that ended, and those that the kill cut off from their caller."""
        log = self.folder / provider
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def paid_calls(self) -> int:
        """Calls that the providers charge for."""
        detections = [call for call in self.calls("qwen") if call["input_tokens"]]
        pictures = [call for call in self.calls("seedream") if call["charged"]]
        return len(detections) + len(pictures)


@contextlib.asynccontextmanager
async def paid_site(
    folder: Path,
    *,
    latency: float,
    limits: Sequence[str] = (),
    changes: Mapping[str, str] | None = None,
) -> AsyncIterator[PaidSite]:
    """`limits`: options of both simulators; `changes`: settings of the product."""
    ports = Ports()
    qwen, ark = free_ports(2)
    simulators = []
    for name, port in (("qwen_vl", qwen), ("seedream", ark)):
        command = [sys.executable, "-m", f"tests.simulators.{name}", "--port", str(port)]
        log = folder / name.removesuffix("_vl")
        command += ["--latency", str(latency), "--log", str(log), *limits]
        simulators.append(Process(command, r"(http\S+)", {**ENVIRONMENT, "PYTHONPATH": "."}))
    settings = {
        **ports.settings,
        **ENVIRONMENT,
        "DASHSCOPE_API_KEY": qwen_vl.KEY,
        "ARK_API_KEY": seedream.KEY,
        "SHORT_DRAMA_DASHSCOPE_BASE_URL": f"http://127.0.0.1:{qwen}/compatible-mode/v1",
        "SHORT_DRAMA_ARK_BASE_URL": f"http://127.0.0.1:{ark}/api/v3",
        "SHORT_DRAMA_LEASE_SECONDS": "6",
        "SHORT_DRAMA_QWEN_READ_SECONDS": str(READ_SECONDS),
        "SHORT_DRAMA_SEEDREAM_READ_SECONDS": str(READ_SECONDS),
        "SHORT_DRAMA_SWEEP_SECONDS": "0.5",
        **(changes or {}),
    }
    product = Process([COMMAND, "up", "--data-dir", str(folder / "data")], r"^(Ready)", settings)
    gpu, cpu = ports.url(Component.ORCHESTRATOR), ports.url(Component.CPU_ORCHESTRATOR)
    async with contextlib.AsyncExitStack() as running:
        for process in (*simulators, product):
            process.start()
            running.callback(process.end, signal.SIGKILL)
        client = await running.enter_async_context(
            AsyncClient(gpu_url=gpu, cpu_url=cpu, attempts=8)
        )
        database = await running.enter_async_context(Database(folder / "data" / "tasks.db"))
        site = PaidSite(folder, product, client, EmbeddedSpendLedger(database))
        site.image = (await client.upload(png(320, 240))).image_url
        yield site


async def rampage(tasks: int, kills: int, in_flight: int, seed: int) -> dict[str, int]:
    """What was charged for so many tasks while the product was killed so often."""
    chance = random.Random(seed)
    changes = {f"SHORT_DRAMA_{name}_IN_FLIGHT": str(in_flight) for name in ("QWEN", "SEEDREAM")}
    with tempfile.TemporaryDirectory() as name:
        async with paid_site(Path(name), latency=1.0, changes=changes) as site:
            submitted = [await site.submit() for _ in range(tasks)]
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(1.0, 4.0))
                await site.kill_and_start()
            ended = [await site.ended(task) for task in submitted]
            return {
                "tasks": tasks,
                "kills": kills,
                "completed": sum(task.status == "completed" for task in ended),
                "given_up": sum(task.status == "failed" for task in ended),
                "detections_charged": sum(
                    bool(call["input_tokens"]) for call in site.calls("qwen")
                ),
                "pictures_charged": sum(call["charged"] for call in site.calls("seedream")),
                "most_for_one_task": max([len(await site.lines(task)) for task in submitted]),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--in-flight", type=int, default=1, help="of each provider: what a kill cuts off"
    )
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(asyncio.run(rampage(chosen.tasks, chosen.kills, chosen.in_flight, chosen.seed)))


if __name__ == "__main__":
    main()
