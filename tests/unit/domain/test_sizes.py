"""What may be asked for, and which stills a kind can work on."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from short_drama.domain.errors import ImageRejected, InvalidRequest
from short_drama.domain.sizes import MAX_PIXELS, Size, check_asked, of_an_edited_still, sides

STILL = of_an_edited_still("image_url")
STILLS = st.builds(Size, st.integers(256, 8192), st.integers(256, 8192)).filter(
    lambda size: max(size) <= 4 * min(size)
)


@pytest.mark.parametrize(
    "size", [(256, 256), (256, 1024), (1024, 256), (8192, 2048), (8192, 4882), (257, 1028)]
)
def test_stills_that_a_model_can_edit(size: tuple[int, int]) -> None:
    STILL.check(Size(*size))


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((16, 16), "the still is 16 x 16 pixels; each side needs 256"),
        ((255, 300), "the still is 255 x 300 pixels; each side needs 256"),
        ((300, 1500), "the still is 300 x 1500 pixels; at most 4:1 is accepted"),
        ((1025, 256), "the still is 1025 x 256 pixels; at most 4:1 is accepted"),
    ],
)
def test_stills_that_it_cannot(size: tuple[int, int], says: str) -> None:
    with pytest.raises(ImageRejected) as refused:
        STILL.check(Size(*size))
    assert refused.value.detail == says
    assert refused.value.field == "image_url"
    assert refused.value.fix


@pytest.mark.parametrize("asked", ["as_input", "model", "auto"])
def test_words_are_no_sides(asked: str) -> None:
    assert sides(asked) is None
    check_asked(asked, Size(1920, 1080))


@pytest.mark.parametrize("asked", ["1920x1080", "1280x720", "64x64", "854x480", "1365x768"])
def test_sides_in_the_stills_proportion(asked: str) -> None:
    still = Size(512, 512) if asked == "64x64" else Size(3840, 2160)
    check_asked(asked, still)


def test_sides_that_would_stretch_it_are_refused_with_better_ones() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_asked("1920x1080", Size(4096, 2160))
    assert refused.value.detail == (
        "1920x1080 would stretch the still, which is 4096 x 2160 pixels, by 7%"
    )
    assert refused.value.field == "size"
    assert refused.value.fix == "Ask for 1920x1012, or crop the still first."


@given(STILLS, st.builds(Size, st.integers(64, 8192), st.integers(64, 8192)))
@example(Size(5788, 6911), Size(64, 64))
def test_what_is_proposed_would_be_taken(still: Size, asked: Size) -> None:
    if asked.pixels > MAX_PIXELS:
        return
    try:
        check_asked(f"{asked.width}x{asked.height}", still)
    except InvalidRequest as refused:
        proposed = str(refused.fix).split()[2].rstrip(",")
        assert sides(proposed) is not None
        check_asked(proposed, still)
