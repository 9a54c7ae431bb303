"""`python -m tests.bench.peers`: measure, and write docs/benchmarks.md with its plots.

`--quick` measures each thing once and writes nothing, and neither does a part of it all; `--page`
writes the page of the last run anew.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from short_drama.domain.sizes import Size
from tests.bench.bench_comfyui import photograph
from tests.bench.peers import machine, stores
from tests.bench.peers.bench import FULL, QUICK, Bench
from tests.bench.peers.goals import SCRIPT, goals
from tests.bench.peers.page import page, plots
from tests.bench.peers.results import Run, Told
from tests.bench.peers.scenarios import drain, intake, listen, script, work
from tests.bench.peers.systems import SYSTEMS
from tests.emulators.server import ROOT

_PROCESSORS = 2
BY_NAME = {system.name: system for system in SYSTEMS}
NAMES = [*BY_NAME, SCRIPT]
SCENARIOS = {each.__name__: each for each in (intake, work, drain, listen)}
FAILURES = RuntimeError, TimeoutError, subprocess.SubprocessError
DOCS, FIGURES = ROOT / "docs", "peers.json"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the systems")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="SYSTEM")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; default: /tmp")
    return parser.parse_args()


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    options = arguments()
    if options.page:
        write(Run.read(DOCS / "benchmarks" / FIGURES))
        return
    try:
        stores.require_programs()
    except stores.Missing as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and with it all that it started
    run = measured(options)
    for goal in goals(run):
        say(f"{goal.words}: {goal.figure.median:.3g}, wanted {goal.wanted}")
    marked = sum(each.disturbed for each in run.samples)
    say(f"{marked} of {len(run.samples)} measurements were disturbed")
    if not options.quick and {*options.only, *options.scenarios} == {*NAMES, *SCENARIOS}:
        (DOCS / "benchmarks").mkdir(exist_ok=True)
        (DOCS / "benchmarks" / FIGURES).write_text(run.to_json())
        write(run)


def measured(options: argparse.Namespace) -> Run:
    pinned = sorted(os.sched_getaffinity(0))[:_PROCESSORS]
    os.sched_setaffinity(0, pinned)  # of all that is started from here as well
    length, chance = QUICK if options.quick else FULL, random.Random(options.seed)
    length = replace(length, rounds=options.rounds or length.rounds)
    began = time.time()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="peers-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres runs as another user
        bench = Bench(folder, length, photograph(), Size(1024, 1024), say)
        for bench.round in range(1, length.rounds + 1):
            for scenario in options.scenarios:
                take_turns(bench, scenario, options.only, chance)
        disk = machine.disk(folder)
    told = {system.name: Told(system.title, system.durable) for system in SYSTEMS}
    told[SCRIPT] = Told("script, no queue", "nothing")
    return Run(
        facts={
            **machine.facts(began, processors=pinned, disk=disk),
            "rounds": f"{length.rounds}, each {length.seconds:g} s a level, seed {options.seed}",
            "failed": ", ".join(bench.failed) or "nothing",
        },
        versions=machine.versions(),
        systems=told,
        noise=bench.noise(),
        samples=bench.samples(),
    )


def take_turns(bench: Bench, scenario: str, only: Sequence[str], chance: random.Random) -> None:
    """All systems in an order of chance, the script among them."""
    for name in chance.sample(only, len(only)):
        try:
            if name in BY_NAME:
                SCENARIOS[scenario](bench, BY_NAME[name])
            elif scenario == work.__name__:
                script(bench)
        except FAILURES as error:  # what else is measured stays
            bench.failed.append(f"{scenario} of {name} in round {bench.round}")
            say(f"{bench.failed[-1]}: {error}")


def write(run: Run) -> None:
    (DOCS / "benchmarks.md").write_text(page(run))
    for name, text in plots(run).items():
        (DOCS / "benchmarks" / name).write_text(text)


if __name__ == "__main__":
    main()
