"""`python -m tests.bench.capacity`: simulate, and write docs/capacity.md with its plots.

`--page` writes the page of the last run anew.
"""

import argparse

from tests.bench.capacity.experiments import rows
from tests.bench.capacity.page import page, plots
from tests.bench.capacity.results import Row, Run
from tests.deploy.template import Stack
from tests.emulators.server import ROOT

DOCS = ROOT / "docs"
FOLDER = DOCS / "capacity"
RESULTS = FOLDER / "results.json"


def template_target() -> float:
    policy = Stack().resources["GpuFollowsBacklog"]["Properties"]["TargetTrackingConfiguration"]
    return float(policy["TargetValue"])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not options.page:
        target, found = template_target(), list[Row]()
        for row in rows(options.seed, target):
            print(f"{row.study} {row.instance}: {row.gpus} GPUs, {row.setting:g}", flush=True)
            found.append(row)
        FOLDER.mkdir(exist_ok=True)
        run = Run(seed=options.seed, template_target=target, rows=found)
        RESULTS.write_text(run.to_json())
    write(Run.read(RESULTS))


def write(run: Run) -> None:
    (DOCS / "capacity.md").write_text(page(run))
    for name, text in plots(run).items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
