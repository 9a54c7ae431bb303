"""What is held for tasks, and how it is settled at their ends."""

from collections.abc import Callable, Mapping
from typing import Any

from short_drama.domain import casting
from short_drama.orchestrator.submit import Hold
from short_drama.paid_api.paying.estimates import estimated_steps
from short_drama.paid_api.paying.holds import Holds
from short_drama.paid_api.paying.settlement import Settlement
from short_drama.paid_api.providers.endpoint import patience
from short_drama.settings import Settings
from short_drama.wiring.backend import Backend
from short_drama.wiring.engines import budgets
from short_drama.wiring.prices import open_prices, seedream_model

_MARGIN_SECONDS = 30.0
"""By which clocks may differ, and for keeping an answer."""


Estimate = Callable[[str, Mapping[str, Any]], Mapping[str, int]]
"""Of a kind and a request, what each step costs at most, in millionths of a US dollar."""


def open_estimate(settings: Settings) -> Estimate | None:
    """None where nothing is paid for. Raises InvalidRequest as `open_prices`."""
    if not settings.pays:
        return None
    prices = open_prices(settings)
    qwen = None if settings.detector == "local" else settings.qwen_model
    seedream = None if settings.generator == "local" else seedream_model(settings)

    def estimate(kind: str, request: Mapping[str, Any]) -> Mapping[str, int]:
        steps = estimated_steps(
            prices,
            qwen=qwen,
            seedream=seedream,
            words=request.get("face_position_prompt"),
            cast=casting.numbers(request),
        )
        return steps.get(kind, {})

    return estimate


def open_hold(settings: Settings, backend: Backend) -> Hold | None:
    """None where nothing is paid for. Raises InvalidRequest as `open_prices`."""
    estimate = open_estimate(settings)
    if estimate is None:
        return None
    seedream = None if settings.generator == "local" else seedream_model(settings)
    return Holds(budgets(settings, backend), backend.assets, estimate, model=seedream).hold


def open_settlement(settings: Settings, backend: Backend) -> Settlement:
    """Also where nothing is paid for any more."""
    longest = max(settings.qwen_read_seconds, settings.seedream_read_seconds)
    return Settlement(
        backend.ledger,
        backend.store,
        backend.assets,
        patience=patience(longest) + _MARGIN_SECONDS,
    )
