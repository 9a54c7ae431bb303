"""One API service with the chaos engine: `python -m tests.chaos.serve COMPONENT LOG SEED LONG`."""

import asyncio
import logging
import sys
from pathlib import Path

from short_drama.cli import host
from short_drama.settings import load
from short_drama.wiring.components import Component
from tests.chaos.engine import EngineLog, chaos_engines


async def main(component: str, log: str, seed: str, long: str) -> None:
    await host.run(
        load(),
        [Component(component)],
        alone=False,
        ready=lambda urls: print("Ready.", flush=True),
        stop=host.stop_on_signals(),
        engines=chaos_engines(EngineLog(Path(log)), seed=int(seed), long=float(long)),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    asyncio.run(main(*sys.argv[1:]))
