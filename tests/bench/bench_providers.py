"""How fast face tasks go through providers that take their time and have limits.

The product and two simulated providers, each in a process of its own; this process is the client.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench.bench_comfyui import show
from tests.e2e.paid_site import paid_site

_REFUSED = ("ModelAccountIpmRateLimitExceeded", "InflightBatchsizeExceeded")


async def many_at_once(tasks: int, in_flight: int) -> dict[str, object]:
    """Face swaps whose provider takes a second for each, and so many at a time."""
    with tempfile.TemporaryDirectory() as name:
        limits = ["--in-flight", str(in_flight)]
        async with paid_site(Path(name), latency=1.0, limits=limits) as site:
            started = time.perf_counter()
            submitted = [await site.submit("face-swap") for _ in range(tasks)]
            ended = [await site.ended(task) for task in submitted]
            seconds = time.perf_counter() - started
            calls = site.calls("seedream")
    return {
        "tasks": tasks,
        "completed": sum(task.status == "completed" for task in ended),
        "seconds": round(seconds, 2),
        "refused_by_the_provider": sum(call["ending"] in _REFUSED for call in calls),
    }


async def within_a_rate(tasks: int, per_minute: int) -> dict[str, object]:
    """Face swaps through a provider that allows so many a minute, which we have been told."""
    with tempfile.TemporaryDirectory() as name:
        limits = ["--per-minute", str(per_minute)]
        changes = {"SHORT_DRAMA_SEEDREAM_PER_MINUTE": str(per_minute)}
        async with paid_site(Path(name), latency=0.2, limits=limits, changes=changes) as site:
            started = time.perf_counter()
            submitted = [await site.submit("face-swap") for _ in range(tasks)]
            ended = [await site.ended(task) for task in submitted]
            seconds = time.perf_counter() - started
            calls = site.calls("seedream")
    return {
        "tasks": tasks,
        "completed": sum(task.status == "completed" for task in ended),
        "seconds": round(seconds, 1),
        "refused_by_the_provider": sum(call["ending"] in _REFUSED for call in calls),
    }


async def measure(quick: bool) -> None:
    show("20 at once, 8 allowed", await many_at_once(20, 8))
    figures: Mapping[str, object] = await within_a_rate(70 if quick else 130, 60)
    show("60 a minute", figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one minute instead of two")
    asyncio.run(measure(parser.parse_args().quick))


if __name__ == "__main__":
    main()
