"""`make fuzz`: every application, for as long as you like."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import fuzz, uploaded
from tests.noop_engine import NOOP
from tests.stack import running_stack


async def main(seed: int, examples: int) -> int:
    dirty = 0
    with tempfile.TemporaryDirectory() as folder:
        async with running_stack(Path(folder), NOOP) as stack:
            image = await uploaded(stack)
            for component, url in stack.urls.items():
                found = await fuzz(url, image=image, seed=seed, examples=examples)
                print(f"=== {component}\n{found.told}", flush=True)
                dirty += not found.clean
    return dirty


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=200, help="of each operation")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.seed, given.examples)))
