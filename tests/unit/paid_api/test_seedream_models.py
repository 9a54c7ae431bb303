"""SeeDream's models by all their names, and sizes within their bounds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from short_drama.domain.errors import InvalidRequest
from short_drama.domain.sizes import MAX_SIDE
from short_drama.images import structure
from short_drama.paid_api.providers.seedream.models import (
    CONSERVATIVE,
    MAX_ASPECT,
    MODELS,
    Capabilities,
    capabilities,
    checked_size,
    size_for,
)

NAMES = [*MODELS, "ep-20261123100000-abcde"]
DOCUMENTED = [
    *("2048x2048", "2304x1728", "1728x2304", "2848x1600", "1600x2848", "2496x1664", "1664x2496"),
    *("3136x1344", "2560x1440", "3024x1296"),
]
"""2K, in the reference's last two revisions."""

names = st.sampled_from(NAMES)
sides = st.integers(structure.MIN_SIDE, MAX_SIDE)


def sides_of(size: str) -> tuple[int, int]:
    width, height = size.split("x")
    return int(width), int(height)


# --- Models -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "least", "most", "pictures", "formats"),
    [
        ("doubao-seedream-4-0-250828 seedream-4-0-250828", 921_600, 16_777_216, 14, ()),
        ("doubao-seedream-4-5-251128 seedream-4-5-251128", 3_686_400, 16_777_216, 14, ()),
        (
            "doubao-seedream-5-0-260128 doubao-seedream-5-0-lite-260128 seedream-5-0-260128",
            3_686_400, 16_777_216, 14, ("jpeg", "png"),
        ),
        (
            "doubao-seedream-5-0-pro-260628 dola-seedream-5-0-pro-260628",
            921_600, 4_624_220, 10, ("jpeg", "png"),
        ),
        (
            "doubao-seedream-5-0-flash-260915 dola-seedream-5-0-flash-260915",
            921_600, 4_624_220, 10, ("jpeg", "png"),
        ),
        (
            "doubao-seedream-5-5-261028 seedream-5-5-261028 dola-seedream-5-5-261028",
            921_600, 4_624_220, 10, ("jpeg", "png"),
        ),
        ("ep-20261123100000-abcde seedream-6-0-270101 doubao-dola-seedream-4-0-250828 x",
         3_686_400, 4_624_220, 10, ()),
    ],
)  # fmt: skip
def test_a_model_by_its_names(
    names: str, least: int, most: int, pictures: int, formats: tuple[str, ...]
) -> None:
    expected = Capabilities(
        least_pixels=least, most_pixels=most, pictures=pictures, output_formats=formats
    )
    assert [capabilities(name) for name in names.split()] == [expected] * len(names.split())


def test_what_is_conservative_suits_every_model() -> None:
    for known in MODELS.values():
        assert known.least_pixels <= CONSERVATIVE.least_pixels
        assert CONSERVATIVE.most_pixels <= known.most_pixels
        assert CONSERVATIVE.pictures <= known.pictures


# --- Sizes --------------------------------------------------------------------------------


@given(names, sides, sides)
@example("seedream-4-0-250828", 8192, 512)  # 16:1 exactly
@example("seedream-4-0-250828", 500, 8000)
@example("ep-1", 7679, 480)
@example("seedream-5-0-pro-260628", 3840, 241)
def test_auto_is_a_size_the_model_makes_with_the_source_s_aspect(
    model: str, width: int, height: int
) -> None:
    wide, tall = sides_of(size_for(model, "auto", width, height))
    limits = capabilities(model)
    assert limits.least_pixels <= wide * tall <= limits.most_pixels
    assert max(wide, tall) <= MAX_ASPECT * min(wide, tall)
    assert wide % 16 == tall % 16 == 0
    if max(width, height) <= MAX_ASPECT * min(width, height):
        assert wide / tall == pytest.approx(width / height, rel=0.011)


@given(names, sides, sides)
def test_auto_makes_no_fewer_pixels_than_the_source_has_if_it_can(
    model: str, width: int, height: int
) -> None:
    wide, tall = sides_of(size_for(model, "auto", width, height))
    limits, aspect = capabilities(model), max(width, height) / min(width, height)
    if aspect <= MAX_ASPECT and width * height * 1.15 <= limits.most_pixels:
        assert width * height <= wide * tall
        assert wide * tall <= 1.25 * max(width * height, limits.least_pixels)


@given(names, sides, sides)
def test_auto_is_the_same_for_a_picture_on_its_side(model: str, width: int, height: int) -> None:
    wide, tall = sides_of(size_for(model, "auto", width, height))
    assert sides_of(size_for(model, "auto", height, width)) == (tall, wide)


@pytest.mark.parametrize(
    ("model", "source", "expected"),
    [
        ("seedream-4-0-250828", "1920x1080", "2048x1152"),  # 16:9 to the pixel
        ("seedream-4-0-250828", "64x48", "1152x864"),
        ("seedream-4-0-250828", "4096x4096", "4096x4096"),
        ("seedream-4-0-250828", "8192x4096", "5792x2896"),
        ("seedream-4-5-251128", "1920x1080", "2560x1440"),
        ("seedream-5-5-261028", "1080x1920", "1152x2048"),
        ("seedream-5-5-261028", "3840x2160", "2816x1584"),
        ("ep-1", "1000x1000", "1920x1920"),
        ("ep-1", "100x8192", "480x7680"),  # longer than any model makes
    ],
)
def test_auto(model: str, source: str, expected: str) -> None:
    assert size_for(model, "auto", *sides_of(source)) == expected


@given(names, st.integers(1, 20_000), st.integers(1, 20_000))
def test_an_explicit_size_is_kept_or_refused_with_one_that_is_not(
    model: str, width: int, height: int
) -> None:
    size, limits = f"{width}x{height}", capabilities(model)
    fits = limits.least_pixels <= width * height <= limits.most_pixels and max(
        width, height
    ) <= MAX_ASPECT * min(width, height)
    if fits:
        assert size_for(model, size, 10, 10) == size
        return
    with pytest.raises(InvalidRequest) as caught:
        size_for(model, size, 10, 10)
    fix = caught.value.fix or ""
    assert caught.value.field == "size"
    assert f"{limits.least_pixels:,} to {limits.most_pixels:,} pixels" in fix
    suggested = fix.partition("such as ")[2].partition(",")[0]
    assert checked_size(model, suggested) == suggested


@pytest.mark.parametrize("size", DOCUMENTED)
def test_a_documented_size_is_taken(size: str) -> None:
    assert size_for("seedream-4-0-250828", size, 10, 10) == size


@pytest.mark.parametrize(
    "size", ["", "2K", "adaptive", "2048", "2048X2048", "2048x2048 ", "0x2048", "-1x5", "٢x٢"]
)
def test_what_is_not_a_size(size: str) -> None:
    with pytest.raises(InvalidRequest, match="not WIDTHxHEIGHT") as caught:
        size_for("seedream-4-0-250828", size, 10, 10)
    assert caught.value.field == "size"


def test_a_size_refused_says_all_that_is_needed() -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked_size("doubao-seedream-4-5-251128", "1024x1024")
    assert caught.value.detail == (
        "size 1024x1024 has 1,048,576 pixels; "
        "doubao-seedream-4-5-251128 makes 3,686,400 to 16,777,216 pixels"
    )
    assert caught.value.fix == ("Use 3,686,400 to 16,777,216 pixels, such as 1920x1920, or auto.")


# --- Input --------------------------------------------------------------------------------


def test_pictures_within_our_own_limits_are_within_the_provider_s() -> None:
    """It takes sides over 14 pixels and an aspect up to 16: what `structure` lets through."""
    assert structure.MIN_SIDE > 14
    assert structure.MAX_ASPECT <= MAX_ASPECT
