"""Ask once whether faces may be swapped, and remember the answer."""

import sys
from pathlib import Path

import click

from short_drama.cli.exits import EXIT_USAGE, Problem
from short_drama.cli.terminal import say

_QUESTION = (
    "A face belongs to a person. Do you have the consent of everyone whose face you will swap here?"
)


def ask_once(remembered: Path) -> None:
    """Ask the person at the terminal, if there is one and the file `remembered` is not there.

    Raises Problem for a no. A task's own record is another matter: `--set consent=...`.
    """
    if remembered.exists() or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if not click.confirm(_QUESTION, err=True):
        raise Problem(
            "nothing was submitted: a face may be swapped only with its person's consent",
            code=EXIT_USAGE,
        )
    remembered.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remembered.touch()
    say(
        "Remembered. To keep who agreed in a task's record, add:\n"
        """  --set consent='{"granted_by": "...", "recorded_by": "..."}'""",
        err=True,
    )
