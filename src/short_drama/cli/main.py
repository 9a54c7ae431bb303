"""The command's entry: what there is, and how errors end it.

Exit codes: 0 done; 1 a task failed or was cancelled; 2 the command line or a request was wrong;
3 the service could not be reached or could not start; 130 interrupted.
"""

from pathlib import Path
from typing import Any

import click

EXIT_FAILED, EXIT_USAGE, EXIT_UNAVAILABLE = 1, 2, 3


class Problem(click.ClickException):
    """An error as one line, and its fix as another."""

    def __init__(self, message: str, *, fix: str | None = None, code: int) -> None:
        super().__init__(f"{message}\n{fix}" if fix else message)
        self.exit_code = code  # type: ignore[misc]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="short-drama")
def cli() -> None:
    """Film stills in, new film stills out: camera angles, edits, face masks and swaps."""


@cli.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--host", help="A loopback address.  [default: 127.0.0.1]")
@click.option("--ports", type=click.Choice(["auto"]), help="Let the system choose free ports.")
def up(**options: Any) -> None:
    """Run everything in this process: both lanes, no account, no key, no GPU."""
    from short_drama.cli import up as command

    command.up(**options)


def main() -> None:
    cli()
