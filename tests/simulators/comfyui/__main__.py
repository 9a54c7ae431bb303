"""Start a simulator, print its URL and serve until killed."""

import argparse
import asyncio
from pathlib import Path

from tests.simulators.comfyui import CARDS, MODELS, PACKS, VERSIONS, ComfyUISimulator


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.comfyui")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--version", choices=VERSIONS, default=VERSIONS[0], help="of ComfyUI")
    parser.add_argument("--step-seconds", type=float, default=0.01)
    parser.add_argument("--swap-seconds", type=float, default=0.0)
    parser.add_argument("--cache-lru", action="store_true", help="keep all models loaded")
    parser.add_argument("--previews", action="store_true")
    parser.add_argument("--model", action="append", default=[], help="folder/file, one more")
    parser.add_argument("--without", action="append", default=[], help="a model file, missing")
    parser.add_argument("--pack", action="append", default=[], choices=PACKS, help="of nodes")
    parser.add_argument("--card", choices=CARDS, default="h100", help="that it runs on")
    parser.add_argument("--prefix", default="", help="before all its paths")
    parser.add_argument("--authorization", help="the header that everybody must send")
    parser.add_argument("--folder", type=Path, help="holds input/ and output/, over restarts")
    parser.add_argument("--run-log", type=Path, help="gets a line of JSON per start and end")
    return parser.parse_args()


def models(more: list[str], without: list[str]) -> dict[str, list[str]]:
    """Those of the two workflows, with and without these."""
    found = {folder: [name for name in MODELS[folder] if name not in without] for folder in MODELS}
    for path in more:
        folder, _, name = path.partition("/")
        found.setdefault(folder, []).append(name)
    return found


async def serve(chosen: argparse.Namespace) -> None:
    async with ComfyUISimulator(
        version=chosen.version,
        step_seconds=chosen.step_seconds,
        swap_seconds=chosen.swap_seconds,
        cache_lru=chosen.cache_lru,
        previews=chosen.previews,
        models=models(chosen.model, chosen.without),
        packs=chosen.pack,
        card=chosen.card,
        prefix=chosen.prefix,
        authorization=chosen.authorization,
        port=chosen.port,
        folder=chosen.folder,
        run_log=chosen.run_log,
    ) as comfyui:
        print(comfyui.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
