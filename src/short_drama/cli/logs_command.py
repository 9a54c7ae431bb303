"""`short-drama logs`, as the command line knows it."""

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

from short_drama.cli.options import as_json, data_dir

_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


class Moment(click.ParamType[float]):
    """A moment in Unix seconds, as so long ago or as a date with or without a time (UTC)."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|h|d)", str(value)):
            return time.time() - float(match[1]) * _UNITS[match[2]]
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r}: give 90s, 30min, 2h, 7d or 2026-11-27T18:00", param, ctx)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


@click.command()
@click.argument("task_id", metavar="TASK")
@click.option(
    "--since",
    type=Moment(),
    metavar="AGO|DATE",
    default="7d",
    show_default=True,
    help="Nothing older: 90s, 30min, 2h, 7d, or a date.",
)
@click.option("--follow", is_flag=True, help="Go on until the task has ended.")
@data_dir
@as_json
def logs(task_id: str, **options: Any) -> None:
    """The story of one task, as all components have told it.

    TASK may be a job's id as well. Read from this machine's journal and from the files in the data
    directory. Other instances have logs of their own.

    \b
    short-drama logs TASK --follow
    """
    from short_drama.cli import logs as command

    command.logs(task_id, **options)
