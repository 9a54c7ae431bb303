"""The commands about tasks; as quick to import as `main`."""

from typing import Any

import click

from short_drama.cli.catalogues import ORDERS, STATUSES, Kind
from short_drama.cli.logs_command import Moment
from short_drama.cli.options import as_json, idempotency_key, output, service, task_id, wait_flag

_some_tasks = click.argument("task_ids", metavar="TASK...", nargs=-1, required=True)


@click.group()
def tasks() -> None:
    """List, follow, cancel, repeat, delete and restore tasks."""


@tasks.command()
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Any of several.")
@click.option("--kind", multiple=True, type=Kind(), help="Any of several.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="All of several.")
@click.option("--created-after", type=Moment(), metavar="AGO|DATE", help="2h, 7d, or a date.")
@click.option("--created-before", type=Moment(), metavar="AGO|DATE", help="As above.")
@click.option("--text", metavar="WORDS", help="In the id, a prompt or a label.")
@click.option("--derived-from", metavar="TASK", help="Those that work on its result.")
@click.option("--deleted", is_flag=True, help="Those that were deleted, instead of others.")
@click.option(
    "--sort", type=click.Choice(ORDERS), default=ORDERS[0], show_default=True, help="The order."
)
@click.option("--count", is_flag=True, help="Say only how many there are.")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most."
)
@as_json
@service
def ls(**options: Any) -> None:
    """Tasks, the newest first.

    \b
    short-drama tasks ls --status failed --created-after 2h
    short-drama tasks ls --label episode=3 --sort shot --json
    """
    from short_drama.cli import tasks as command

    command.ls(**options)


@tasks.command()
@task_id
@as_json
@service
def show(task_id: str, **options: Any) -> None:
    """All about one task.

    \b
    short-drama tasks show TASK
    """
    from short_drama.cli import tasks as command

    command.show(task_id, **options)


@tasks.command()
@task_id
@output
@as_json
@service
def wait(task_id: str, **options: Any) -> None:
    """Follow a task to its end; exit 1 if it fails.

    \b
    short-drama tasks wait TASK --output result.png
    """
    from short_drama.cli import tasks as command

    command.wait(task_id, **options)


@tasks.command()
@task_id
@as_json
@service
def cancel(task_id: str, **options: Any) -> None:
    """Cancel a task that has not ended.

    \b
    short-drama tasks cancel TASK
    """
    from short_drama.cli import tasks as command

    command.cancel(task_id, **options)


@tasks.command()
@task_id
@idempotency_key
@wait_flag
@output
@as_json
@service
def retry(task_id: str, **options: Any) -> None:
    """Submit an ended task's request again.

    Prints the new task's id.

    \b
    short-drama tasks retry TASK --wait
    """
    from short_drama.cli import tasks as command

    command.retry(task_id, **options)


@tasks.command()
@_some_tasks
@as_json
@service
def rm(task_ids: tuple[str, ...], **options: Any) -> None:
    """Delete tasks that have ended.

    For 30 days `restore` brings them back.

    \b
    short-drama tasks rm TASK
    """
    from short_drama.cli import tasks as command

    command.rm(task_ids, **options)


@tasks.command()
@_some_tasks
@as_json
@service
def restore(task_ids: tuple[str, ...], **options: Any) -> None:
    """Bring deleted tasks back.

    \b
    short-drama tasks restore TASK
    """
    from short_drama.cli import tasks as command

    command.restore(task_ids, **options)
