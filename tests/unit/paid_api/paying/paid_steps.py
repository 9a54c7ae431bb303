"""Paid steps over the ports in memory: what a test need not say about each of them."""

import functools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ParamSpec

from short_drama.domain.errors import Unavailable
from short_drama.domain.spending import CallState, PaidCall, TaskSpend, day_account
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.checkpoint import Checkpoint
from short_drama.paid_api.paying.limits import ProviderLimits
from short_drama.paid_api.paying.prices import Cost
from short_drama.paid_api.paying.steps import Codec, Step, Steps
from tests.protocol.memory import MemoryAssets, MemoryLedger
from tests.protocol.virtual_time import EPOCH, clock, run

Given = ParamSpec("Given")

STEPS = ("detect", "generate")
ESTIMATE, PRICE = 5, 3
"""Of every call, in micro-dollars: what is reserved, and what it costs."""
PATIENCE = 60.0
"""Seconds until a call without an end counts as cut off."""
DAY = "2027-01-15"
"""That of virtual time."""
NUMBER: Codec[int] = Codec(lambda answer: {"number": answer}, lambda facts: int(facts["number"]))
PAID, UNKNOWN, RESERVED = CallState.PAID, CallState.UNKNOWN, CallState.RESERVED

Ask = Callable[[], Awaitable[int]]


def in_virtual_time(test: Callable[Given, Coroutine[Any, Any, None]]) -> Callable[Given, None]:
    """A test in which minutes take no time."""

    @functools.wraps(test)
    def on_a_loop_of_its_own(*args: Given.args, **kwargs: Given.kwargs) -> None:
        run(test(*args, **kwargs))

    return on_a_loop_of_its_own


class FlakyAssets(MemoryAssets):
    """`away`: until when, in seconds of virtual time, nothing can be written."""

    away = 0.0

    async def put(self, key: str, data: bytes, **options: Any) -> None:
        if clock() < EPOCH + self.away:
            raise Unavailable("the store is away")
        await super().put(key, data, **options)


class FlakyLedger(MemoryLedger):
    """`away`: as of the assets; `deaf`: how many writes succeed without an answer."""

    away = 0.0
    deaf = 0

    async def write(self, page: TaskSpend, **limits: Any) -> TaskSpend:
        if clock() < EPOCH + self.away:
            raise Unavailable("the ledger is away")
        written = await super().write(page, **limits)
        if self.deaf > 0:
            self.deaf -= 1
            raise Unavailable("no answer came")
        return written


@dataclass
class Shop:
    """Where tasks are paid for; each of its steps is another attempt, on whatever machine."""

    assets: MemoryAssets = field(default_factory=FlakyAssets)
    ledger: MemoryLedger = field(default_factory=lambda: FlakyLedger(clock))
    per_day: int | None = None

    def steps(
        self,
        task: str = "t1",
        *,
        retry_of: str | None = None,
        on_change: Callable[[TaskSpend], None] = lambda _: None,
        on_stage: Callable[[str], None] = lambda _: None,
    ) -> Steps:
        budgets = self.budgets()
        page = TaskSpend(
            task_id=task, kind="face-swap", owner="local", retry_of=retry_of, day=budgets.today()
        )
        checkpoint = Checkpoint(budgets, self.assets, page, on_change=on_change, clock=clock)
        return Steps(checkpoint, on_stage=on_stage, clock=clock)

    async def paid(
        self, name: str, ask: Ask, *, task: str = "t1", retry_of: str | None = None
    ) -> int:
        return await self.steps(task, retry_of=retry_of).run(step(name, ask))

    async def hold(self, task: str, micros: int) -> None:
        """As for a task that is accepted now."""
        page = TaskSpend(task_id=task, kind="face-swap", owner="local", day=self.budgets().today())
        await self.ledger.write(page.opened(day=page.day, held=micros))

    def budgets(self) -> Budgets:
        return Budgets(self.ledger, per_day=self.per_day, clock=clock)

    def calls(self, task: str = "t1") -> list[PaidCall]:
        page = self.ledger.pages.get(task)
        return [] if page is None else list(page.calls)

    def states(self, task: str = "t1") -> list[CallState]:
        return [call.state for call in self.calls(task)]

    async def spent(self) -> int:
        return await self.ledger.total(day_account(DAY))


def plenty() -> ProviderLimits:
    return ProviderLimits("x", in_flight=100, per_minute=100_000, clock=clock)


def step(name: str, ask: Ask, *, limits: ProviderLimits | None = None) -> Step[int]:
    return Step(
        name=name,
        provider="x",
        model="m",
        limits=limits or plenty(),
        estimate=Cost(ESTIMATE),
        ask=ask,
        codec=NUMBER,
        cost_of=lambda _: Cost(PRICE),
        request_id_of=lambda _: "r1",
        patience=PATIENCE,
    )


async def answer() -> int:
    return 1


async def never() -> int:
    raise AssertionError("nothing is asked")


def failing(error: BaseException) -> Ask:
    async def call() -> int:
        raise error

    return call
