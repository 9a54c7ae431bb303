"""The commands about dead letters; as quick to import as `main`."""

from typing import Any

import click

from short_drama.cli.catalogues import LANES
from short_drama.cli.options import as_json, place

_lane = click.option("--lane", type=click.Choice(LANES), help="Only this one's.")
_task_id = click.argument("task_id", metavar="TASK")
_some_tasks = click.argument("task_ids", metavar="[TASK...]", nargs=-1)
_everything = click.option("--all", "everything", is_flag=True, help="Every dead letter there is.")


@click.group()
def dlq() -> None:
    """Dead letters: messages received too often without an end.

    Orchestrators send on what is well; what stays here needs a person. SQS may show only some of
    the letters at a time, so a look is repeated until it agrees with the queue's own count.
    """


@dlq.command("ls")
@_lane
@place
@as_json
def list_letters(**options: Any) -> None:
    """Every dead letter, with its task.

    "received" counts looks too. SQS may show a subset; it is then said how many more there are.

    \b
    short-drama dlq ls --lane gpu
    """
    from short_drama.cli import dead_letters as command

    command.ls(**options)


@dlq.command("show")
@_task_id
@_lane
@place
@as_json
def show_letter(task_id: str, **options: Any) -> None:
    """A task's dead letter and its record.

    \b
    short-drama dlq show TASK
    """
    from short_drama.cli import dead_letters as command

    command.show(task_id, **options)


@dlq.command()
@_some_tasks
@_everything
@_lane
@place
@as_json
def redrive(task_ids: tuple[str, ...], **options: Any) -> None:
    """Give tasks that failed as dead letters another life.

    They are pending again, with fresh attempts. Letters of tasks that ended otherwise are deleted.
    What cannot be redriven is left, with the reason, and the command exits with 1. Safe to repeat.

    \b
    short-drama dlq redrive TASK
    short-drama dlq redrive --all --lane gpu
    """
    from short_drama.cli import dead_letters as command

    command.redrive(task_ids, **options)


@dlq.command()
@_some_tasks
@_everything
@click.option("--yes", is_flag=True, help="Do not ask.")
@_lane
@place
@as_json
def purge(task_ids: tuple[str, ...], **options: Any) -> None:
    """Delete dead letters; never a task's record.

    Letters of tasks that have not ended are left.

    \b
    short-drama dlq purge --all --yes
    """
    from short_drama.cli import dead_letters as command

    command.purge(task_ids, **options)
