"""One paid step: let in, within budget, remembered, and accounted for."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from short_drama.domain.errors import ProviderPaused, Throttled
from short_drama.domain.task import WAITING
from short_drama.jobs.threads import to_the_end
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.checkpoint import Checkpoint, Facts, Past
from short_drama.paid_api.paying.limits import ProviderLimits, Turn
from short_drama.paid_api.paying.prices import Cost

Answer = TypeVar("Answer")

_SLOW_DOWNS = 1.0, 2.0, 4.0
"""How long to leave a provider alone that asked to slow down and did not say for how long, in
seconds. Then the task is given back."""


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


@dataclass(frozen=True, slots=True)
class Codec(Generic[Answer]):
    """How an answer is kept as JSON."""

    write: Callable[[Answer], Facts]
    read: Callable[[Facts], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Generic[Answer]):
    """Args:
    name: under which the checkpoint keeps it.
    ask: one paid call; raises our errors, and ChargeUnknown when it was sent and not answered.
    estimate: what it may cost at most.
    """

    name: str
    provider: str
    model: str
    limits: ProviderLimits
    estimate: Cost
    ask: Callable[[], Awaitable[Answer]]
    codec: Codec[Answer]
    cost_of: Callable[[Answer], Cost]
    request_id_of: Callable[[Answer], str | None]

    def charge(self, answer: Answer, *, maybe_charged_twice: bool) -> Charge:
        cost = self.cost_of(answer)
        return Charge(
            provider=self.provider,
            model=self.model,
            usd=cost.micros / 1e6,
            request_id=self.request_id_of(answer),
            estimated=cost.estimated,
            maybe_charged_twice=maybe_charged_twice,
        )


class Steps:
    """Of one job.

    Args:
        labels: the task's, for their budgets.
        on_stage: told whether the job waits or runs.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        budgets: Budgets,
        labels: Mapping[str, str],
        *,
        on_stage: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._checkpoint, self._budgets, self._labels = checkpoint, budgets, labels
        self._on_stage = on_stage
        self._charges: list[Charge] = []
        self._slow_down: tuple[Throttled, Turn] | None = None
        """The provider's last request for it, and whose turn it was."""

    async def run(self, step: Step[Answer]) -> Answer:
        """The step's answer, paid for now or earlier. A provider that asks to slow down is asked
        again here a few times, when it allows it.

        Raises BudgetExceeded, ProviderPaused, and what `Step.ask`, `Checkpoint.look` and
        `Checkpoint.call` raise.
        """
        for pause in _SLOW_DOWNS:
            try:
                return await self._run(step)
            except Throttled as refusal:
                if self._slow_down is None or refusal is not self._slow_down[0]:
                    raise
                self._slow_down[1].throttled(refusal.after or pause)
        return await self._run(step)

    @property
    def cost(self) -> dict[str, Any]:
        """Of the task so far, for its record."""
        micros = sum(round(charge.usd * 1e6) for charge in self._charges)
        return {"usd": micros / 1e6, "calls": [charge.to_json() for charge in self._charges]}

    async def _run(self, step: Step[Answer]) -> Answer:
        past = await self._checkpoint.look(step.name)
        if past.answer is not None:
            answer = step.codec.read(past.answer)
        else:
            self._on_stage(WAITING)
            async with step.limits.slot() as turn:
                self._on_stage("running")
                # To its end, even of a job that is cancelled meanwhile: it is paid for.
                answer = await to_the_end(asyncio.create_task(self._pay(step, past, turn)))
        self._charges.append(step.charge(answer, maybe_charged_twice=past.maybe_charged))
        return answer

    async def _pay(self, step: Step[Answer], past: Past, turn: Turn) -> Answer:
        async with (
            self._budgets.reserved(self._labels, step.estimate.micros) as money,
            self._checkpoint.call(past, provider=step.provider, model=step.model) as call,
        ):
            answer = await self._ask(step, turn)
            money.settle(step.cost_of(answer).micros)
            await call.answered(step.codec.write(answer))
        return answer

    async def _ask(self, step: Step[Answer], turn: Turn) -> Answer:
        """What the provider says of its limits is passed on to them."""
        try:
            answer = await step.ask()
        except Throttled as refusal:
            self._slow_down = refusal, turn
            raise
        except ProviderPaused as reason:
            turn.paused(reason)
            raise
        turn.succeeded()
        return answer
