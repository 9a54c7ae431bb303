"""The commands for endpoints of webhooks; as quick to import as `main`."""

from typing import Any, Final

import click

from short_drama.cli.options import as_json, service

EVENTS: Final = ("task.completed", "task.failed", "task.cancelled")

_webhook_id = click.argument("webhook_id", metavar="ID")
_events = click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(EVENTS),
    help="What it is told of; several times for several.  [default: everything]",
)


@click.group()
def webhooks() -> None:
    """Have your own server told when tasks end."""


@webhooks.command()
@click.argument("address", metavar="ADDRESS")
@_events
@click.option("--label", default="", metavar="TEXT", help="What it is for, shown in lists.")
@as_json
@service
def create(**options: Any) -> None:
    """Register an endpoint; its secret is shown only now.

    Give the secret to the server at ADDRESS, and then: short-drama webhooks verify ID

    \b
    short-drama webhooks create https://studio.example/hooks --event task.completed
    """
    from short_drama.cli import webhooks as command

    command.create(**options)


@webhooks.command()
@_webhook_id
@as_json
@service
def verify(**options: Any) -> None:
    """Have the endpoint return a challenge.

    From then on it is told of every new task.

    \b
    short-drama webhooks verify wh_3f2a9c41d07e8b6a5c112f90
    """
    from short_drama.cli import webhooks as command

    command.verify(**options)


@webhooks.command("ls")
@as_json
@service
def list_webhooks(**options: Any) -> None:
    """Which there are, and if they are told anything.

    \b
    short-drama webhooks ls
    """
    from short_drama.cli import webhooks as command

    command.ls(**options)


@webhooks.command()
@_webhook_id
@as_json
@service
def rotate(**options: Any) -> None:
    """A new secret, beside the earlier one for a day.

    For so long messages are signed with both.

    \b
    short-drama webhooks rotate wh_3f2a9c41d07e8b6a5c112f90
    """
    from short_drama.cli import webhooks as command

    command.rotate(**options)


@webhooks.command()
@_webhook_id
@as_json
@service
def rm(**options: Any) -> None:
    """Forget an endpoint.

    \b
    short-drama webhooks rm wh_3f2a9c41d07e8b6a5c112f90
    """
    from short_drama.cli import webhooks as command

    command.rm(**options)


@webhooks.command()
@click.argument("task_id", metavar="TASK")
@click.option("--webhook", "webhook_id", metavar="ID", help="Only this endpoint.")
@as_json
@service
def replay(**options: Any) -> None:
    """Tell endpoints of a task's end once more.

    \b
    short-drama webhooks replay 0b0c7d1e-6a0f-4a53-9d0e-1f2a3b4c5d6e
    """
    from short_drama.cli import webhooks as command

    command.replay(**options)
