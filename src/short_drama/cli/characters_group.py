"""The commands about characters; as quick to import as `main`."""

from typing import Any

import click

from short_drama.cli.catalogues import KINDS
from short_drama.cli.logs_command import Moment
from short_drama.cli.options import as_json, service

_name = click.argument("name", metavar="NAME")
_portraits = click.option(
    "--portrait",
    "portraits",
    multiple=True,
    metavar="PROVIDER=ID",
    help="The person's id in a provider's own library; kept, and not sent.",
)
_title = click.option("--title", metavar="TEXT", help="What people call the character.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def characters() -> None:
    """People whose faces are used, and what they agreed to.

    Use one as --face character:NAME, or several: --set cast='{"0": "lin", "1": "zhou"}'.
    """


@characters.command()
@_name
@click.option(
    "--face",
    "faces",
    multiple=True,
    required=True,
    metavar="PATH|URL",
    help="A picture of the person, the best first; up to 20.",
)
@_title
@_portraits
@as_json
@service
def create(**options: Any) -> None:
    """Make a character, which needs a consent next.

    NAME is of small letters, digits and dashes. Nothing can be made of it before a consent is
    recorded.

    \b
    short-drama characters create lin --face lin.jpg --title "Lin Xia"
    """
    from short_drama.cli import characters as command

    command.create(**options)


@characters.command("ls")
@as_json
@service
def list_characters(**options: Any) -> None:
    """Which there are, and whether they may be used.

    \b
    short-drama characters ls
    """
    from short_drama.cli import characters as command

    command.ls(**options)


@characters.command()
@_name
@as_json
@service
def show(**options: Any) -> None:
    """All about one.

    \b
    short-drama characters show lin
    """
    from short_drama.cli import characters as command

    command.show(**options)


@characters.command()
@_name
@click.option(
    "--face", "faces", multiple=True, metavar="NUMBER|PATH|URL", help="All it is to have, in order."
)
@_title
@_portraits
@as_json
@service
def change(**options: Any) -> None:
    """Give it another title, other pictures or portraits.

    What is given replaces what there is; a number stays the picture that had it.

    \b
    short-drama characters change lin --face 1 --face lin-profile.jpg
    """
    from short_drama.cli import characters as command

    command.change(**options)


@characters.command()
@_name
@click.option("--subject", required=True, metavar="TEXT", help="Who agreed.")
@click.option("--recorded-by", required=True, metavar="TEXT", help="Who wrote it down.")
@click.option("--project", "projects", multiple=True, metavar="NAME", help="Only for these.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only for these.")
@click.option("--evidence-sha256", metavar="SHA256", help="Of the document that was signed.")
@click.option("--from", "since", type=Moment(), metavar="DATE", help="Not before then.")
@click.option("--until", type=Moment(), metavar="DATE", help="Not from then on.")
@as_json
@service
def consent(**options: Any) -> None:
    """Record what the person has agreed to.

    It counts instead of what was recorded before.

    \b
    short-drama characters consent lin --subject "Lin Xia" --recorded-by Zhou --project river
    """
    from short_drama.cli import characters as command

    command.consent(**options)


@characters.command()
@_name
@as_json
@service
def revoke(**options: Any) -> None:
    """Stop what is made of a person who agrees no longer.

    What waits and runs is ended, and nothing new is made.

    \b
    short-drama characters revoke lin
    """
    from short_drama.cli import characters as command

    command.revoke(**options)


@characters.command()
@_name
@as_json
@service
def tasks(**options: Any) -> None:
    """The tasks that it is used in.

    \b
    short-drama characters tasks lin
    """
    from short_drama.cli import characters as command

    command.tasks(**options)


@characters.command()
@_name
@_yes
@as_json
@service
def purge(**options: Any) -> None:
    """Delete its pictures and all that was made of them.

    Its consent must have been revoked. Prints what was deleted; tasks' records stay, without
    pictures. Safe to repeat.

    \b
    short-drama characters purge lin
    """
    from short_drama.cli import characters as command

    command.purge(**options)


@characters.command()
@_name
@as_json
@service
def rm(**options: Any) -> None:
    """Delete a character of which nothing is left.

    \b
    short-drama characters rm lin
    """
    from short_drama.cli import characters as command

    command.rm(**options)
