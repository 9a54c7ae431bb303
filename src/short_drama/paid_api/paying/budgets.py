"""What may be spent on providers: refused before, reserved while, and corrected after a call.

Amounts are millionths of a US dollar. A day's account is by UTC; a label's is for good.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from short_drama.domain.errors import BudgetExceeded, ChargeUnknown, ShortDramaError
from short_drama.ports import SpendLedger

_FIX = "Wait, or ask an operator to raise the budget."


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    limit: int | None
    words: str
    """For whoever is refused."""


class Reservation:
    """What a call is going to cost, until it is known what it did."""

    def __init__(self, micros: int) -> None:
        self.micros = micros

    def settle(self, micros: int) -> None:
        self.micros = micros


class Budgets:
    """Args:
    per_day: of all tasks, in micro-dollars.
    per_label: by `name=value`; `name=*` stands for each value of that label.
    """

    def __init__(
        self,
        ledger: SpendLedger,
        *,
        per_day: int | None,
        per_label: Mapping[str, int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._clock = ledger, clock
        self._per_day, self._per_label = per_day, per_label

    async def check(self, labels: Mapping[str, str], estimate: int) -> None:
        """Raises BudgetExceeded when a task that may cost `estimate` would go too far."""
        for account in self._accounts(labels):
            if account.limit is not None:
                spent = await self._ledger.spent(account.name)
                if spent + estimate > account.limit:
                    raise _exceeded(account)

    @contextlib.asynccontextmanager
    async def reserved(
        self, labels: Mapping[str, str], estimate: int
    ) -> AsyncIterator[Reservation]:
        """Around one call. What it reserves is kept when nobody knows whether the call was
        charged, and given back when it was not.

        Raises BudgetExceeded.
        """
        accounts = self._accounts(labels)
        await self._reserve(accounts, estimate)
        reservation = Reservation(estimate)
        try:
            yield reservation
        except ChargeUnknown:
            raise
        except ShortDramaError:
            await self._correct(accounts, -estimate)
            raise
        finally:
            if reservation.micros != estimate:
                await self._correct(accounts, reservation.micros - estimate)

    async def _reserve(self, accounts: Sequence[_Account], micros: int) -> None:
        for number, account in enumerate(accounts):
            if not await self._ledger.reserve(account.name, micros, limit=account.limit):
                await self._correct(accounts[:number], -micros)
                raise _exceeded(account)

    async def _correct(self, accounts: Sequence[_Account], micros: int) -> None:
        for account in accounts:
            await self._ledger.correct(account.name, micros)

    def _accounts(self, labels: Mapping[str, str]) -> list[_Account]:
        """The day's, whose total is worth knowing without a budget too, and those of labels that
        have one."""
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        found = [_Account(f"day/{day}", self._per_day, f"for {day}")]
        for name, value in sorted(labels.items()):
            limit = self._per_label.get(f"{name}={value}", self._per_label.get(f"{name}=*"))
            if limit is not None:
                words = f"for the label {name}={value}"
                found.append(_Account(f"label/{name}={value}", limit, words))
        return found


def _exceeded(account: _Account) -> BudgetExceeded:
    usd = (account.limit or 0) / 1e6
    return BudgetExceeded(f"the budget of {usd:.2f} USD {account.words} is used up", fix=_FIX)
