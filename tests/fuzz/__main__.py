"""`make fuzz`: every application, without keys and with two, for as long as you like."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import fuzz, keys_of, uploaded
from tests.noop_engine import NOOP
from tests.stack import running_stack


async def main(seed: int, examples: int) -> int:
    dirty = 0
    with tempfile.TemporaryDirectory() as folder:
        for demanded in (False, True):
            data = Path(folder) / str(demanded)
            async with running_stack(data, NOOP, require_keys=demanded) as stack:
                for component, url in stack.urls.items():
                    keys = await keys_of(stack, component) if demanded else None
                    found = await fuzz(
                        url,
                        images=await uploaded(stack, keys),
                        seed=seed,
                        examples=examples,
                        keys=keys,
                    )
                    told = f"{component}, {'with' if demanded else 'without'} keys"
                    print(f"=== {told}\n{found.told}", flush=True)
                    dirty += not found.clean
    return dirty


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=200, help="of each operation")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.seed, given.examples)))
