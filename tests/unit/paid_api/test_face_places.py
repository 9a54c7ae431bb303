"""Places of a large still that are looked at closer: the likeliest, each once, told in the still's
own pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces.closer import PLACES, SIDE, Place, picture, places

HEAT = (135, 160)
"""Rows and columns of the first look at a still of 1920 x 1080, which it sees in a third."""
SCALE = 2 / 3
STILL = (1920, 1080)


def near(**spots: tuple[int, int]) -> Pixels:
    """The still in `SCALE`, grey, with a chequered face of 16 pixels around each spot."""
    seen = np.full((720, 1280, 3), 120, np.uint8)
    rows, columns = np.indices((16, 16)) // 2
    face = np.where((rows + columns) % 2, 220, 20).astype(np.uint8)
    for x, y in spots.values():
        seen[y - 8 : y + 8, x - 8 : x + 8] = face[..., None]
    return seen


def cold() -> NDArray[np.float32]:
    return np.full(HEAT, 0.003, np.float32)


def shows(place: Place, x: int, y: int) -> bool:
    """The whole face around a spot."""
    return (
        place.left <= x - 8
        and x + 8 <= place.left + SIDE
        and place.top <= y - 8
        and y + 8 <= place.top + SIDE
    )


@settings(max_examples=20)
@given(st.integers(8, 1272), st.integers(8, 712))
def test_fine_detail_comes_first_where_nothing_is_warm(x: int, y: int) -> None:
    first = places(cold(), near(one=(x, y)), (), SCALE)[0]
    assert shows(first, x, y)


def test_of_two_with_detail_the_warmer_comes_first() -> None:
    heat = cold()
    heat[600 // 8, 1000 // 8] = 0.02
    found = places(heat, near(left=(200, 200), right=(1000, 600)), (), SCALE)
    assert shows(found[0], 1000, 600)
    assert shows(found[1], 200, 200)


def test_where_a_face_is_known_there_is_no_place() -> None:
    known = FaceBox(250, 250, 350, 350, 0.9)
    found = places(cold(), near(known=(200, 200), new=(1000, 600)), [known], SCALE)
    assert shows(found[0], 1000, 600)
    assert not any(shows(place, 200, 200) for place in found)


def test_places_are_few_lie_in_the_picture_and_each_shows_something_else() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    found = places(cold(), noise, (), SCALE)
    assert len(set(found)) == len(found) == PLACES
    for place in found:
        assert 0 <= place.left <= 1280 - SIDE
        assert 0 <= place.top <= 720 - SIDE


@pytest.mark.parametrize("size", [(1281, 20), (20, 2000), (1300, 1300)])
def test_a_strip_that_is_narrower_than_a_place_is_shown_as_far_as_it_goes(
    size: tuple[int, int],
) -> None:
    still = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), np.uint8)
    small = picture(still, 0.999)
    cell = np.zeros((SIDE, SIDE, 3), np.uint8)
    for place in places(np.full((200, 200), 0.003, np.float32), small, (), 0.999):
        assert place.left >= 0
        assert place.top >= 0
        place.draw(small, cell)
    assert cell.any()


def test_a_box_of_a_place_is_told_in_the_stills_pixels() -> None:
    place = Place(left=200, top=100, scale=0.5)
    box = place.in_picture(np.array([10, 20, 26, 40], np.float32), 0.4)
    assert box == FaceBox(420, 240, 452, 280, 0.4)
