"""The commands that make and end API keys; as quick to import as `main`."""

from typing import Any

import click

from short_drama.cli.options import as_json, place
from short_drama.domain.principal import Scope

_key_id = click.argument("key_id", metavar="ID")


@click.group()
def keys() -> None:
    """Who may use the service, where keys are needed.

    Reads and writes the data directory, or the AWS account, that the settings name; works beside a
    running service, which follows within seconds.
    """


@keys.command()
@click.option(
    "--owner", required=True, metavar="NAME", help="Whose tasks and pictures: a-z, 0-9 and dashes."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=(Scope.TASKS_READ.value, Scope.TASKS_WRITE.value),
    show_default=True,
    help="What it may do; several times for several.",
)
@click.option("--label", default="", metavar="TEXT", help="What it is for, shown in lists.")
@click.option(
    "--daily-usd", metavar="AMOUNT", help="What its tasks may cost in a day, in US dollars."
)
@click.option("--days", type=click.IntRange(1, 36_500), help="After which it opens nothing.")
@place
@as_json
def create(**options: Any) -> None:
    """Make a key; it is shown only now.

    \b
    short-drama keys create --owner studio-a --scope tasks:read --scope tasks:write
    """
    from short_drama.cli import keys as command

    command.create(**options)


@keys.command("ls")
@place
@as_json
def list_keys(**options: Any) -> None:
    """Which there are, without their secrets.

    \b
    short-drama keys ls
    """
    from short_drama.cli import keys as command

    command.ls(**options)


@keys.command()
@_key_id
@place
@as_json
def revoke(**options: Any) -> None:
    """End a key, by the id in its middle: sd_ID_...

    \b
    short-drama keys revoke ID
    """
    from short_drama.cli import keys as command

    command.revoke(**options)


@keys.command()
@_key_id
@place
@as_json
def rotate(**options: Any) -> None:
    """Make another key for the same, and end this one.

    \b
    short-drama keys rotate ID
    """
    from short_drama.cli import keys as command

    command.rotate(**options)
