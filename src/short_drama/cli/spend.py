"""`short-drama spend ...`."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from short_drama.cli import display, spend_display
from short_drama.cli.audited import audited
from short_drama.cli.backend import opened
from short_drama.cli.exits import EXIT_FAILED, Problem
from short_drama.cli.request import read_grouping, read_pairs
from short_drama.cli.spend_display import Budget, Shown
from short_drama.cli.terminal import say
from short_drama.domain.spending import TaskSpend, micros_of
from short_drama.orchestrator.accounts.bill import NAMES, BillLine, read_bill
from short_drama.orchestrator.accounts.books import Books, Compared, Correction
from short_drama.orchestrator.accounts.reconcile import Found, ledger_and_bill
from short_drama.orchestrator.accounts.sums import By, Period, added_up
from short_drama.settings import Settings
from short_drama.wiring.backend import Backend

_MOST_USD = Decimal(1_000_000)


def show(*, by: str, as_json: bool, **where: Any) -> None:
    grouping, label = read_grouping(by, By)
    shown = asyncio.run(_look(grouping, label, **where))
    if as_json:
        spend_display.print_as_json(shown)
    else:
        spend_display.print_tables(shown)


def reconcile(
    *,
    bill: Path | None,
    provider: str | None,
    columns: Sequence[str],
    as_json: bool,
    **where: Any,
) -> None:
    if (bill is None) != (provider is None):
        raise click.UsageError("Give --bill and --provider together.")
    names = read_pairs("--column", columns)
    if unknown := sorted(set(names) - set(NAMES)):
        raise click.UsageError(f"--column names one of {', '.join(NAMES)}, not {unknown[0]!r}.")
    compared, billed = asyncio.run(_compare(bill, names, **where))
    found = [*compared.found, *_against(billed, provider, compared)]
    if as_json:
        for each in found:
            display.print_json(spend_display.finding(each))
    else:
        spend_display.print_findings(found)
        spend_display.print_summary(compared, None if bill is None else billed)
    differences = sum(each.finding.is_difference for each in found)
    if differences:
        what = "1 difference" if differences == 1 else f"{differences} differences"
        raise Problem(what, fix="See docs/money.md on each of them.", code=EXIT_FAILED)


def adjust(
    *,
    amount: str,
    reason: str,
    labels: Sequence[str],
    as_json: bool,
    day: str | None,
    data_dir: Path | None,
    **correction: Any,
) -> None:
    if not reason.strip():
        raise click.UsageError("Say why: --reason is empty.")
    correction |= {
        "micros": _micros(amount),
        "reason": reason.strip(),
        "labels": read_pairs("--label", labels),
    }
    page = asyncio.run(_correct(data_dir, day, correction))
    if as_json:
        display.print_json(spend_display.correction(page))
    else:
        say(spend_display.correction_in_words(page))


# --- The books ----------------------------------------------------------------------------


async def _look(
    by: By, label: str | None, *, since: str | None, until: str | None, data_dir: Path | None
) -> Shown:
    async with opened(data_dir) as (settings, backend):
        books = Books(backend.store, backend.ledger)
        period = Period(zone=settings.budget_time_zone, since=since, until=until)
        lines = await books.lines(period)
        pages = await books.open_pages()
        return Shown(
            by=by,
            sums=added_up(lines, by, label=label),
            lines=lines,
            open_pages=pages,
            budgets=await _budgets(settings, backend, [*(line.page for line in lines), *pages]),
        )


async def _budgets(
    settings: Settings, backend: Backend, pages: Iterable[TaskSpend]
) -> list[Budget]:
    """Of today, of this month, and of the labels that the settings or the pages name."""
    from short_drama.wiring.engines import budgets

    found = budgets(settings, backend)
    limits = dict(found.limits({}, [found.today()]))
    labels = {label for page in pages for label in page.labels.items()}
    for named in settings.budget_per_label_usd:
        name, _, value = named.partition("=")
        labels |= {(name, value)} - {(name, "*")}
    for name, value in sorted(labels):
        limits |= found.limits({name: value}, [])
    ledger = backend.ledger
    return [
        Budget(account, limit, await ledger.total(account)) for account, limit in limits.items()
    ]


async def _compare(
    bill: Path | None,
    names: Mapping[str, str],
    *,
    since: str | None,
    until: str | None,
    data_dir: Path | None,
) -> tuple[Compared, Sequence[BillLine]]:
    async with opened(data_dir) as (settings, backend):
        period = Period(zone=settings.budget_time_zone, since=since, until=until)
        billed = [] if bill is None else read_bill(bill, settings.budget_time_zone, names)
        told = [line for line in billed if line.at is None or period.has(line.at)]
        compared = await Books(backend.store, backend.ledger).compare(period, now=time.time())
        return compared, told


def _against(
    billed: Sequence[BillLine], provider: str | None, compared: Compared
) -> Iterable[Found]:
    if provider is None:
        return ()
    lines = [line for line in compared.lines if line.call.provider == provider]
    return ledger_and_bill(lines, billed)


async def _correct(
    data_dir: Path | None, day: str | None, correction: Mapping[str, Any]
) -> TaskSpend:
    async with opened(data_dir) as (settings, backend):
        zone, now = settings.budget_time_zone, time.time()
        today = Period(zone=zone).day(now)
        if day is not None and day > today:
            raise click.UsageError(f"{day} has not come yet.")
        at = now if day in (None, today) else Period(zone=zone, since=day).begins
        books, change = (
            Books(backend.store, backend.ledger),
            Correction(day=day or today, **correction),
        )
        about = f"{change.provider}: {change.micros / 1e6:+.6f} USD on {change.day}"
        async with audited(backend.audit, "spend.adjust", about=about) as doing:
            page = await books.correct(change, at=at)
            await doing.tell(page.task_id, about=about)
            return page


# --- What was asked for -------------------------------------------------------------------


def _micros(amount: str) -> int:
    try:
        given = Decimal(amount)
        fits = given.is_finite() and abs(given) <= _MOST_USD
    except InvalidOperation:
        fits = False
    if not fits or given == 0 or given != round(given, 6):
        raise click.UsageError(
            f"--usd {amount!r} is no amount: give US dollars, not 0, to the millionth at most."
        )
    return micros_of(given)
