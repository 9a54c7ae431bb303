"""Options that several groups of commands have."""

from pathlib import Path

import click

data_dir = click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path))
as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line, for programs."
)
