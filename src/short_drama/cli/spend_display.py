"""What `short-drama spend` says: tables, or one JSON object a line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from short_drama.cli import display
from short_drama.domain.spending import CallState, TaskSpend, usd
from short_drama.orchestrator.accounts.bill import BillLine
from short_drama.orchestrator.accounts.books import Compared
from short_drama.orchestrator.accounts.reconcile import Found
from short_drama.orchestrator.accounts.sums import By, Line, Sum


@dataclass(frozen=True, slots=True)
class Budget:
    """In millionths of a US dollar; `counted` is what was spent and what is held."""

    account: str
    limit: int
    counted: int

    @property
    def left(self) -> int:
        return self.limit - self.counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`lines`: all that were added up, each once."""

    by: By
    sums: Mapping[str, Sum]
    lines: Sequence[Line]
    open_pages: Sequence[TaskSpend]
    budgets: Sequence[Budget]

    @property
    def total(self) -> Sum:
        total = Sum()
        for line in self.lines:
            total.add(line)
        return total

    @property
    def corrections(self) -> Sequence[TaskSpend]:
        return [line.page for line in self.lines if line.page.reason is not None]

    @property
    def outstanding(self) -> int:
        """What is held for tasks, and reserved for calls that are being made."""
        return sum(page.outstanding for page in self.open_pages)


def dollars(micros: int | Decimal | None) -> str:
    """To the millionth; bills have more places than that."""
    return "-" if micros is None else f"{Decimal(micros).scaleb(-6):,.6f}"


# --- Show ---------------------------------------------------------------------------------


def print_tables(shown: Shown) -> None:
    table = _table(shown.by, "calls", "paid", "maybe")
    for key, each in [*shown.sums.items(), ("total", shown.total)]:
        table.add_row(escape(key), f"{each.calls:,}", dollars(each.paid), dollars(each.maybe))
    display.console().print(table)
    for page in shown.corrections:
        click.echo(correction_in_words(page))
    click.echo(f"held and reserved now: {dollars(shown.outstanding)} USD, on {_pages(shown)}")
    if shown.budgets:
        table = _table("budget", "limit", "counted", "left")
        for budget in shown.budgets:
            amounts = (budget.limit, budget.counted, budget.left)
            table.add_row(escape(budget.account), *map(dollars, amounts))
        display.console().print(table)


def _pages(shown: Shown) -> str:
    number = len(shown.open_pages)
    return "1 open page" if number == 1 else f"{number:,} open pages"


def print_as_json(shown: Shown) -> None:
    """`what` says which kind of object a line is."""
    for key, each in shown.sums.items():
        display.print_json({"what": "sum", shown.by.value: key, **_amounts(each)})
    display.print_json({"what": "total", **_amounts(shown.total)})
    for page in shown.corrections:
        display.print_json(correction(page))
    outstanding = {"usd": usd(shown.outstanding), "pages": len(shown.open_pages)}
    display.print_json({"what": "held", **outstanding})
    for budget in shown.budgets:
        display.print_json(
            {
                "what": "budget",
                "account": budget.account,
                "limit_usd": usd(budget.limit),
                "counted_usd": usd(budget.counted),
                "left_usd": usd(budget.left),
            }
        )


def _amounts(each: Sum) -> dict[str, Any]:
    return {"calls": each.calls, "usd": usd(each.paid), "maybe_usd": usd(each.maybe)}


def correction(page: TaskSpend) -> dict[str, Any]:
    (call,) = page.calls
    return {
        "what": "adjustment",
        "task_id": page.task_id,
        "day": page.day,
        "provider": call.provider,
        "usd": usd(call.micros),
        "reason": page.reason,
        "labels": dict(page.labels),
        "request_id": call.request_id,
    }


def correction_in_words(page: TaskSpend) -> str:
    (call,) = page.calls
    named = " ".join(f"{name}={value}" for name, value in page.labels.items())
    of_call = f" (request {call.request_id})" if call.request_id else ""
    return (
        f"{page.task_id}: {page.day} {call.provider} {dollars(call.micros)} USD"
        f"{f' {named}' if named else ''}{of_call}: {page.reason}"
    )


# --- Reconcile ----------------------------------------------------------------------------


def finding(found: Found) -> dict[str, Any]:
    """Amounts in US dollars."""
    told = asdict(found)
    amounts = {f"{name}_usd": told.pop(name) for name in ("record", "ledger", "bill")}
    return {
        **told,
        "is_difference": found.finding.is_difference,
        **{
            name: None if micros is None else float(Decimal(micros).scaleb(-6))
            for name, micros in amounts.items()
        },
    }


def print_findings(found: Iterable[Found]) -> None:
    table = _table("finding", "record", "ledger", "bill")
    for heading in ("task or account", "step", "request", "bill's line"):
        table.add_column(heading, overflow="fold")
    for each in found:
        step = f"{each.step} {each.number}" if each.step else ""
        line = "" if each.bill_line is None else str(each.bill_line)
        table.add_row(
            each.finding,
            *(dollars(amount) for amount in (each.record, each.ledger, each.bill)),
            escape(each.task_id or each.account or ""),
            step,
            escape(each.request_id or ""),
            line,
        )
    if table.row_count:
        display.console().print(table)


def print_summary(compared: Compared, billed: Sequence[BillLine] | None) -> None:
    calls = [line.call for line in compared.lines]
    paid = sum(call.micros for call in calls if call.state is CallState.PAID)
    maybe = sum(call.micros for call in calls if call.state is not CallState.PAID)
    click.echo(
        f"{compared.tasks} tasks, {len(calls)} calls and adjustments: paid {dollars(paid)} USD, "
        f"maybe {dollars(maybe)} USD more"
    )
    if billed is not None:
        amount = sum((line.micros for line in billed), Decimal(0))
        click.echo(f"the bill: {len(billed)} lines, {dollars(amount)} USD")
    if compared.in_progress:
        click.echo(f"left out, as they are not over: {compared.in_progress} tasks")


def _table(first: str, *amounts: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in amounts:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
