"""A short storm over the whole product on emulated AWS, with one seed; `make chaos` is the long
one."""

import subprocess
import sys

from tests.emulators.server import ROOT


def test_nothing_is_lost_or_done_twice_under_chaos() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--duration", "15", "--seed", "1", "--untimed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    summary = run.stdout.splitlines()[-1]
    assert summary.startswith("tasks ")
    assert "lost 0, double effects 0" in summary
