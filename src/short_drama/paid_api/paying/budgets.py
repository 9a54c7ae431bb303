"""What may be spent on providers: in a day, in a month, and on a label.

Amounts are millionths of a US dollar. Days and months are those of a time zone of the budgets' own;
a label's budget is for good. What has been spent and what is held is the ledger's to know.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

from short_drama import metrics
from short_drama.domain.errors import BudgetExceeded, BudgetWaits, ShortDramaError, Unavailable
from short_drama.domain.spending import (
    TaskSpend,
    day_account,
    key_account,
    label_account,
    month_account,
    owner_account,
)
from short_drama.domain.task import Task
from short_drama.newest import change_page
from short_drama.ports import OverLimit, SpendLedger

_FIX = "Wait, or ask an operator to raise the budget."
_SOONEST = 1.0
"""Seconds until a day or month that has already begun."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Args:
    per_day, per_month: of all tasks; None where there is no such budget.
    per_owner: of each owner's tasks in a day.
    per_label: by `name=value`; `name=*` stands for each value of that label.
    of_key: what the tasks of an API key may cost in a day, by its id.
    waits: whether a call of an accepted task waits for the new day or month, where it no longer
        fits into this one's budget.
    """

    ledger: SpendLedger
    _: KW_ONLY
    per_day: int | None = None
    per_month: int | None = None
    per_owner: int | None = None
    per_label: Mapping[str, int] = field(default_factory=dict)
    of_key: Callable[[str], Awaitable[int | None]] | None = None
    zone: tzinfo = UTC
    waits: bool = False
    clock: Callable[[], float] = time.time

    def today(self) -> str:
        return datetime.fromtimestamp(self.clock(), self.zone).date().isoformat()

    def limits(
        self, labels: Mapping[str, str], days: Iterable[str], *, owner: str = ""
    ) -> Mapping[str, int]:
        """Of those accounts that have one, of all that an owner's task with these labels counts for
        on these days: for `SpendLedger.write`."""
        limits = {label_account(*label): self._of_label(*label) for label in labels.items()}
        for day in days:
            limits[day_account(day)] = self.per_day
            limits[month_account(day[:7])] = self.per_month
            if owner:
                limits[owner_account(owner, day)] = self.per_owner
        return {account: limit for account, limit in limits.items() if limit is not None}

    async def look(self) -> None:
        """For /metrics: what is left of each budget, but those that stand for any value."""
        day = self.today()
        accounts: dict[str, tuple[str, int | None]] = {"day": (day_account(day), self.per_day)}
        accounts["month"] = (month_account(day[:7]), self.per_month)
        for label, most in self.per_label.items():
            if not label.endswith("=*"):
                accounts[f"label {label}"] = (label_account(*label.split("=", 1)), most)
        for budget, (account, limit) in accounts.items():
            if limit is not None:
                metrics.BUDGET.tell(limit / 1_000_000, budget)
                await self._tell_left(budget, account, limit)

    async def _tell_left(self, budget: str, account: str, limit: int) -> None:
        left = None
        try:
            left = (limit - await self.ledger.total(account)) / 1_000_000
        except Unavailable:
            pass
        finally:
            metrics.BUDGET_LEFT.tell(left, budget)

    async def hold(self, task: Task, micros: int) -> None:
        """Set aside what the task may cost. Repeated, it changes nothing.

        Raises BudgetExceeded when a budget has too little left, and Unavailable.
        """
        day = self.today()
        page = TaskSpend(
            task_id=task.task_id,
            kind=task.kind,
            owner=task.owner,
            labels=task.labels,
            key_id=task.key_id,
            retry_of=task.retry_of,
            day=day,
        )
        try:
            await change_page(
                self.ledger,
                page,
                lambda found: found.opened(day=day, held=micros),
                limits={
                    **self.limits(task.labels, [day], owner=task.owner),
                    **await self._limit_of(task, day),
                },
            )
        except OverLimit as over:
            _count(over.account)
            raise self._exceeded(over.account) from None

    async def _limit_of(self, task: Task, day: str) -> Mapping[str, int]:
        """Of the account of the key that the task came with, if it has one."""
        if task.key_id is None or self.of_key is None:
            return {}
        limit = await self.of_key(task.key_id)
        return {} if limit is None else {key_account(task.key_id, day): limit}

    def refusal(self, account: str) -> ShortDramaError:
        """Of a call that would pass the limit of that account."""
        _count(account)
        end = self._end(account)
        if end is None or not self.waits:
            return self._exceeded(account)
        return BudgetWaits(self._words(account), after=max(end - self.clock(), _SOONEST))

    def _exceeded(self, account: str) -> BudgetExceeded:
        return BudgetExceeded(self._words(account), fix=_FIX)

    def _words(self, account: str) -> str:
        period, _, name = account.partition("/")
        if period == "key":
            return f"too little is left of what the API key {name.partition('/')[0]} may cost a day"
        if period == "label":
            return _too_little(self._of_label(*name.split("=", 1)), f"the label {name}")
        if period == "owner":
            return _too_little(self.per_owner, f"one owner and {_day_of(name)}")
        return _too_little(self.per_day if period == "day" else self.per_month, name)

    def _of_label(self, name: str, value: str) -> int | None:
        return self.per_label.get(f"{name}={value}", self.per_label.get(f"{name}=*"))

    def _end(self, account: str) -> float | None:
        """When the account's day or month is over; None of a label's."""
        period, _, name = account.partition("/")
        if period in ("day", "owner"):
            after = date.fromisoformat(_day_of(name)) + timedelta(days=1)
        elif period == "month":
            after = (date.fromisoformat(f"{name}-01") + timedelta(days=31)).replace(day=1)
        else:
            return None
        return datetime(after.year, after.month, after.day, tzinfo=self.zone).timestamp()


def _day_of(name: str) -> str:
    """Of an account's name after its period: a day, with its owner or without."""
    return name.rpartition("/")[2]


def _count(account: str) -> None:
    metrics.LIMITS_HIT.labels("budget", account.partition("/")[0]).inc()


def _too_little(limit: int | None, what: str) -> str:
    amount = f"{(limit or 0) / 1_000_000:.6f}"
    cents, finer = amount[:-4], amount[-4:].rstrip("0")
    return f"too little is left of the budget of {cents}{finer} USD for {what}"
