"""`short-drama verify`: its options. Only what is quick to import is imported here."""

from pathlib import Path
from typing import Any

import click

from short_drama.cli.options import as_json, service


@click.command()
@click.argument(
    "image", metavar="IMAGE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--offline", is_flag=True, help="Ask no service: read the file here.")
@as_json
@service
def verify(image: Path, **options: Any) -> None:
    """Where an image comes from: its manifest, its label, its task.

    Asks the service, which knows its tasks; where none runs, the file is read here. Exit 1 unless
    it is as it was signed.

    \b
    short-drama verify moved.png
    """
    from short_drama.cli import verify_report as command

    command.verify(image, **options)
