"""Paid steps over the ports in memory: what a test need not say about each of them."""

from collections.abc import Awaitable, Callable

from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.checkpoint import Checkpoint
from short_drama.paid_api.paying.limits import ProviderLimits
from short_drama.paid_api.paying.prices import Cost
from short_drama.paid_api.paying.steps import Codec, Step, Steps
from tests.protocol.memory import MemoryAssets, MemoryLedger

STEPS = ("detect", "generate")
ESTIMATE, PRICE = 5, 3
"""Of every call, in micro-dollars: what is reserved, and what it costs."""
DAY = "day/2026-11-23"
NUMBER: Codec[int] = Codec(lambda answer: {"number": answer}, lambda facts: int(facts["number"]))

Ask = Callable[[], Awaitable[int]]


def steps_of(
    assets: MemoryAssets,
    ledger: MemoryLedger | None = None,
    *,
    per_day: int | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Steps:
    """Of one and the same task."""
    return Steps(
        Checkpoint(assets, "t1", STEPS, clock=lambda: 1.0),
        Budgets(
            ledger or MemoryLedger(), per_day=per_day, per_label={}, clock=lambda: 1_795_435_200.0
        ),
        {},
        on_stage=on_stage,
    )


def plenty() -> ProviderLimits:
    return ProviderLimits("x", in_flight=100, per_minute=100_000)


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
        request_id_of=lambda _: None,
    )


async def paid(
    assets: MemoryAssets, name: str, ask: Ask, ledger: MemoryLedger | None = None
) -> tuple[int, bool]:
    """The answer of a step in another attempt, and whether it may have been charged twice."""
    steps = steps_of(assets, ledger)
    answer = await steps.run(step(name, ask))
    (charge,) = steps.cost["calls"]
    return answer, charge["maybe_charged_twice"]
