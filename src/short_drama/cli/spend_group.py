"""The commands that tell of money; as quick to import as `main`."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from short_drama.cli.options import as_json, place

_DAY = click.DateTime(formats=["%Y-%m-%d"])


def _iso(_: click.Context, __: click.Parameter, day: datetime | None) -> str | None:
    return None if day is None else day.date().isoformat()


since = click.option(
    "--since", type=_DAY, callback=_iso, metavar="DAY", help="YYYY-MM-DD, in the budgets' zone."
)
until = click.option(
    "--until", type=_DAY, callback=_iso, metavar="DAY", help="This day is included."
)


class _ShowsByItself(click.Group):
    """Without a command's name it is `show` that is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ShowsByItself)
def spend() -> None:
    """What providers were paid, and may have been.

    Reads the data directory, or the AWS account, that the settings name; needs no running service.
    """


@spend.command()
@since
@until
@click.option(
    "--by",
    default="day",
    show_default=True,
    metavar="WHAT",
    help="day, month, provider, model, owner, kind, label, or label:NAME for one label's values.",
)
@place
@as_json
def show(**options: Any) -> None:
    """Calls and their cost, what is held, and what budgets have left.

    "maybe" was cut off and may have been charged besides, or is under way.

    \b
    short-drama spend --by label:episode --since 2026-11-01
    """
    from short_drama.cli import spend as command

    command.show(**options)


@spend.command()
@click.option(
    "--bill",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A provider's bill as CSV, a line for each call.",
)
@click.option("--provider", metavar="NAME", help="Whose bill that is: seedream or qwen3-vl.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=HEADER",
    help="A column of the bill under another name: request_id, amount, model or time.",
)
@since
@until
@place
@as_json
def reconcile(**options: Any) -> None:
    """Compare the tasks' records, the ledger, its accounts, and a bill.

    Every difference is named, and the command then exits with 1. What may have been charged is no
    difference; a bill tells whether it was.

    \b
    short-drama spend reconcile
    short-drama spend reconcile --bill november.csv --provider seedream
    """
    from short_drama.cli import spend as command

    command.reconcile(**options)


@spend.command()
@click.option("--provider", required=True, metavar="NAME", help="seedream or qwen3-vl.")
@click.option("--usd", "amount", required=True, metavar="AMOUNT", help="Less than 0 gives back.")
@click.option("--reason", required=True, metavar="TEXT", help="Shown wherever the amount is.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Whose budget too.")
@click.option(
    "--day", type=_DAY, callback=_iso, metavar="DAY", help="Whose budget.  [default: today]"
)
@click.option("--request-id", metavar="ID", help="The call that it corrects, as the bill names it.")
@place
@as_json
def adjust(**options: Any) -> None:
    """Book what no call tells of, such as a credit or a correction.

    \b
    short-drama spend adjust --provider seedream --usd -0.12 --reason "credit note 2026-118"
    """
    from short_drama.cli import spend as command

    command.adjust(**options)


@click.command()
@since
@until
@click.option(
    "--by",
    default="kind",
    show_default=True,
    metavar="WHAT",
    help="kind, engine, label, or label:NAME for one label's values.",
)
@click.option("--on-aws", is_flag=True, help="What it would have cost there, if it ran elsewhere.")
@place
@as_json
def costs(**options: Any) -> None:
    """What tasks cost to run: GPU, providers, and AWS.

    By 1,000, and for the month; of the tasks that ended in the time. Reads what the settings name;
    needs no running service.

    \b
    short-drama costs --by kind --on-aws
    """
    from short_drama.cli import costs as command

    command.costs(**options)
