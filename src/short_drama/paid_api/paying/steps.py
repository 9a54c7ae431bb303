"""One paid step: let in, within budget, remembered, and accounted for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from short_drama.domain.attempts import WAITING
from short_drama.domain.errors import (
    ChargeUnknown,
    ProviderPaused,
    ShortDramaError,
    Throttled,
)
from short_drama.domain.spending import PaidCall
from short_drama.jobs.threads import to_the_end
from short_drama.paid_api.paying.answers import Answered, Facts
from short_drama.paid_api.paying.checkpoint import Call, Checkpoint, Kept
from short_drama.paid_api.paying.limits import ProviderLimits, Turn
from short_drama.paid_api.paying.prices import Cost
from short_drama.paid_api.providers.endpoint import CallNotSent

Answer = TypeVar("Answer")

_PAUSES = 1.0, 2.0, 4.0, 8.0
"""Seconds to wait for what passes: a provider that asked to slow down and did not say for how long,
a call that is under way. Then the task is given back."""


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
    patience: seconds, within which a call ends in whatever way.
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
    patience: float

    @property
    def call(self) -> Call:
        return Call(
            step=self.name,
            provider=self.provider,
            model=self.model,
            micros=self.estimate.micros,
            patience=self.patience,
        )

    def answered(self, answer: Answer, *, at: float) -> Answered:
        cost = self.cost_of(answer)
        return Answered(
            at=at,
            micros=cost.micros,
            estimated=cost.estimated,
            request_id=self.request_id_of(answer),
            answer=self.codec.write(answer),
        )


class Steps:
    """Of one job.

    Args:
        on_stage: told whether the job waits or runs.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        on_stage: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._checkpoint, self._on_stage, self._clock = checkpoint, on_stage, clock
        self._kept: dict[str, Kept] = {}
        """The answers that this job goes on with, by step."""
        self._slow_down: Throttled | None = None
        """The provider's last request for it."""

    async def run(self, step: Step[Answer]) -> Answer:
        """The step's answer, paid for now or earlier. A provider that asks to slow down is asked
        again here a few times, when it allows it.

        Raises ProviderPaused, and what `Step.ask`, `Checkpoint.find` and `Checkpoint.reserve`
        raise.
        """
        kept = await self._found(step.call)
        if kept is not None:
            self._kept[step.name] = kept
            return step.codec.read(kept.answered.answer)
        for pause in _PAUSES[:-1]:
            try:
                return await self._paid(step, pause)
            except Throttled as refusal:
                if refusal is not self._slow_down:
                    raise
        return await self._paid(step, _PAUSES[-1])

    async def bytes_of(self, step: str, fetch: Callable[[float], Awaitable[bytes]]) -> bytes:
        """Those that the step's answer only points to. `fetch` brings them, and is told when the
        answer came; they are kept before anything else is done with them."""
        kept = self._kept[step]
        found = await self._checkpoint.bytes_of(kept)
        if found is None:
            found = await fetch(kept.answered.at)
            keeping = self._checkpoint.keep_bytes(kept, found)
            await to_the_end(asyncio.create_task(keeping))
        return found

    async def useless(self, *steps: str) -> None:
        """Nothing can be made of their answers: a task that repeats this one is to ask anew."""
        for kept in [self._kept[step] for step in steps]:
            await self._checkpoint.useless(kept)

    def is_own(self, step: str) -> bool:
        """Whether this task has paid for the answer itself."""
        return self._checkpoint.is_own(self._kept[step])

    async def _found(self, call: Call) -> Kept | None:
        """As the checkpoint finds it, looked for again a few times while it may still come."""
        for pause in _PAUSES:
            try:
                return await self._checkpoint.find(call)
            except Throttled as reason:
                self._on_stage(WAITING)
                await asyncio.sleep(min(pause, reason.after or pause))
        return await self._checkpoint.find(call)

    # --- One call --------------------------------------------------------------------------

    async def _paid(self, step: Step[Answer], pause: float) -> Answer:
        self._on_stage(WAITING)
        async with step.limits.slot() as turn:
            self._on_stage("running")
            line = await self._reserved(step)
            asking = self._asked(step, turn, pause)
            # To its end, even of a job that is cancelled meanwhile: it is paid for.
            return await to_the_end(asyncio.create_task(self._settled(step, line, asking)))

    async def _reserved(self, step: Step[Answer]) -> PaidCall:
        """A job that is cancelled meanwhile makes no call, and leaves no line."""
        reserving = asyncio.create_task(self._checkpoint.reserve(step.call))
        try:
            return await to_the_end(reserving)
        except asyncio.CancelledError:
            if not reserving.cancelled() and reserving.exception() is None:
                back = self._checkpoint.refused(reserving.result())
                await to_the_end(asyncio.create_task(back))
            raise

    async def _settled(
        self, step: Step[Answer], line: PaidCall, asking: Coroutine[Any, Any, Answer]
    ) -> Answer:
        """What is neither ours nor is known to have happened before anything was sent may have
        been charged. A kill says nothing at all."""
        try:
            answer = await asking
        except ChargeUnknown:
            await self._checkpoint.cut_off(line)
            raise
        except (ShortDramaError, CallNotSent):
            await self._checkpoint.refused(line)
            raise
        except Exception:
            await self._checkpoint.cut_off(line)
            raise
        answered = step.answered(answer, at=round(self._clock(), 3))
        self._kept[step.name] = await self._checkpoint.answered(line, answered)
        return answer

    async def _asked(self, step: Step[Answer], turn: Turn, pause: float) -> Answer:
        """What the provider says of its limits is passed on to them."""
        try:
            answer = await step.ask()
        except Throttled as refusal:
            turn.throttled(refusal.after or pause)
            self._slow_down = refusal
            raise
        except ProviderPaused as reason:
            turn.paused(reason)
            raise
        turn.succeeded()
        return answer
