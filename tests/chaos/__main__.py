"""`python -m tests.chaos --duration 120 --seed 1`.

Exit code 1 when a promise was broken, or when too little happened to tell.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests import emulators
from tests.chaos.checker import Violation, check, recoveries
from tests.chaos.experiment import Findings, experiment
from tests.emulators import Emulators

_TASKS_PER_SECOND = 0.5
"""Fewer than this, and nothing was exercised."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--duration", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backend", choices=["aws", "embedded"], default="aws")
    parser.add_argument(
        "--untimed", action="store_true", help="the machine is busy: do not judge recoveries"
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs of a good run, too")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with _account(options.backend, folder) as aws:
        findings = asyncio.run(
            experiment(folder, aws, duration=options.duration, seed=options.seed)
        )
    violations = check(findings.evidence)
    if options.untimed:
        violations = [each for each in violations if each.kind != "slow"]
    idle = list(_idle(findings, options.duration))
    if not options.untimed:
        idle += _unrecovered(findings)
    for line in [*(f"{each.kind}: {each.what}" for each in violations), *idle]:
        print(line)
    if violations or idle or options.keep:
        print(f"Logs, history and engine log are in {folder}.")
    else:
        shutil.rmtree(folder)
    print(_recovered(findings))
    print(_summary(findings, violations))
    return 1 if violations or idle else 0


@contextlib.contextmanager
def _account(backend: str, folder: Path) -> Iterator[Emulators | None]:
    """The emulators, as this process's AWS account as well: it looks past the proxies."""
    if backend != "aws":
        yield None
        return
    with emulators.running(folder / "emulators") as started:
        os.environ.update(started.environment())
        yield started


def _idle(findings: Findings, duration: float) -> Iterator[str]:
    """Why the run shows nothing, if it does not."""
    evidence = findings.evidence
    if len(evidence.records) < _TASKS_PER_SECOND * duration:
        yield f"not exercised: only {len(evidence.records)} tasks"
    if not findings.injected.get("kill"):
        yield "not exercised: nothing was killed"
    if findings.unused_links:
        yield f"not exercised: nothing went through {', '.join(findings.unused_links)}"


def _unrecovered(findings: Findings) -> Iterator[str]:
    """Why it shows nothing of how quickly tasks recover, if it does not."""
    evidence = findings.evidence
    if not recoveries(evidence):
        yield "not exercised: no recovery could be timed"
    if all(task.attempt <= 1 for task in evidence.records.values()):
        yield "not exercised: no task needed a second attempt"


def _recovered(findings: Findings) -> str:
    seconds = sorted(recovery.seconds for recovery in recoveries(findings.evidence))
    told = ", ".join(f"{each:.1f}" for each in seconds)
    return f"recoveries timed, in seconds: {told or 'none'}"


def _summary(findings: Findings, violations: list[Violation]) -> str:
    kinds = Counter(violation.kind for violation in violations)
    faults = " ".join(f"{kind}={number}" for kind, number in sorted(findings.injected.items()))
    longest = max((each.seconds for each in recoveries(findings.evidence)), default=0.0)
    return (
        f"tasks {len(findings.evidence.records)}, faults {faults}, lost {kinds['lost']}, "
        f"double effects {kinds['doubled']}, longest recovery {longest:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
