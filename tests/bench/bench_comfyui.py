"""What our service adds to ComfyUI's own time: idling between jobs, overhead per task, swaps.

Three processes on this machine: the product, a simulated ComfyUI whose steps take the time they are
told to, and this client. Times of engine runs are the simulator's own.
"""

import argparse
import asyncio
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from short_drama.images.codec import Pixels
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.models import TaskView
from tests.bench.bench_stack import served

ANGLE, EDIT = "camera-angle", "qwen-image-edit"
_STEPS = 10
_SWAP = 7.0
"""Seconds, on an H100; the kinds' own times there are 3.54 and 1.91 s."""
_SCALE = 0.1
"""Of all times in the mixed queue, ours excepted: the ratio is then worse than in life."""


@dataclass(frozen=True, slots=True)
class Bench:
    client: AsyncClient
    image: str
    run_log: Path

    async def submit(self, kind: str = ANGLE, steps: int = _STEPS) -> str:
        own = {"horizontal": -1} if kind == ANGLE else {"prompt": "at night"}
        body = {"image_url": self.image, "steps": steps, **own}
        return (await self.client.submit(kind, body)).task_id

    async def ended(self, task_id: str) -> TaskView:
        task = await self.client.wait(task_id, timeout=600)
        if task.status != "completed":
            raise RuntimeError(f"{task.task_id}: {task.error}")
        return task

    def runs(self) -> list[Mapping[str, Any]]:
        lines = [json.loads(line) for line in self.run_log.read_text().splitlines()]
        return [line for line in lines if line["event"] == "ended"]


@contextlib.asynccontextmanager
async def bench(
    *,
    step: float,
    image: bytes,
    swap: float = 0.0,
    latency: float = 0.0,
    swap_wait: float = 120.0,
) -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "runs"
        simulator = [sys.executable, "-m", "tests.simulators.comfyui", "--run-log", str(log)]
        times = ["--step-seconds", str(step), "--swap-seconds", str(swap)]
        with served([*simulator, *times]) as (_, url):
            product = [sys.executable, "-m", "tests.bench.serve_slow_assets", str(folder / "data")]
            options = ["--latency", str(latency), "--swap-wait", str(swap_wait)]
            with served([*product, url.strip(), *options]) as (_, line):
                urls = json.loads(line)
                async with AsyncClient(
                    gpu_url=urls["orchestrator"], cpu_url=urls["cpu-orchestrator"]
                ) as client:
                    uploaded = (await client.upload(image)).image_url
                    await asyncio.sleep(1.0)  # the service finds ComfyUI meanwhile
                    yield Bench(client, uploaded, log)


def photograph() -> bytes:
    """A megapixel of soft shapes with grain: 0.3 MB as JPEG, and 1.7 MB as ComfyUI's PNG."""
    chance = np.random.default_rng(1)
    shapes = Image.fromarray(chance.integers(0, 256, (64, 64, 3), np.uint8))
    soft = np.asarray(shapes.resize((1024, 1024), Image.Resampling.BICUBIC), np.int16)
    return jpeg(np.clip(soft + chance.normal(0, 2, soft.shape), 0, 255).astype(np.uint8))


def two_megabytes() -> bytes:
    return jpeg(np.random.default_rng(1).integers(0, 256, (1536, 1536, 3), np.uint8) // 4 * 3)


def jpeg(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


async def utilisation(seconds: float, tasks: int) -> dict[str, object]:
    """A queue of jobs of `seconds` each: how long the engine idles in between."""
    async with bench(step=seconds / _STEPS, latency=0.05, image=two_megabytes()) as running:
        submitted = [await running.submit() for _ in range(tasks)]
        for task_id in submitted:
            await running.ended(task_id)
        runs = running.runs()
    gaps = [later["started"] - earlier["ended"] for earlier, later in pairwise(runs)]
    whole = runs[-1]["ended"] - runs[0]["started"]
    busy = sum(run["ended"] - run["started"] for run in runs)
    return {
        "jobs": tasks,
        "idle_ms_median": round(median(gaps) * 1000, 2),
        "idle_ms_max": round(max(gaps) * 1000, 2),
        "utilisation_percent": round(100 * busy / whole, 3),
    }


async def overhead(seconds: float, tasks: int) -> dict[str, object]:
    """One task at a time: submit to visible completion, minus the engine's run."""
    spent = []
    async with bench(step=seconds / _STEPS, image=photograph()) as running:
        for _ in range(tasks):
            started = time.perf_counter()
            await running.ended(await running.submit())
            spent.append(time.perf_counter() - started)
        runs = running.runs()
    left = [
        all_of_it - (run["ended"] - run["started"])
        for all_of_it, run in zip(spent, runs, strict=True)
    ]
    return {
        "tasks": tasks,
        "p50_ms": round(median(left) * 1000, 1),
        "max_ms": round(max(left) * 1000, 1),
    }


async def mixed(tasks: int, *, swap_wait: float) -> tuple[float, float, int]:
    """Seconds for a queue of both kinds in turn, the longest wait of a task that was held, in
    seconds, and the swaps."""
    step, swap = 2.73 * _SCALE / _STEPS, _SWAP * _SCALE
    async with bench(step=step, swap=swap, swap_wait=swap_wait, image=photograph()) as running:
        kinds = [(ANGLE, EDIT)[number % 2] for number in range(tasks)]
        submitted = [await running.submit(kind) for kind in kinds]
        views = [await running.ended(task_id) for task_id in submitted]
        runs = running.runs()
    whole = runs[-1]["ended"] - runs[0]["started"]
    swaps = sum(one["kind"] != other["kind"] for one, other in pairwise(runs))
    return whole, max(map(_held, views)), swaps


def _held(task: TaskView) -> float:
    """Seconds from the claim to the end, without the run itself."""
    ended_at = task.created_at + (task.timings.total_seconds or 0.0)
    return ended_at - (task.started_at or 0.0) - (task.timings.engine_seconds or 0.0)


async def swapping(tasks: int) -> dict[str, object]:
    bound = 120.0 * _SCALE
    arrival, _, many = await mixed(tasks, swap_wait=0.001)
    ours, longest, few = await mixed(tasks, swap_wait=bound)
    return {
        "tasks": tasks,
        "arrival_order_seconds": round(arrival, 1),
        "ours_seconds": round(ours, 1),
        "times_the_throughput": round(arrival / ours, 2),
        "swaps": f"{many}->{few}",
        "longest_wait_of_bound": f"{longest:.1f}/{bound:.1f}",
    }


async def measure(quick: bool) -> None:
    lengths: Sequence[tuple[float, int]] = [(1.0, 20)] if quick else [(1.0, 30), (12.0, 6)]
    for seconds, tasks in lengths:
        show(f"queue of {seconds:g} s jobs", await utilisation(seconds, tasks))
    alone = [(1.0, 10)] if quick else [(1.0, 20), (12.0, 3), (25.0, 3)]
    for seconds, tasks in alone:
        show(f"one {seconds:g} s job at a time", await overhead(seconds, tasks))
    show("both kinds in turn", await swapping(24 if quick else 48))


def show(name: str, figures: Mapping[str, object]) -> None:
    print(f"{name:<24}", "  ".join(f"{key} {value}" for key, value in figures.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one minute instead of five")
    asyncio.run(measure(parser.parse_args().quick))


if __name__ == "__main__":
    main()
