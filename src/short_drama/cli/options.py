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


def _go_by_the_services(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Before any other option is read, for some are settings too."""
    if asked and not context.resilient_parsing:
        from short_drama.settings.installed import take_on

        take_on()


def place(command: Command) -> Command:
    """Where a command looks past the service: at the data directory, or what the settings name."""
    installed = click.option(
        "--installed",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_go_by_the_services,
        help="Go by the settings of the services that are installed on this host: as root.",
    )
    return data_dir(installed(command))


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
