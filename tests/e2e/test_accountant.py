"""A short storm over the paid kinds, with one seed; `make accountant` is the long one."""

import subprocess
import sys

from tests.emulators.server import ROOT


def test_every_cent_is_accounted_for() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.accountant", "--seed", "1", "--tasks", "20", "--kills", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    summary = run.stdout.splitlines()[-1]
    assert "kills 3" in summary
    assert "open 0" in summary
