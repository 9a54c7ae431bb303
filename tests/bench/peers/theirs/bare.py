"""The same work without a queue or a front: prints the seconds of each picture, as JSON."""

import argparse
import asyncio
import json
import time

from tests.bench.peers.theirs.place import Place
from tests.bench.peers.theirs.work import Worker


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()
    worker = Worker(Place.here())
    await worker.open()
    seconds = []
    for number in range(options.tasks):
        started = time.perf_counter()
        body = {"image_url": options.image, "seed": None, "steps": options.steps}
        await worker.do(str(number), body)
        seconds.append(time.perf_counter() - started)
    await worker.close()
    print(json.dumps(seconds))


asyncio.run(main())
