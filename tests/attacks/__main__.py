"""`python -m tests.attacks [NAME ...]`: all of them, or those whose names have one of these words.

A table, one line an attack: how long it took; the slowest honest request before it and during it,
in seconds, and how many there were; by how much the service's memory grew, and how much of that
was left; lines logged; and what the attacker was answered. Exit code 1 when one did not hold.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from short_drama.cli.models import prepare
from short_drama.settings import load
from tests.attacks.catalogue import ATTACKS
from tests.attacks.honest import Honest, honest
from tests.attacks.site import Site, site
from tests.attacks.verdict import HEADING, MOST_LEFT, Outcome

_WARM_UP, _QUIET_ROUNDS = 10, 3
_LOOKS, _LOOK_SECONDS = 80, 0.5


async def run(name: str, on: Site, client: Honest) -> Outcome:
    quiet = await client.rounds(_QUIET_ROUNDS)
    lines = on.lines(but_of=client.tasks)
    on.figures.forget_peak()
    resident, began = on.figures.resident(), time.monotonic()
    attack = asyncio.create_task(_attack(name, on))
    met = await client.rounds(attack)
    told, seconds = attack.result(), time.monotonic() - began
    growth = on.figures.peak() - resident
    left = await _left(on, resident)
    await client.idle()
    return Outcome(
        name=name,
        seconds=seconds,
        statuses=told["statuses"],
        wrong=told["wrong"],
        requests=met.requests,
        quiet=quiet.slowest,
        slowest=met.slowest,
        slowest_of=met.slowest_of,
        refused=[*quiet.refused, *met.refused],
        growth=growth,
        left=left,
        lines=on.lines(but_of=client.tasks) - lines,
    )


async def _attack(name: str, on: Site) -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.attacks.hostile", name, *map(str, on.address)]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    if process.returncode:
        return {"statuses": {}, "wrong": [f"nothing: {name!r} ended with {process.returncode}"]}
    return dict(json.loads(told))


async def _left(on: Site, resident: int) -> int:
    """What is, once most has come back or time is up."""
    left = 0
    for _ in range(_LOOKS):
        left = on.figures.resident() - resident
        if left <= MOST_LEFT:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return left


async def main(words: list[str]) -> int:
    failed = 0
    prepare(load())
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as on:
        async with honest(on) as client:
            await client.rounds(_WARM_UP)
            await client.idle()
            print(HEADING)
            for name in ATTACKS:
                if not words or any(word in name for word in words):
                    outcome = await run(name, on, client)
                    failed += bool(outcome.complaints())
                    print(outcome.row(), flush=True)
                    for complaint in outcome.complaints()[:5]:
                        print(f"{'':<6} {complaint[:500]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("names", nargs="*")
    sys.exit(asyncio.run(main(parser.parse_args().names)))
