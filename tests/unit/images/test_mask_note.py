"""What a masked picture tells of its mask: read back, scaled with it, and sane numbers only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.sizes import Size
from short_drama.images.mask_note import MaskNote

NOTE = MaskNote(
    centre_x=960.25, centre_y=400.5, axis_x=31.0, axis_y=42.0, angle=-12.5, rim=6.0,
    width=1920, height=1080,
)  # fmt: skip


def test_a_note_is_read_back() -> None:
    assert MaskNote.from_text(NOTE.to_text()) == NOTE
    assert NOTE.to_text() == "960.25 400.5 31 42 -12.5 6 1920 1080"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "960 400 31 42 -12 6 1920",
        "960 400 31 42 -12 6 1920 1080 1",
        "nan 400 31 42 -12 6 1920 1080",
        "960 inf 31 42 -12 6 1920 1080",
        "960 400 1e300 42 -12 6 1920 1080",
        "960 400 0 42 -12 6 1920 1080",
        "960 400 31 -42 -12 6 1920 1080",
        "960 400 31 42 -12 -1 1920 1080",
        "960 400 31 42 -12 6 0 1080",
        "a b c d e f g h",
    ],
)
def test_what_is_no_ellipse_of_a_picture_is_no_note(text: str) -> None:
    assert MaskNote.from_text(text) is None


@given(st.text(st.sampled_from("0123456789.eE+-_ nai\t") | st.characters(), max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    note = MaskNote.from_text(text)
    assert note is None or MaskNote.from_text(note.to_text()) is not None


def test_a_note_goes_with_a_picture_that_was_scaled() -> None:
    assert NOTE.on(Size(1920, 1080)) == NOTE
    half = NOTE.on(Size(960, 540))
    assert half is not None
    assert (half.centre_x, half.axis_y, half.angle, half.rim) == (480.125, 21.0, -12.5, 3.0)
    assert NOTE.on(Size(1280, 721)) is not None  # rounded sides
    assert NOTE.on(Size(1080, 1920)) is None
    assert NOTE.on(Size(1920, 800)) is None
