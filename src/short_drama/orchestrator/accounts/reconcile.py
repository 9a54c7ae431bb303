"""Do the records, the ledger and a provider's bill say the same? Every difference has a name.

A call whose end nobody knows is no difference: a bill that tells of it is an answer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.domain.task import Task
from short_drama.orchestrator.accounts.bill import BillLine
from short_drama.orchestrator.accounts.sums import Line, Period

SETTLED_SECONDS = 600.0
"""After which whatever closes the pages of tasks that have ended has surely been there."""
SAME_CALL_SECONDS = 900.0
"""How far the bill's time of a call may be from ours; a picture is waited for as long as that."""


class Finding(StrEnum):
    NO_RECORD = "no record"
    """The ledger has a call of a task that there is not."""
    NO_LINE = "no line"
    """A record has a call that is not in the ledger."""
    NOT_RECORDED = "not recorded"
    """The ledger has a call that its task's record does not tell of."""
    UNLIKE = "unlike"
    """The record and the ledger tell different things of a call."""
    STILL_HELD = "still held"
    """The task has ended, and something is still held or reserved for it."""
    ACCOUNT = "account"
    """An account is not the sum of the pages."""
    NOT_BILLED = "not billed"
    BILLED_UNKNOWN = "billed, unknown"
    """The bill has a call, or a line without one, that the ledger has not."""
    BILLED_OTHERWISE = "billed otherwise"
    MAYBE_BILLED = "maybe: billed"
    """A call whose end was not known was charged, says the bill."""
    MAYBE_NOT_BILLED = "maybe: not billed"

    @property
    def is_difference(self) -> bool:
        return self not in (Finding.MAYBE_BILLED, Finding.MAYBE_NOT_BILLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Amounts are millionths of a US dollar; None where there is none to compare."""

    finding: Finding
    task_id: str | None = None
    step: str | None = None
    number: int | None = None
    request_id: str | None = None
    account: str | None = None
    bill_line: int | None = None
    record: int | None = None
    ledger: int | None = None
    bill: Decimal | None = None


def _named(finding: Finding, page: TaskSpend, call: PaidCall) -> Found:
    return Found(
        finding=finding,
        task_id=page.task_id,
        step=call.step,
        number=call.number,
        request_id=call.request_id,
        ledger=call.micros,
    )


# --- Records and pages --------------------------------------------------------------------


def records_and_pages(
    tasks: Mapping[str, Task], pages: Mapping[str, TaskSpend], period: Period, *, now: float
) -> Iterator[Found]:
    """Of tasks that have ended and whose pages are closed: the others are still being written."""
    for task_id in sorted(tasks.keys() | pages.keys()):
        task, page = tasks.get(task_id), pages.get(task_id)
        if page is not None and page.reason is not None:
            continue
        if page is not None and page.is_open:
            if task is not None and task.status.is_terminal and _settled(page, now):
                yield Found(finding=Finding.STILL_HELD, task_id=task_id, ledger=page.outstanding)
        elif task is None and page is not None:
            for call in _within(page, period):
                yield _named(Finding.NO_RECORD, page, call)
        elif task is not None and task.status.is_terminal:
            yield from _compared(task, page, period)


def _settled(page: TaskSpend, now: float) -> bool:
    return now - page.written_at > SETTLED_SECONDS


def _within(page: TaskSpend, period: Period) -> list[PaidCall]:
    return [call for call in page.calls if period.has(call.at)]


def _compared(task: Task, page: TaskSpend | None, period: Period) -> Iterator[Found]:
    """Call by call; what the record tells of calls without a line has no time but the task's."""
    told = {_line(call): call for call in (task.cost or {}).get("calls", ())}
    for call in () if page is None else page.calls:
        record = told.pop(call.line, None)
        if page is None or not period.has(call.at):
            continue
        if record is None:
            yield _named(Finding.NOT_RECORDED, page, call)
        elif _as_told(record) != _as_told(call.to_json()):
            named = _named(Finding.UNLIKE, page, call)
            yield replace(named, record=micros_of(record["usd"]))
    for (step, number), record in told.items() if period.has(task.updated_at) else ():
        yield Found(
            finding=Finding.NO_LINE,
            task_id=task.task_id,
            step=step,
            number=number,
            request_id=record.get("request_id"),
            record=micros_of(record["usd"]),
        )


def _line(record: Mapping[str, Any]) -> tuple[str, int]:
    return str(record["step"]), int(record["number"])


def _as_told(record: Mapping[str, Any]) -> tuple[object, ...]:
    return record["state"], micros_of(record["usd"]), record.get("request_id")


def micros_of(usd: object) -> int:
    """Of an amount in a record, which is JSON's: as it is written, and not as a float holds it."""
    return int((Decimal(str(usd)) * 1_000_000).to_integral_value(ROUND_HALF_UP))


# --- Pages and accounts -------------------------------------------------------------------


def accounts_of(pages: Iterable[TaskSpend]) -> Mapping[str, int]:
    """What each account must hold."""
    sums: Counter[str] = Counter()
    for page in pages:
        sums.update(page.counted)
    return sums


def pages_and_accounts(sums: Mapping[str, int], totals: Mapping[str, int]) -> Iterator[Found]:
    """`totals`: what the accounts say. The finding's `record` is that."""
    for account in sorted(sums.keys() | totals.keys()):
        pages, total = sums.get(account, 0), totals.get(account, 0)
        if pages != total:
            yield Found(finding=Finding.ACCOUNT, account=account, ledger=pages, record=total)


# --- The ledger and a bill ----------------------------------------------------------------


def ledger_and_bill(lines: Sequence[Line], bill: Sequence[BillLine]) -> Iterator[Found]:
    """`lines`: of one provider. Calls are known by their request ids, and those that have none by
    model and time; corrections that name a call count with it."""
    booked: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.call.request_id and line.call.state is CallState.PAID:
            booked[line.call.request_id].append(line)
    billed: dict[str, list[BillLine]] = defaultdict(list)
    unnamed = []
    for told in bill:
        if told.request_id in booked:
            billed[told.request_id].append(told)
        else:
            unnamed.append(told)
    for request_id, group in booked.items():
        yield from _same_call(group, billed[request_id])
    nameless = [line for line in lines if not _has_name(line) and line.page.reason is None]
    yield from _guessed(nameless, unnamed)


def _has_name(line: Line) -> bool:
    return bool(line.call.request_id) and line.call.state is CallState.PAID


def _same_call(booked: Sequence[Line], billed: Sequence[BillLine]) -> Iterator[Found]:
    ours = sum(line.call.micros for line in booked)
    theirs = sum((line.micros for line in billed), Decimal(0))
    named = replace(_named(Finding.NOT_BILLED, booked[0].page, booked[0].call), ledger=ours)
    if not billed and ours:
        yield named
    elif billed and not _equal(ours, theirs):
        yield replace(
            named,
            finding=Finding.BILLED_OTHERWISE,
            bill=theirs,
            bill_line=billed[0].number,
        )


def _equal(ours: int, theirs: Decimal) -> bool:
    """We round up to whole millionths, and bills do not."""
    return abs(ours - theirs) < 1


def _guessed(nameless: Sequence[Line], bill: Sequence[BillLine]) -> Iterator[Found]:
    """The nearest line of the bill for each call without a request id."""
    left = list(bill)
    for line in sorted(nameless, key=lambda line: line.call.at):
        told = min(
            (told for told in left if _may_be(told, line.call)),
            key=lambda told: abs((told.at or 0.0) - line.call.at),
            default=None,
        )
        if told is not None:
            left.remove(told)
        yield from _of_nameless(line, told)
    for told in left:
        yield Found(
            finding=Finding.BILLED_UNKNOWN,
            request_id=told.request_id,
            bill=told.micros,
            bill_line=told.number,
        )


def _may_be(told: BillLine, call: PaidCall) -> bool:
    if told.at is None or abs(told.at - call.at) > SAME_CALL_SECONDS:
        return False
    return not told.model or told.model in call.model or call.model in told.model


def _of_nameless(line: Line, told: BillLine | None) -> Iterator[Found]:
    named = _named(Finding.NOT_BILLED, line.page, line.call)
    if told is not None:
        named = replace(named, request_id=told.request_id, bill=told.micros, bill_line=told.number)
    if line.call.state is not CallState.PAID:
        end = Finding.MAYBE_NOT_BILLED if told is None else Finding.MAYBE_BILLED
        yield replace(named, finding=end)
    elif told is None:
        yield named
    elif not _equal(line.call.micros, told.micros):
        yield replace(named, finding=Finding.BILLED_OTHERWISE)
