"""The accounts as an operator's command reads and corrects them."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from short_drama.domain.kinds import Lane
from short_drama.domain.spending import CallState, PaidCall, TaskSpend, day_account
from short_drama.domain.task import Task
from short_drama.orchestrator.accounts.reconcile import (
    Found,
    accounts_of,
    pages_and_accounts,
    records_and_pages,
)
from short_drama.orchestrator.accounts.sums import Line, Period, lines_of
from short_drama.ports import SpendLedger, TaskFilter, TaskStore

_CHUNK = 100
ADJUSTMENT = "adjustment"
"""The kind, the step and the model of a correction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """`micros` may be less than 0. `request_id`: the call that it corrects, as a bill names it."""

    provider: str
    micros: int
    reason: str
    day: str
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """`lines`: of the period. `in_progress`: tasks that were left out, as they are not over."""

    found: Sequence[Found]
    lines: Sequence[Line]
    tasks: int
    in_progress: int


class Books:
    """Reads whatever backend the ports are of; only `correct` writes."""

    def __init__(self, store: TaskStore, ledger: SpendLedger) -> None:
        self._store, self._ledger = store, ledger

    async def lines(self, period: Period) -> list[Line]:
        """A page is never older than its newest call."""
        pages = [page async for page in self._ledger.written_since(period.begins)]
        return sorted(lines_of(pages, period), key=lambda line: line.call.at)

    async def open_pages(self) -> list[TaskSpend]:
        found: list[TaskSpend] = []
        while pages := await self._ledger.open(limit=_CHUNK, after=found[-1] if found else None):
            found += pages
        return found

    async def total(self, account: str) -> int:
        return await self._ledger.total(account)

    async def compare(self, period: Period, *, now: float) -> Compared:
        """Records, pages and accounts. The sums of accounts are those of all pages there are; the
        rest is of the period."""
        pages = {page.task_id: page async for page in self._ledger.written_since(0.0)}
        sums = accounts_of(pages.values())
        names = {*sums, *(day_account(day) for day in _days(period))}
        totals = {account: await self._ledger.total(account) for account in sorted(names)}
        touched = {
            task_id: page
            for task_id, page in pages.items()
            if page.is_open or any(period.has(call.at) for call in page.calls)
        }
        tasks = await self._tasks(period, touched)
        found = [
            *records_and_pages(tasks, touched, period, now=now),
            *pages_and_accounts(sums, totals),
        ]
        pending = sum(not task.status.is_terminal for task in tasks.values())
        lines = list(lines_of(touched.values(), period))
        return Compared(found, lines, len(tasks), pending)

    async def ended(self, period: Period) -> list[Task]:
        """Tasks of every kind that ended in the period."""
        return [
            task
            async for task in self._listed(TaskFilter())
            if task.ended_at is not None and period.has(task.ended_at)
        ]

    async def _listed(self, where: TaskFilter) -> AsyncIterator[Task]:
        cursor, more = None, True
        while more:
            page = await self._store.list(where, cursor=cursor, limit=_CHUNK)
            for task in page.tasks:
                yield task
            cursor = page.next_cursor
            more = cursor is not None

    async def _tasks(self, period: Period, pages: Mapping[str, TaskSpend]) -> dict[str, Task]:
        """Those of the paid kinds that ended in the period or wait, and those that pages name."""
        listed = self._listed(TaskFilter(lane=Lane.CPU))
        tasks = {task.task_id: task async for task in listed if period.has(task.updated_at)}
        for task_id, spent in pages.items():
            if task_id not in tasks and spent.reason is None:
                task = await self._store.get(task_id)  # lists may lag
                if task is not None:
                    tasks[task_id] = task
        return tasks

    async def correct(self, correction: Correction, *, at: float) -> TaskSpend:
        """Write it on a page of its own, as made `at` that time. No limit refuses it: it tells of
        money that is spent already."""
        line = PaidCall(
            step=ADJUSTMENT,
            number=1,
            provider=correction.provider,
            model=ADJUSTMENT,
            micros=correction.micros,
            day=correction.day,
            at=at,
            state=CallState.PAID,
            request_id=correction.request_id,
        )
        page = TaskSpend(
            task_id=f"adjust/{uuid.uuid4()}",
            kind=ADJUSTMENT,
            owner="operator",
            labels=correction.labels,
            day=correction.day,
            is_open=False,
            calls=(line,),
            reason=correction.reason,
        )
        return await self._ledger.write(page)


def _days(period: Period) -> list[str]:
    """Of a period with both ends."""
    if period.since is None or period.until is None:
        return []
    first, last = date.fromisoformat(period.since), date.fromisoformat(period.until)
    return [(first + timedelta(number)).isoformat() for number in range((last - first).days + 1)]
