"""`short-drama doctor`: what it does, and how it tells."""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from short_drama.cli import display
from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_ILL
from short_drama.cli.terminal import say
from short_drama.doctor.check import Check
from short_drama.doctor.checks import CHECKS
from short_drama.doctor.examination import Result, chosen, examine
from short_drama.doctor.finding import Verdict, wrong
from short_drama.doctor.site import Site
from short_drama.domain.errors import InvalidRequest
from short_drama.settings import Settings
from short_drama.settings.installed import take_on
from short_drama.wiring.components import Component

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "bold red"}
_SETTINGS = CHECKS[0]


def doctor(
    *,
    fast: bool,
    only: Sequence[str],
    components: Sequence[str],
    installed: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    _require_known(only)
    logging.disable(logging.CRITICAL)  # what calls log, findings say better
    try:
        if installed:
            take_on()
        settings = read_settings(data_dir=data_dir)
    except InvalidRequest as error:  # a finding like any other, and the last one
        found = wrong(error.detail, error.fix or f"Correct {error.field}.")
        results = [Result(_SETTINGS, found, 0.0)]
    else:
        checks = chosen(only, fast=fast)
        named = [Component(each) for each in components] or None
        results = asyncio.run(_examine(settings, checks, named, fast=fast))
    (_print_json if as_json else _print)(results)
    if any(each.verdict is Verdict.WRONG for each in results):
        raise click.exceptions.Exit(EXIT_ILL)


def _require_known(only: Collection[str]) -> None:
    known = [check.name for check in CHECKS]
    if unknown := sorted(set(only) - set(known)):
        raise click.UsageError(f"There is no check {unknown[0]!r}; there are {', '.join(known)}.")


async def _examine(
    settings: Settings,
    checks: Sequence[Check],
    components: Collection[Component] | None,
    *,
    fast: bool,
) -> list[Result]:
    async with Site(settings, components=components, fast=fast) as site:
        return await examine(site, checks)


def _print(results: Sequence[Result]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for each in results:
        for place, part in enumerate(each.finding.parts or (each.finding,)):
            colour = _COLOURS.get(part.verdict, "dim")
            name = "" if place else each.check.name
            table.add_row(f"[{colour}]{part.verdict}[/]", name, escape(part.found))
            if part.do:
                table.add_row("", "", f"do: {escape(part.do)}")
    display.console().print(table)
    say(summary(Counter(each.verdict for each in results)))


def summary(counts: Mapping[Verdict, int]) -> str:
    """How many there are of each verdict, the worst first."""
    told = [f"{counts[each]} {each}" for each in reversed(Verdict) if counts.get(each)]
    return ", ".join(told)


def _print_json(results: Sequence[Result]) -> None:
    for each in results:
        display.print_json(
            {
                "check": each.check.name,
                "verdict": each.verdict,
                "found": each.finding.found,
                "do": each.finding.do,
                "seconds": round(each.seconds, 3),
            }
        )
