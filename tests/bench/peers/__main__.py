"""`python -m tests.bench.peers`: measure; `--quick` in two minutes what takes fifteen."""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from short_drama.domain.sizes import Size
from tests.bench.bench_comfyui import photograph
from tests.bench.peers import scenarios, stores
from tests.bench.peers.bench import FULL, QUICK, Bench
from tests.bench.peers.systems import SYSTEMS

_PROCESSORS = 2
SCENARIOS = {"intake": scenarios.intake}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round; nothing is written")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the systems")
    names = [system.name for system in SYSTEMS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SYSTEM")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; default: /tmp")
    return parser.parse_args()


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    options = arguments()
    try:
        stores.require_programs()
    except stores.Missing as error:
        sys.exit(str(error))
    pinned = sorted(os.sched_getaffinity(0))[:_PROCESSORS]
    os.sched_setaffinity(0, pinned)  # of all that is started from here as well
    length, chance = QUICK if options.quick else FULL, random.Random(options.seed)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="peers-") as folder:
        Path(folder).chmod(0o755)
        bench = Bench(Path(folder), length, photograph(), Size(1024, 1024), say)
        for bench.round in range(1, (options.rounds or length.rounds) + 1):
            for name in options.scenarios:
                systems = [each for each in SYSTEMS if each.name in options.only]
                for system in chance.sample(systems, len(systems)):
                    SCENARIOS[name](bench, system)


if __name__ == "__main__":
    main()
