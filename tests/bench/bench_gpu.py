"""How fast both GPU kinds are on a card: `python -m tests.bench.bench_gpu http://127.0.0.1:8188`.

The product in this process, and a ComfyUI of yours with the files of a set. Each picture is of a
megapixel with a prompt of its own, so that only the loaded models are there already. Seconds are
the engine's in a task's record; those of a step are the difference between pictures of N and of 2 N
steps. Memory is what ComfyUI says, at its most.
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import aiohttp

from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.workflows.library import BUILT_IN, MODEL_SETS
from short_drama.comfyui_api.workflows.server_facts import ServerFacts
from short_drama.sdk.models import TaskView
from tests.bench.bench_comfyui import photograph
from tests.integration.comfyui_stage import ComfyUIStage, comfyui_stage

_LOOK_SECONDS = 0.1
GIB = 2**30


class Memory:
    """Of the GPU: the most that was in use since `watched`, in bytes."""

    def __init__(self) -> None:
        self.peak = 0

    async def watch(self, url: str) -> None:
        async with aiohttp.ClientSession(url) as http:
            while True:
                async with http.get("/system_stats") as answer:
                    (device, *_) = (await answer.json())["devices"]
                self.peak = max(self.peak, device["vram_total"] - device["vram_free"])
                await asyncio.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def watched(url: str) -> AsyncIterator[Memory]:
    memory = Memory()
    watching = asyncio.create_task(memory.watch(url))
    try:
        yield memory
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def seconds(task: TaskView) -> float:
    """The engine's."""
    assert task.timings.engine_seconds is not None
    return task.timings.engine_seconds


async def measured(stage: ComfyUIStage, url: str, kind: str, rounds: int) -> Mapping[str, object]:
    async with watched(url) as memory:
        first = await stage.done(kind, prompt="the first")
        steps = (first.provenance or {})["made_with"]["steps"]
        pictures = [seconds(await stage.done(kind, prompt=f"number {n}")) for n in range(rounds)]
        longer = [
            seconds(await stage.done(kind, prompt=f"twice {n}", steps=2 * steps))
            for n in range(rounds)
        ]
    return {
        "kind": kind,
        "steps": steps,
        "first_seconds": round(seconds(first), 2),
        "picture_seconds": round(median(pictures), 2),
        "step_seconds": round((median(longer) - median(pictures)) / steps, 3),
        "pictures": [round(each, 2) for each in pictures],
        "longer": [round(each, 2) for each in longer],
        "peak_gib": round(memory.peak / GIB, 1),
    }


async def card(url: str) -> Mapping[str, object]:
    async with ComfyUI(url, client_id="bench") as comfyui:
        facts = ServerFacts({}, await comfyui.system_stats())
    return {
        "card": facts.card,
        "gpu_gib": round(facts.vram_bytes / GIB, 1),
        "ram_gib": round(facts.ram_bytes / GIB, 1),
        "comfyui": facts.version,
    }


async def measure(url: str, model_set: str, kinds: Sequence[str], rounds: int) -> None:
    told = {"set": model_set, **await card(url)}
    times = {"lease_seconds": 60.0, "comfyui_model_set": model_set}
    with tempfile.TemporaryDirectory() as folder:
        async with comfyui_stage(Path(folder), url, image=photograph(), **times) as stage:
            await stage.until("ready")
            for kind in kinds:
                print(json.dumps({**told, **await measured(stage, url, kind, rounds)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of a ComfyUI")
    parser.add_argument("--set", choices=MODEL_SETS, default=MODEL_SETS[0])
    parser.add_argument("--kind", choices=BUILT_IN, action="append")
    parser.add_argument("--rounds", type=int, default=3, help="pictures of each length")
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.url, chosen.set, chosen.kind or BUILT_IN, chosen.rounds))


if __name__ == "__main__":
    main()
