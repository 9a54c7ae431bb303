"""The calls of a time, added up in whichever way is asked for."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from short_drama.domain.spending import CallState, PaidCall, TaskSpend


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days as ISO dates, both included; None for no bound."""

    zone: tzinfo
    since: str | None = None
    until: str | None = None

    def day(self, at: float) -> str:
        return datetime.fromtimestamp(at, self.zone).date().isoformat()

    def has(self, at: float) -> bool:
        return (self.since or "") <= self.day(at) <= (self.until or "9999")

    @property
    def begins(self) -> float:
        """In Unix seconds."""
        if self.since is None:
            return 0.0
        return datetime.fromisoformat(self.since).replace(tzinfo=self.zone).timestamp()


@dataclass(frozen=True, slots=True)
class Line:
    """One call, or a correction, and the page that it is on."""

    page: TaskSpend
    call: PaidCall
    day: str
    """On which it was made."""


def lines_of(pages: Iterable[TaskSpend], period: Period) -> Iterator[Line]:
    for page in pages:
        for call in page.calls:
            if period.has(call.at):
                yield Line(page, call, period.day(call.at))


class By(StrEnum):
    DAY = "day"
    MONTH = "month"
    PROVIDER = "provider"
    MODEL = "model"
    LABEL = "label"
    OWNER = "owner"
    KIND = "kind"


UNLABELLED = "-"
_KEYS: Mapping[By, Callable[[Line], str]] = {
    By.DAY: lambda line: line.day,
    By.MONTH: lambda line: line.day[:7],
    By.PROVIDER: lambda line: line.call.provider,
    By.MODEL: lambda line: line.call.model,
    By.OWNER: lambda line: line.page.owner,
    By.KIND: lambda line: line.page.kind,
}


@dataclass(slots=True)
class Sum:
    """In millionths of a US dollar. `calls` are without corrections; `maybe` was cut off, or its
    end is not known yet."""

    calls: int = 0
    paid: int = 0
    maybe: int = 0

    def add(self, line: Line) -> None:
        self.calls += line.page.reason is None
        if line.call.state is CallState.PAID:
            self.paid += line.call.micros
        else:
            self.maybe += line.call.micros


def added_up(lines: Iterable[Line], by: By, *, label: str | None = None) -> Mapping[str, Sum]:
    """The sums, sorted by their keys.

    Args:
        label: whose values are the keys, by LABEL; without it they are `name=value`, and a call
            with several labels counts for each of them.
    """
    sums: dict[str, Sum] = defaultdict(Sum)
    for line in lines:
        for key in _keys(line, by, label):
            sums[key].add(line)
    return dict(sorted(sums.items()))


def _keys(line: Line, by: By, label: str | None) -> list[str]:
    if by is not By.LABEL:
        return [_KEYS[by](line)]
    return label_keys(line.page.labels, label)


def label_keys(labels: Mapping[str, str], label: str | None) -> list[str]:
    """Under which keys something with these labels is added up: by its value of `label`, or else
    once for each of its labels, as `name=value`."""
    if label is not None:
        return [labels.get(label, UNLABELLED)]
    return [f"{name}={value}" for name, value in labels.items()] or [UNLABELLED]
