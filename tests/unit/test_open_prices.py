"""Which models need a price before anything starts, and what is behind an endpoint."""

from pathlib import Path
from typing import Any

import pytest

from short_drama.domain.errors import InvalidRequest
from short_drama.settings import Settings
from short_drama.wiring.prices import open_prices, seedream_model

ENDPOINT, BEHIND = "ep-20261101120000-abcde", "seedream-5-0-pro-260628"
PAID: dict[str, Any] = {"dashscope_api_key": "sk-1", "ark_api_key": "ark-1"}
BUDGET = {"budget_per_day_usd": 5}


def settings(**changes: Any) -> Settings:
    return Settings(**{**PAID, **changes})


def test_the_usual_models_have_prices() -> None:
    open_prices(settings(**BUDGET))


@pytest.mark.parametrize(
    "models", [{"seedream_model": ENDPOINT}, {"qwen_model": "qwen9-vl"}, {"seedream_model": "x"}]
)
@pytest.mark.parametrize(
    "budget",
    [
        BUDGET,
        {"budget_per_day_usd": 0},
        {"budget_per_month_usd": 20},
        {"budget_per_label_usd": {"show=*": 1}},
    ],
)
def test_a_budget_needs_prices(models: dict[str, str], budget: dict[str, Any]) -> None:
    open_prices(settings(**models))
    with pytest.raises(InvalidRequest, match="there is a budget") as refused:
        open_prices(settings(**models, **budget))
    (model,) = models.values()
    assert f'."{model}"]' in (refused.value.fix or "")


def test_a_model_that_is_not_asked_needs_none() -> None:
    open_prices(settings(seedream_model="x", face_generator="local", **BUDGET))
    open_prices(settings(qwen_model="x", face_detector="local", **BUDGET))


def test_a_model_behind_an_endpoint_has_a_name() -> None:
    named = settings(seedream_model=ENDPOINT, seedream_endpoint_model=BEHIND, **BUDGET)
    open_prices(named)
    assert seedream_model(named) == BEHIND
    assert seedream_model(settings(seedream_model=ENDPOINT)) == ENDPOINT


def test_only_an_endpoint_has_a_model_behind_it() -> None:
    with pytest.raises(InvalidRequest, match=BEHIND):
        seedream_model(settings(seedream_endpoint_model=BEHIND))


def test_an_operators_own_price_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[images.x]\ngenerated = 1\nsource = "us"\ndate = 2026-01-01\n')
    open_prices(settings(seedream_model="x", prices=file, **BUDGET))
