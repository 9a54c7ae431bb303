"""`python -m tests.accountant --seed 1 --tasks 300 --kills 30`.

Exit code 1 when anything does not add up; each sentence then names the task and the call.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.accountant.audit import Audit, Evidence, audit, table
from tests.accountant.run import Run, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.accountant", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--keep", action="store_true", help="keep the data of a good run, too")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="accountant-"))
    this, evidence = asyncio.run(
        run(folder, seed=options.seed, tasks=options.tasks, kills=options.kills)
    )
    result = audit(evidence)
    for wrong in result.wrong:
        print(wrong)
    if result.wrong or options.keep:
        print(f"Logs, data and the providers' own accounts are in {folder}.")
    else:
        shutil.rmtree(folder)
    print(table(evidence, result))
    print(_summary(this, evidence, result))
    return 1 if result.wrong else 0


def _summary(this: Run, evidence: Evidence, result: Audit) -> str:
    ends = Counter(task.status for task in evidence.tasks.values())
    told = ", ".join(f"{number} {status}" for status, number in sorted(ends.items()))
    still_open = sum(page.is_open for page in evidence.pages)
    return (
        f"tasks {len(evidence.tasks)} ({told}), kills {this.kills}, failures {this.cards}, "
        f"open {still_open}, pictures of cancelled tasks {result.undelivered}, "
        f"wrong {len(result.wrong)}"
    )


if __name__ == "__main__":
    sys.exit(main())
