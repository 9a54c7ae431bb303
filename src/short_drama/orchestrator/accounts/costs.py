"""What tasks have cost to run: GPU time, providers, and what AWS charges for each of them.

GPU time is from records, provider calls are from the ledger. Requests are not recorded: they are
counted by what a task of that kind and length makes, as `requests_of` says. Amounts are decimals of
a US dollar, never rounded here.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self

from short_drama.domain.kinds import Lane
from short_drama.domain.spending import CallState
from short_drama.domain.task import Task
from short_drama.domain.timings import timings_of
from short_drama.orchestrator.accounts.sums import Line, Period, label_keys

HEARTBEAT_SECONDS: Final = 20
"""Between two writes of a task's progress on AWS."""
_GIGABYTE: Final = Decimal(1_000_000_000)
_HOURS_A_MONTH: Final = 730
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Requests:
    """To AWS, in what it charges for: requests to SQS and S3, units of DynamoDB."""

    sqs: int = 0
    writes: int = 0
    reads: int = 0
    puts: int = 0
    gets: int = 0


def requests_of(task: Task, *, calls: int) -> Requests:
    """A record of 1 to 2 KB is two units in the table, and three in its two indexes.

    Args:
        calls: paid ones. Each reserves, pays and settles on the task's page, and keeps its answer.
    """
    attempts = max(task.attempt, 1)
    ran = timings_of(task).running_seconds or 0.0
    record_writes = 2 + 2 * attempts + int(ran // HEARTBEAT_SECONDS)
    return Requests(
        sqs=3 * attempts,  # send, receive, delete
        writes=5 * record_writes + 6 * calls,
        reads=4 + attempts,
        puts=len(task.inputs) + (task.outcome is not None) + 2 * calls,
        gets=len(task.inputs) * (1 + attempts),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars. What is 0 is not charged for, as requests are not on one machine."""

    gpu_hour: Decimal
    gpu_month: Decimal = _ZERO
    """Of one GPU instance that never stops, disk included; as for the CPU lane's."""
    cpu_month: Decimal = _ZERO
    sqs: Decimal = _ZERO
    write: Decimal = _ZERO
    read: Decimal = _ZERO
    put: Decimal = _ZERO
    get: Decimal = _ZERO
    gb_month: Decimal = _ZERO
    gb_sent: Decimal = _ZERO
    gpu_engine: str = "comfyui"
    """Whose seconds are our GPU's: those of a hosted engine are on its own bill."""

    def of(self, requests: Requests) -> Decimal:
        return (
            requests.sqs * self.sqs
            + requests.writes * self.write
            + requests.reads * self.read
            + requests.puts * self.put
            + requests.gets * self.get
        )


@dataclass(slots=True)
class Costs:
    """Of some tasks. `maybe` was cut off and may have been charged: it is not in the total."""

    tasks: int = 0
    gpu_seconds: Decimal = _ZERO
    gpu: Decimal = _ZERO
    providers: Decimal = _ZERO
    maybe: Decimal = _ZERO
    requests: Decimal = _ZERO
    storage: Decimal = _ZERO
    transfer: Decimal = _ZERO

    @property
    def total(self) -> Decimal:
        return self.gpu + self.providers + self.requests + self.storage + self.transfer

    @property
    def per_thousand(self) -> Decimal | None:
        return self.total * 1000 / self.tasks if self.tasks else None

    def add(self, other: Self) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def times(self, share: Decimal) -> "Costs":
        scaled = {each.name: getattr(self, each.name) * share for each in fields(self)}
        return Costs(**{**scaled, "tasks": int(scaled["tasks"])})


@dataclass(frozen=True, slots=True)
class Item:
    """One task with its paid calls; or calls alone, whose task ended another time or is gone."""

    task: Task | None
    lines: tuple[Line, ...] = ()

    def costs(self, rates: Rates) -> Costs:
        costs = Costs()
        for line in self.lines:
            usd = Decimal(line.call.micros).scaleb(-6)
            if line.call.state is CallState.PAID:
                costs.providers += usd
            else:
                costs.maybe += usd
        if self.task is not None:
            calls = sum(line.page.reason is None for line in self.lines)
            _add_task(costs, self.task, calls, rates)
        return costs


def _add_task(costs: Costs, task: Task, calls: int, rates: Rates) -> None:
    costs.tasks = 1
    costs.gpu_seconds = _gpu_seconds(task, rates.gpu_engine)
    costs.gpu = costs.gpu_seconds * rates.gpu_hour / 3600
    costs.requests = rates.of(requests_of(task, calls=calls))
    result = task.outcome.result if task.outcome else None
    gigabytes = (result or {}).get("bytes", 0) / _GIGABYTE
    costs.storage = gigabytes * rates.gb_month
    costs.transfer = gigabytes * rates.gb_sent


def _gpu_seconds(task: Task, engine: str) -> Decimal:
    """Of a task that failed nobody may know its engine: it was that of its lane."""
    by = task.outcome.engine if task.outcome else None
    seconds = timings_of(task).engine_seconds
    ours = task.lane is Lane.GPU and by in (None, engine)
    return Decimal(str(seconds)) if ours and seconds is not None else _ZERO


def items(tasks: Iterable[Task], lines: Iterable[Line]) -> list[Item]:
    """Each task with the calls that were made for it."""
    calls: dict[str, list[Line]] = {}
    for line in lines:
        calls.setdefault(line.page.task_id, []).append(line)
    found = [Item(task, tuple(calls.pop(task.task_id, ()))) for task in tasks]
    return [*found, *(Item(None, tuple(alone)) for alone in calls.values())]


class By(StrEnum):
    KIND = "kind"
    LABEL = "label"
    ENGINE = "engine"


NO_ENGINE: Final = "-"
_KEYS: Final[Mapping[By, Callable[[Item], str]]] = {
    By.KIND: lambda item: item.task.kind if item.task else item.lines[0].page.kind,
    By.ENGINE: lambda item: _engine(item.task) or NO_ENGINE,
}


def _engine(task: Task | None) -> str | None:
    return task.outcome.engine if task is not None and task.outcome is not None else None


def grouped(
    found: Iterable[Item], by: By, rates: Rates, *, label: str | None = None
) -> dict[str, Costs]:
    """Sorted by key. `label`: as for `sums.label_keys`."""
    groups: dict[str, Costs] = {}
    for item in found:
        for key in _keys(item, by, label):
            groups.setdefault(key, Costs()).add(item.costs(rates))
    return dict(sorted(groups.items()))


def _keys(item: Item, by: By, label: str | None) -> list[str]:
    if by is not By.LABEL:
        return [_KEYS[by](item)]
    return label_keys(item.task.labels if item.task else item.lines[0].page.labels, label)


def added(found: Iterable[Item], rates: Rates) -> Costs:
    total = Costs()
    for item in found:
        total.add(item.costs(rates))
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Of a calendar month, if the rest of it is as what is over was.

    `used`: what the tasks will have cost. `machines`: one instance of each lane that never stops,
    disks included. Whoever lets the GPU lane stop pays for what is used of it, and a little for
    starting; whoever does not pays for the machine, and `used_beside` the GPU.
    """

    month: str
    days_over: int
    days: int
    used: Costs = field(default_factory=Costs)
    gpu_machine: Decimal = _ZERO
    cpu_machine: Decimal = _ZERO

    @property
    def if_gpu_stops(self) -> Decimal:
        return self.used.total + self.cpu_machine

    @property
    def if_always_on(self) -> Decimal:
        return self.used.total - self.used.gpu + self.gpu_machine + self.cpu_machine


def forecast(so_far: Costs, today: date, rates: Rates) -> Forecast:
    """`so_far`: of this month, today included, which counts as a whole day."""
    days = monthrange(today.year, today.month)[1]
    return Forecast(
        month=today.isoformat()[:7],
        days_over=today.day,
        days=days,
        used=so_far.times(Decimal(days) / today.day),
        gpu_machine=rates.gpu_month,
        cpu_machine=rates.cpu_month,
    )


def machine_month(per_hour: Decimal, volume_gb: int, gb_month: Decimal) -> Decimal:
    """Of an instance that never stops."""
    return per_hour * _HOURS_A_MONTH + volume_gb * gb_month


def month_of(period: Period, now: float) -> Period:
    """The calendar month that `now` is in, until then."""
    today = period.day(now)
    return Period(zone=period.zone, since=f"{today[:7]}-01", until=today)
