"""The commands about the audit; as quick to import as `main`."""

from pathlib import Path
from typing import Any

import click

from short_drama.cli.logs_command import Moment
from short_drama.cli.options import as_json, place

_since = click.option("--since", type=Moment(), metavar="AGO|DATE", help="90s, 2h, 7d, or a date.")
_until = click.option("--until", type=Moment(), metavar="AGO|DATE", help="Nothing younger.")
_owner = click.option("--owner", metavar="NAME", help="Whose key did it.")
_action = click.option("--action", metavar="NAME", help="task.submit, key.revoke, ...")
_target = click.option("--target", metavar="ID", help="The task, key or asset that it was done to.")


@click.group()
def audit() -> None:
    """Who did what, to which task or key, from where and when.

    Reads the data directory, or the AWS account, that the settings name; needs no running service.
    """


@audit.command("ls")
@_since
@_until
@_owner
@_action
@_target
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most."
)
@place
@as_json
def list_lines(**options: Any) -> None:
    """The newest lines.

    \b
    short-drama audit ls --since 7d --action key.revoke
    """
    from short_drama.cli import audit as command

    command.ls(**options)


@audit.command()
@click.option(
    "--known",
    default="",
    metavar="HEAD",
    help="What an earlier look ended with: finds whatever has changed since, up to there.",
)
@place
@as_json
def verify(**options: Any) -> None:
    """Whether all lines are as they were written; exit 1 if not.

    Ends with the head, to be noted somewhere else: whoever changes a line has to change it too.

    \b
    short-drama audit verify
    """
    from short_drama.cli import audit as command

    command.verify(**options)


@audit.command()
@click.argument(
    "file", metavar="FILE", type=click.Path(dir_okay=False, writable=True, path_type=Path)
)
@_since
@_until
@_owner
@_action
@_target
@place
def export(file: Path, **options: Any) -> None:
    """Write lines to a new FILE, oldest first.

    One JSON object each; as FILE, - is the output.

    \b
    short-drama audit export november.jsonl --since 2026-11-01
    """
    from short_drama.cli import audit as command

    command.export(file, **options)
