"""`short-drama kinds`; as quick to import as `main`."""

from typing import TYPE_CHECKING, Any

import click

from short_drama.cli.options import as_json, service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from short_drama.sdk.kind_models import KindView


@click.command()
@as_json
@service
def kinds(*, as_json: bool, **where: Any) -> None:
    """The kinds of task, and whether they can be done now.

    "takes" is the engine's time, by the latest tasks; "costs" is the most that a task's calls to
    providers do, in US dollars. --json has schema, limits and poses as well. Tasks of a kind that
    cannot be done now wait, unless it is a person that they would wait for: those are refused.

    \b
    short-drama kinds
    """
    from short_drama.cli import display
    from short_drama.cli.connection import connected

    with connected(**where) as client:
        found = client.kinds()
    if as_json:
        for kind in found:
            display.print_json(kind)
    else:
        _print_table(found)


def _print_table(found: "Iterable[KindView]") -> None:
    from rich.markup import escape
    from rich.table import Table

    from short_drama.cli import display

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "lane", "now", "takes", "costs", "engine", "why", "what to do"):
        table.add_column(heading, no_wrap=heading not in ("why", "what to do"))
    for kind in found:
        table.add_row(
            kind.name,
            kind.lane,
            display.state_in_words(kind.state, kind.since),
            "" if kind.expected_seconds is None else f"{kind.expected_seconds:g} s",
            f"{kind.price.at_most:g}" if kind.price and kind.price.at_most else "",
            kind.engine or "",
            escape(kind.reason or ""),
            escape(kind.fix or ""),
        )
    display.console().print(table)
