"""One paid step: let in, within budget, remembered, and accounted for."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from short_drama.budgets import Budgets, Reservation
from short_drama.domain.errors import ProviderPaused, Throttled
from short_drama.paid_api.checkpoint import Checkpoint, Codec
from short_drama.paid_api.limits import ProviderLimits
from short_drama.paid_api.prices import Cost

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One call that was paid for, as a task's record tells of it."""

    provider: str
    model: str
    usd: float
    request_id: str | None
    estimated: bool = False
    maybe_charged_twice: bool = False

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How a step is paid: by whom, at what estimate."""

    provider: str
    model: str
    limits: ProviderLimits
    estimate: Cost


@dataclass(slots=True)
class Steps:
    """Of one job."""

    checkpoint: Checkpoint
    budgets: Budgets
    labels: Mapping[str, str]
    charges: list[Charge] = field(default_factory=list)

    async def run(
        self,
        step: str,
        call: Call,
        ask: Callable[[], Awaitable[Answer]],
        codec: Codec[Answer],
        *,
        cost_of: Callable[[Answer], Cost],
        request_id_of: Callable[[Answer], str | None],
    ) -> Answer:
        """The step's answer, paid for now or earlier.

        Raises BudgetExceeded, ProviderPaused, and what `ask` and `Checkpoint.once` raise.
        """
        reservations: list[Reservation] = []

        async def paid() -> Answer:
            answer = await _told(call.limits, ask)
            reservations[0].settle(cost_of(answer).micros)
            return answer

        @contextlib.asynccontextmanager
        async def within() -> AsyncIterator[None]:
            async with (
                call.limits.slot(),
                self.budgets.reserved(self.labels, call.estimate.micros) as reservation,
            ):
                reservations.append(reservation)
                yield

        found = await self.checkpoint.once(
            step, paid, codec, within=within, provider=call.provider, model=call.model
        )
        cost = cost_of(found.answer)
        self.charges.append(
            Charge(
                provider=call.provider,
                model=call.model,
                usd=cost.micros / 1e6,
                request_id=request_id_of(found.answer),
                estimated=cost.estimated,
                maybe_charged_twice=found.maybe_charged,
            )
        )
        return found.answer

    @property
    def cost(self) -> dict[str, Any]:
        """Of the task so far, for its record."""
        total = sum(round(charge.usd * 1e6) for charge in self.charges)
        return {"usd": total / 1e6, "calls": [charge.to_json() for charge in self.charges]}


async def _told(limits: ProviderLimits, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer; what the provider said of its limits is passed on."""
    try:
        answer = await ask()
    except Throttled as refusal:
        limits.throttled(refusal.after)
        raise
    except ProviderPaused as reason:
        limits.pause(reason)
        raise
    limits.succeeded()
    return answer
