"""What calls cost, and tables that cannot be read."""

from decimal import Decimal
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
        ("qwen3.7-plus", 1_000_000, 1_000_000, 2_000_000),
        ("qwen3.8-max-2026-10-01", 1_000_000, 1_000_000, 8_000_000),
    ],
)
def test_tokens(model: str, inputs: int, outputs: int, micros: int) -> None:
    assert PRICES.of_tokens(model, inputs=inputs, outputs=outputs) == Cost(micros)


@pytest.mark.parametrize(
    ("model", "inputs", "micros"),
    [
        ("seedream-4-0-250828", 2, 30_000),
        ("doubao-seedream-4-5-251128", 2, 40_000),
        ("seedream-5-0-260128", 2, 35_000),
        ("seedream-5-0-lite-260128", 2, 35_000),
        ("dola-seedream-5-0-flash-260915", 2, 18_000),
    ],
)
def test_images(model: str, inputs: int, micros: int) -> None:
    assert PRICES.of_images(model, generated=1, inputs=inputs) == Cost(micros)
    assert PRICES.of_images(model, generated=0, inputs=0) == Cost(0)


@pytest.mark.parametrize(
    ("model", "pixels", "inputs", "micros"),
    [
        ("seedream-5-5-261028", 921_599, 0, 35_000),
        ("seedream-5-5-261028", 921_600, 0, 20_000),
        ("seedream-5-5-261028", 995_328, 2, 36_000),
        ("seedream-5-5-261028", 2_601_123, 2, 36_000),
        ("seedream-5-5-261028", 2_601_124, 2, 51_000),
        ("dola-seedream-5-0-pro-260628", 1024 * 1024, 1, 45_000),
        ("dola-seedream-5-0-pro-260628", 1024 * 1024, 0, 45_000),
        ("dola-seedream-5-0-pro-260628", 2048 * 2048, 2, 93_000),
        ("dola-seedream-5-0-pro-260628", 2048 * 2048, 3, 96_000),
        ("seedream-4-0-250828", 921_600, 9, 30_000),
    ],
)
def test_images_by_their_pixels(model: str, pixels: int, inputs: int, micros: int) -> None:
    assert PRICES.of_images(model, generated=1, inputs=inputs, pixels=pixels) == Cost(micros)


def test_a_picture_whose_pixels_nobody_tells_is_one_of_the_dearest() -> None:
    assert PRICES.of_images("seedream-5-5-261028", generated=1, inputs=2) == Cost(51_000, True)
    assert PRICES.of_images("seedream-5-0-pro-260628", generated=1, inputs=2) == Cost(93_000, True)


def test_a_model_nobody_knows_costs_as_much_as_the_dearest() -> None:
    assert PRICES.of_images("ep-2026-abc", generated=1, inputs=2) == Cost(93_000, estimated=True)
    assert PRICES.of_tokens("qwen9", inputs=0, outputs=1_000_000) == Cost(6_000_000, True)


@pytest.mark.parametrize(
    "model", ["seedream-4-00", "seedream-5-0-ultra-270101", "seedream", "seedream-4-0x", ""]
)
def test_a_relative_of_a_model_has_a_price_of_its_own(model: str) -> None:
    assert PRICES.of_images(model, generated=1, inputs=0).estimated


def test_a_call_is_known_by_the_first_of_its_names_that_has_a_price() -> None:
    asked, answered = "seedream-4-0-250828", "seedream-4-5-251128"
    cost = PRICES.of_images(answered, asked, generated=1, inputs=0, pixels=1)
    assert cost == Cost(40_000)
    cost = PRICES.of_images("a-gateways-own", asked, generated=1, inputs=0, pixels=1)
    assert cost == Cost(30_000, estimated=True)
    assert PRICES.of_tokens("mine", "qwen3-vl-plus", inputs=5, outputs=0) == Cost(1, True)


def test_a_model_without_a_price_is_told_the_lines_to_add(tmp_path: Path) -> None:
    PRICES.require_tokens("qwen3-vl-plus-2025-12-19")
    PRICES.require_images("doubao-seedream-5-5-261028")
    with pytest.raises(InvalidRequest, match="qwen9") as refused:
        PRICES.require_tokens("qwen9")
    file = tmp_path / "prices.toml"
    file.write_text((refused.value.fix or "").partition("such as:\n")[2])
    Prices.load(file).require_tokens("qwen9")
    with pytest.raises(InvalidRequest, match="ep-1") as refused:
        PRICES.require_images("ep-1")
    assert "SHORT_DRAMA_SEEDREAM_ENDPOINT_MODEL" in (refused.value.fix or "")
    file.write_text((refused.value.fix or "").partition("such as:\n")[2])
    Prices.load(file).require_images("ep-1")


@given(st.integers(0, 10**7), st.integers(0, 10**6))
def test_nothing_is_rounded_in_our_favour(inputs: int, outputs: int) -> None:
    cost = PRICES.of_tokens("qwen3-vl-plus", inputs=inputs, outputs=outputs)
    exact = inputs * Decimal("0.2") + outputs * Decimal("1.6")
    assert exact <= cost.micros < exact + 1


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


def test_an_operators_table_goes_over_ours(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TABLE)
    prices = Prices.load(file)
    assert prices.of_tokens("m", inputs=1, outputs=1) == Cost(3)
    assert prices.of_images("n-2", generated=2, inputs=9) == Cost(1_000_000)
    assert prices.of_tokens("qwen3-vl-plus", inputs=5, outputs=0) == Cost(1)
    file.write_text(TABLE.replace("tokens.m", 'tokens."qwen3-vl-plus"').replace("1.0", "0.1"))
    assert Prices.load(file).of_tokens("qwen3-vl-plus", inputs=10, outputs=0) == Cost(1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("output = 2.0", "output = -2.0"), "tokens.m.output"),
        (("generated = 0.5", "generate = 0.5"), "images.n.generate"),
        (('source = "contract"\n', ""), "tokens.m.source"),
        (("[images.n]", "[pictures.n]"), "images"),
        (("input = 1.0", "input ="), "prices.toml"),
        (("input = 1.0", "input = nan"), "tokens.m.input"),
        (("generated = 0.5", "generated = 0.5\nfree_inputs = -1"), "images.n.free_inputs"),
        (
            ("generated = 0.5", "generated = 0.5\ntiers = [{pixels = [2, 1], generated = 1}]"),
            "images.n.tiers.0.pixels",
        ),
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
