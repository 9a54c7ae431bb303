"""What one task may cost, has cost and may have cost: its page of the ledger.

Accepting a task holds what it is expected to cost; each call to a provider is a line that is
written before the call is made. So whatever dies, the page says which calls may have been charged,
and what is counted for budgets is never less than what the task has cost.

Amounts are millionths of a US dollar; times are Unix seconds; days are ISO dates in the time zone
of the budgets. Each change is a pure method from a page to the next one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from short_drama.domain.principal import LOCAL_OWNER


class CallState(StrEnum):
    RESERVED = "reserved"
    """Made, or about to be; its end is not known yet."""
    PAID = "paid"
    UNKNOWN = "unknown"
    """Cut off: it may have been charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidCall:
    """One call that may be charged. A call that cost nothing leaves no line."""

    step: str
    number: int
    """Among the step's calls, from 1."""
    provider: str
    model: str
    micros: int
    """What it cost; the most that it may have cost, while that is not known."""
    day: str
    """Whose budget it counts for."""
    at: float
    state: CallState = CallState.RESERVED
    request_id: str | None = None
    estimated: bool = False
    """Whether it was answered without saying what it cost."""
    is_useless: bool = False
    """Whether nothing could be made of its answer."""

    @property
    def line(self) -> tuple[str, int]:
        """What names it on its page."""
        return self.step, self.number

    def to_json(self) -> dict[str, Any]:
        """For the task's record."""
        return {
            "step": self.step,
            "number": self.number,
            "provider": self.provider,
            "model": self.model,
            "state": self.state,
            "usd": usd(self.micros),
            "request_id": self.request_id,
            "estimated": self.estimated,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpend:
    """The page of one task. `version` grows with every write; 0 before the first."""

    task_id: str
    kind: str
    owner: str
    labels: Mapping[str, str] = field(default_factory=dict)
    key_id: str | None = None
    """Of the API key that the task came with."""
    retry_of: str | None = None
    """The task whose answers this one may use, as it was paid for the same."""
    day: str
    """On which the task was accepted: its budget is that day's, however long the task waits."""
    held: int = 0
    is_open: bool = True
    """Whether more may still be spent. A closed page holds nothing."""
    calls: tuple[PaidCall, ...] = ()
    version: int = 0
    written_at: float = 0.0
    """When its last version was written."""
    reason: str | None = None
    """Why a person has written it: a correction, and no task's page."""

    def calls_of(self, step: str) -> list[PaidCall]:
        """From the first to the last."""
        return sorted(
            (call for call in self.calls if call.step == step), key=lambda call: call.number
        )

    # --- Changes ---------------------------------------------------------------------------

    def reserve(
        self, step: str, *, provider: str, model: str, micros: int, today: str, now: float
    ) -> Self:
        """The next call of a step is about to be made. What the hold covers counts for the day of
        the hold, all else for today."""
        number = max((call.number for call in self.calls_of(step)), default=0) + 1
        covered = self._spent_on(self.day) + micros <= self.held
        call = PaidCall(
            step=step,
            number=number,
            provider=provider,
            model=model,
            micros=micros,
            day=self.day if covered else today,
            at=now,
        )
        return replace(self, is_open=True, calls=(*self.calls, call))

    def paid(
        self, call: PaidCall, micros: int, *, request_id: str | None, estimated: bool = False
    ) -> Self:
        """It was answered. Repeated, it changes nothing; on a page that no longer has its line, it
        adds the line again, because money that was spent is always counted."""
        known = replace(
            call, state=CallState.PAID, micros=micros, request_id=request_id, estimated=estimated
        )
        return self._with(known)

    def cut_off(self, call: PaidCall) -> Self:
        """Nobody knows whether it was charged."""
        return self._with(replace(call, state=CallState.UNKNOWN))

    def useless(self, call: PaidCall) -> Self:
        """It was paid for, and nobody should use its answer again."""
        return self._with(replace(call, is_useless=True))

    def without(self, call: PaidCall) -> Self:
        """It cost nothing."""
        return self._told(tuple(one for one in self.calls if one.line != call.line))

    def close(self) -> Self:
        """Nothing more is going to be spent: what is still held is given back."""
        return replace(self, held=0, is_open=False)

    def opened(self, *, day: str, held: int) -> Self:
        """The task is accepted, for which so much is held; one that was accepted before is left as
        it is."""
        accepted = self.version > 0 and self.is_open
        return self if accepted else replace(self, day=day, held=held, is_open=True)

    # --- Sums ------------------------------------------------------------------------------

    @property
    def counted(self) -> Mapping[str, int]:
        """What the page adds to each account: of days, of months, of each label, of the key, and of
        its owner's days, who is counted apart where people sign in."""
        sums: Counter[str] = Counter()
        for day, micros in self._by_day.items():
            sums[day_account(day)] += micros
            sums[month_account(day[:7])] += micros
            if self.key_id is not None:
                sums[key_account(self.key_id, day)] += micros
            for name, value in self.labels.items():
                sums[label_account(name, value)] += micros
            if self.owner != LOCAL_OWNER:
                sums[owner_account(self.owner, day)] += micros
        return sums

    def counted_more(self, before: "TaskSpend | None") -> Mapping[str, int]:
        """Than an earlier version of the page, by account: less where negative, and nothing where
        it is the same."""
        sums = Counter(self.counted)
        sums.subtract(before.counted if before is not None else {})
        return {account: micros for account, micros in sums.items() if micros != 0}

    @property
    def outstanding(self) -> int:
        """What is held or reserved: counted, though nobody may have spent it."""
        return sum(self._by_day.values()) - self.micros(CallState.PAID, CallState.UNKNOWN)

    def micros(self, *states: CallState) -> int:
        return sum(call.micros for call in self.calls if call.state in states)

    def cost(self) -> dict[str, Any]:
        """For the task's record: every call with its price, and what may have been charged
        besides."""
        return {
            "usd": usd(self.micros(CallState.PAID)),
            "maybe_usd": usd(self.micros(CallState.UNKNOWN, CallState.RESERVED)),
            "calls": [call.to_json() for call in self.calls],
        }

    @property
    def _by_day(self) -> Mapping[str, int]:
        days = {day: self._spent_on(day) for day in {call.day for call in self.calls}}
        if self.held:  # a correction, which holds nothing, may be less than nothing
            days[self.day] = max(self.held, days.get(self.day, 0))
        return days

    def _spent_on(self, day: str) -> int:
        return sum(call.micros for call in self.calls if call.day == day)

    def _with(self, known: PaidCall) -> Self:
        lines = {call.line: call for call in self.calls}
        return self._told(tuple((lines | {known.line: known}).values()))

    def _told(self, calls: tuple[PaidCall, ...]) -> Self:
        """What is learnt after the end opens the page again, until the record knows it too."""
        return replace(self, calls=calls, is_open=self.is_open or calls != self.calls)


def day_account(day: str) -> str:
    return f"day/{day}"


def month_account(month: str) -> str:
    return f"month/{month}"


def key_account(key_id: str, day: str) -> str:
    return f"key/{key_id}/{day}"


def owner_account(owner: str, day: str) -> str:
    return f"owner/{owner}/{day}"


def label_account(name: str, value: str) -> str:
    return f"label/{name}={value}"


def micros_of(usd: Decimal) -> int:
    """Of an amount in whole millionths."""
    return int(usd * 1_000_000)


def usd(micros: int) -> float:
    """For JSON, which has no other numbers; exact to the millionth."""
    return micros / 1_000_000
