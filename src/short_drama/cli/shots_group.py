"""The commands about shots; as quick to import as `main`."""

from typing import Any

import click

from short_drama.cli.options import as_json, service

_note = click.option("--note", metavar="TEXT", help="Why; it is kept.")


@click.group()
def shots() -> None:
    """Shots of a project: takes, and the pick."""


@shots.command("ls")
@click.option("--project", default="", metavar="NAME", help="[default: of tasks without one]")
@click.option("--episode", metavar="NAME", help="Only this one's.")
@as_json
@service
def list_shots(**options: Any) -> None:
    """The shots of a project or an episode, in their order.

    \b
    short-drama shots ls --project Nightfall --episode 3
    """
    from short_drama.cli import shots as command

    command.ls(**options)


@click.command()
@click.argument("task_id", metavar="[TASK]", required=False)
@click.option(
    "--image", metavar="PATH|URL", help="A picture of other origin, for the shot of --label."
)
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="shot=12, episode=3 and so on."
)
@_note
@as_json
@service
def pick(**options: Any) -> None:
    """This take goes on; others of its shot that wait are cancelled.

    \b
    short-drama pick TASK --note "the light"
    short-drama pick --image retouched.png --label episode=3 --label shot=12
    """
    from short_drama.cli import shots as command

    command.pick(**options)


@click.command()
@click.argument("task_id", metavar="TASK")
@_note
@as_json
@service
def unpick(**options: Any) -> None:
    """Nothing of the task's shot goes on for now.

    \b
    short-drama unpick TASK
    """
    from short_drama.cli import shots as command

    command.unpick(**options)
