"""The commands about what is kept; as quick to import as `main`."""

from pathlib import Path
from typing import Any

import click

from short_drama.cli.options import as_json, place


@click.command()
@place
@as_json
def storage(**options: Any) -> None:
    """What takes the room, how old it is, and what goes when.

    Reads the data directory that the settings name, beside whoever works on it; deletes nothing. A
    running orchestrator deletes what "goes now" within the hour.

    \b
    short-drama storage
    """
    from short_drama.cli import storage as command

    command.storage(**options)


@click.command()
@click.argument("target", metavar="DEST", type=click.Path(path_type=Path))
@place
@as_json
def backup(target: Path, **options: Any) -> None:
    """Copy the data directory to the new folder DEST.

    Also while a service works on it.

    \b
    short-drama backup /mnt/backups/monday
    """
    from short_drama.cli import storage as command

    command.backup(target, **options)


@click.command()
@click.argument(
    "source", metavar="SRC", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@place
@as_json
def restore(source: Path, **options: Any) -> None:
    """Make an empty data directory what the backup SRC is.

    Every file of it is checked.

    \b
    short-drama restore /mnt/backups/monday --data-dir /srv/short-drama
    """
    from short_drama.cli import storage as command

    command.restore(source, **options)
