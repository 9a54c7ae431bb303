"""`short-drama costs`."""

import asyncio
import time
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from short_drama.cli import display
from short_drama.cli.backend import opened
from short_drama.cli.request import read_grouping
from short_drama.cli.terminal import say
from short_drama.orchestrator.accounts.books import Books
from short_drama.orchestrator.accounts.costs import (
    By,
    Costs,
    Forecast,
    Item,
    added,
    forecast,
    grouped,
    items,
    month_of,
)
from short_drama.orchestrator.accounts.sums import Period
from short_drama.wiring.prices import cost_rates


@dataclass(frozen=True, slots=True)
class _Shown:
    by: By
    groups: dict[str, Costs]
    total: Costs
    forecast: Forecast


def costs(
    *,
    by: str,
    as_json: bool,
    **where: Any,
) -> None:
    grouping, label = read_grouping(by, By)
    shown = asyncio.run(_look(grouping, label, **where))
    if as_json:
        _print_as_json(shown)
    else:
        _print_tables(shown)


async def _look(
    by: By,
    label: str | None,
    *,
    on_aws: bool,
    since: str | None,
    until: str | None,
    data_dir: Path | None,
) -> _Shown:
    async with opened(data_dir) as (settings, backend):
        rates = cost_rates(settings, on_aws=on_aws or settings.backend == "aws")
        books, zone = Books(backend.store, backend.ledger), settings.budget_time_zone
        now = time.time()
        month = month_of(Period(zone=zone), now)
        found = await _items(books, Period(zone=zone, since=since, until=until))
        this_month = added(await _items(books, month), rates)
    return _Shown(
        by=by,
        groups=grouped(found, by, rates, label=label),
        total=added(found, rates),
        forecast=forecast(this_month, date.fromisoformat(month.day(now)), rates),
    )


async def _items(books: Books, period: Period) -> list[Item]:
    return items(await books.ended(period), await books.lines(period))


# --- What is shown ------------------------------------------------------------------------


def _print_tables(shown: _Shown) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(shown.by, no_wrap=True)
    for heading in ("tasks", "GPU s", "GPU", "providers", "maybe", "requests", "storage"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("transfer", "total", "per 1,000"):
        table.add_column(heading, justify="right", no_wrap=True)
    for key, each in [*shown.groups.items(), ("total", shown.total)]:
        table.add_row(escape(key), *_row(each))
    display.console().print(table)
    for line in _forecast_in_words(shown.forecast):
        say(line)


def _row(each: Costs) -> list[str]:
    amounts = (each.gpu, each.providers, each.maybe, each.requests, each.storage, each.transfer)
    return [
        f"{each.tasks:,}",
        f"{each.gpu_seconds:,.1f}",
        *(_usd(amount) for amount in (*amounts, each.total)),
        "-" if each.per_thousand is None else _usd(each.per_thousand, places=2),
    ]


def _usd(amount: Decimal, *, places: int = 4) -> str:
    return f"{amount:,.{places}f}"


def _forecast_in_words(told: Forecast) -> list[str]:
    """In US dollars; machines only where they are rented."""
    used = told.used
    over = f"{told.month}, after {told.days_over} of {told.days} days"
    lines = [f"{over}: {used.tasks:,} tasks, {_usd(used.total, places=2)} USD, if it goes on so"]
    if told.gpu_machine:
        stops, always = _usd(told.if_gpu_stops, places=2), _usd(told.if_always_on, places=2)
        lines.append(
            f"with the CPU lane's machine: {stops} USD, if the GPU lane's stops without work"
        )
        lines.append(f"with both machines: {always} USD, if both are always on")
    return lines


def _print_as_json(shown: _Shown) -> None:
    """`what` says which kind of object a line is; amounts are US dollars."""
    for key, each in shown.groups.items():
        display.print_json({"what": "group", shown.by.value: key, **_figures(each)})
    display.print_json({"what": "total", **_figures(shown.total)})
    told = shown.forecast
    display.print_json(
        {
            "what": "forecast",
            "month": told.month,
            "days_over": told.days_over,
            "days": told.days,
            **_figures(told.used),
            "if_gpu_stops_usd": float(told.if_gpu_stops) if told.gpu_machine else None,
            "if_always_on_usd": float(told.if_always_on) if told.gpu_machine else None,
        }
    )


def _figures(each: Costs) -> dict[str, Any]:
    amounts = {
        f"{part.name}_usd": float(getattr(each, part.name))
        for part in fields(Costs)
        if part.name not in ("tasks", "gpu_seconds")
    }
    thousand = each.per_thousand
    return {
        "tasks": each.tasks,
        "gpu_seconds": float(each.gpu_seconds),
        **amounts,
        "total_usd": float(each.total),
        "per_thousand_usd": None if thousand is None else float(thousand),
    }
