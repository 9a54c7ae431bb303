"""What calls cost, and tables that cannot be read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.errors import InvalidRequest
from short_drama.paid_api.paying.prices import Cost, Prices

PRICES = Prices.load()


@pytest.mark.parametrize(
    ("model", "inputs", "outputs", "micros"),
    [
        ("qwen3-vl-plus", 2600, 100, 680),
        ("qwen3-vl-plus-2025-12-19", 1_000_000, 0, 200_000),
        ("qwen3-vl-plus", 0, 0, 0),
        ("qwen3-vl-flash-2026-01-22", 1, 0, 1),
    ],
)
def test_tokens(model: str, inputs: int, outputs: int, micros: int) -> None:
    assert PRICES.of_tokens(model, inputs=inputs, outputs=outputs) == Cost(micros)


@pytest.mark.parametrize(
    ("model", "inputs", "micros"),
    [
        ("seedream-4-0-250828", 2, 30_000),
        ("doubao-seedream-4-5-251128", 2, 40_000),
        ("dola-seedream-5-0-pro-260628", 2, 120_000),
        ("seedream-5-0-260128", 2, 35_000),
        ("seedream-5-5-261028", 2, 51_000),
    ],
)
def test_images(model: str, inputs: int, micros: int) -> None:
    assert PRICES.of_images(model, generated=1, inputs=inputs) == Cost(micros)
    assert PRICES.of_images(model, generated=0, inputs=0) == Cost(0)


def test_a_model_nobody_knows_costs_as_much_as_the_dearest() -> None:
    assert PRICES.of_images("ep-2026-abc", generated=1, inputs=2) == Cost(120_000, estimated=True)
    assert PRICES.of_tokens("qwen9", inputs=0, outputs=1_000_000) == Cost(2_400_000, True)
    assert PRICES.of_images("seedream-4-00", generated=1, inputs=0).estimated


@given(st.integers(0, 10**7), st.integers(0, 10**6))
def test_nothing_is_rounded_in_our_favour(inputs: int, outputs: int) -> None:
    cost = PRICES.of_tokens("qwen3-vl-plus", inputs=inputs, outputs=outputs)
    exact = inputs * 0.2 + outputs * 1.6
    assert exact - 0.01 <= cost.micros < exact + 1.01


TABLE = """
[tokens.m]
input = 1.0
output = 2.0
source = "contract"
date = 2026-01-01
[images.n]
generated = 0.5
source = "contract"
date = 2026-01-01
"""


def test_an_operators_table_replaces_ours(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TABLE)
    prices = Prices.load(file)
    assert prices.of_tokens("m", inputs=1, outputs=1) == Cost(3)
    assert prices.of_images("n-2", generated=2, inputs=9) == Cost(1_000_000)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("output = 2.0", "output = -2.0"), "tokens.m.output"),
        (("generated = 0.5", "generate = 0.5"), "images.n.generate"),
        (('source = "contract"\n', ""), "tokens.m.source"),
        (("[images.n]", "[pictures.n]"), "images"),
        (("input = 1.0", "input ="), "prices.toml"),
    ],
)
def test_a_table_that_is_wrong_is_refused_by_name(
    tmp_path: Path, change: tuple[str, str], named: str
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TABLE.replace(*change, 1))
    with pytest.raises(InvalidRequest, match=named) as refused:
        Prices.load(file)
    assert "prices.toml" in refused.value.detail
    with pytest.raises(InvalidRequest, match="No such file"):
        Prices.load(tmp_path / "none.toml")
