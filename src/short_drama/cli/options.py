"""Options that several groups of commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

data_dir = click.option(
    "--data-dir",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where tasks and pictures are.  [default: ~/.local/share/short-drama, or "
    "SHORT_DRAMA_DATA_DIR]",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line, for programs."
)

output = click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Wait, and save the result here.",
)
wait_flag = click.option("--wait", is_flag=True, help="Wait for the end; exit 1 if it fails.")
idempotency_key = click.option(
    "--idempotency-key", metavar="KEY", help="The same key makes one task only."
)
task_id = click.argument("task_id", metavar="TASK")


def service(command: Command) -> Command:
    """The options of every command that talks to a running service."""
    gpu = click.option(
        "--url",
        metavar="URL",
        help="The orchestrator for GPU tasks.  [default: this host, by the settings]",
    )
    cpu = click.option(
        "--cpu-url", metavar="URL", help="The orchestrator for CPU tasks; else --url."
    )
    return gpu(cpu(command))
