"""Start a simulator, print its URL and serve until killed."""

import argparse
import asyncio
from pathlib import Path

from tests.simulators.qwen_vl import KEY, QwenVLSimulator


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.qwen_vl")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--key", default=KEY, help="the API key it accepts")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for each answer")
    parser.add_argument("--in-flight", type=int, help="calls at a time, else 429")
    parser.add_argument("--per-minute", type=int, help="calls a minute, else 429")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds a minute lasts")
    parser.add_argument("--log", type=Path, help="gets a line of JSON per call")
    return parser.parse_args()


async def serve(chosen: argparse.Namespace) -> None:
    async with QwenVLSimulator(
        key=chosen.key,
        latency=chosen.latency,
        in_flight=chosen.in_flight,
        per_minute=chosen.per_minute,
        minute=chosen.minute,
        port=chosen.port,
        log=chosen.log,
    ) as qwen:
        print(qwen.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
