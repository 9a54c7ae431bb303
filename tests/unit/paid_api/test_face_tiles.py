"""Parts, tiles and turned pictures: what is found in them is told in the picture's own pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces.detect import scale_of
from short_drama.paid_api.local_faces.search import smallest
from short_drama.paid_api.local_faces.tiles import CELL, WHOLE, Grid, Part, Tile, grid, parts
from short_drama.paid_api.local_faces.turning import levelled, levelled_size, turned_back

shapes = st.tuples(st.integers(1, 900), st.integers(1, 900))
grids = st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (3, 2), (1, 6)])


def spot(image: Pixels) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is bright."""
    rows, columns = np.nonzero(image[..., 0] > 128)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@given(shapes, grids)
def test_parts_cover_the_picture(shape: tuple[int, int], cut: Grid) -> None:
    seen = np.zeros((*shape, 3), np.uint8)
    for part in parts(seen, cut):
        part.pixels[:] = 255
        height, width = part.pixels.shape[:2]
        assert (seen[part.top : part.top + height, part.left : part.left + width] == 255).all()
    assert (seen == 255).all()


def test_a_face_at_a_cut_is_whole_in_another_part() -> None:
    image = np.zeros((1000, 2000, 3), np.uint8)
    boxes = [FaceBox(x, 450, x + 100, 550) for x in range(0, 1901, 50)]
    for box in boxes:
        kept = [
            part.in_picture(
                FaceBox(
                    max(0, box.left - part.left), max(0, box.top - part.top),
                    min(part.pixels.shape[1], box.right - part.left),
                    min(part.pixels.shape[0], box.bottom - part.top),
                ),
                image.shape,
            )
            for part in parts(image, (2, 2))
            if box.right > part.left and box.left < part.left + part.pixels.shape[1]
        ]  # fmt: skip
        assert box in kept


@pytest.mark.parametrize(
    ("size", "cut"),
    [
        ((640, 480), (1, 1)),
        ((1920, 1080), (1, 1)),
        ((2048, 1536), (1, 1)),
        ((3840, 2160), (2, 2)),
        ((6000, 4000), (3, 2)),
        ((4000, 6000), (2, 3)),
        ((8000, 600), (4, 1)),
        ((512, 8192), (1, 4)),
        ((8192, 4882), (3, 2)),
    ],
)
def test_only_what_would_be_shrunk_too_much_is_cut(size: tuple[int, int], cut: Grid) -> None:
    assert grid((size[1], size[0], 3), scale=0.25, scale_of=scale_of) == cut


@given(st.integers(16, 8192), st.integers(16, 8192))
def test_no_picture_is_cut_into_more_than_six(width: int, height: int) -> None:
    cut = grid((height, width), scale=0.25, scale_of=scale_of)
    assert cut[0] * cut[1] <= 6
    assert cut == WHOLE or scale_of(width, height) < 0.25


@pytest.mark.parametrize(
    ("size", "height"),
    [((640, 480), 20), ((1920, 1080), 24), ((3840, 2160), 47), ((6000, 4000), 61)],
)
def test_the_smallest_face_goes_by_the_pictures_size(size: tuple[int, int], height: int) -> None:
    assert smallest((size[1], size[0], 3)) == height


@given(st.integers(20, 300), st.integers(20, 300), st.sampled_from([0.0, 90.0, 180.0, 270.0]))
def test_a_box_of_a_picture_in_quarter_turns_is_turned_back_exactly(
    width: int, height: int, turn: float
) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[3:9, 5:17] = 255
    size = levelled_size(width, height, turn)
    seen = levelled(image, turn)
    assert seen.shape[1::-1] == size
    away = np.array(spot(seen)) - np.array(size * 2) / 2
    assert turned_back(away, 0.5, turn, (width / 2, height / 2)) == FaceBox(5, 3, 17, 9, 0.5)


@given(st.floats(-180, 180), st.integers(40, 160), st.integers(40, 160))
def test_a_spot_stays_where_it_is_at_any_angle(turn: float, x: int, y: int) -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[y - 5 : y + 5, x - 5 : x + 5] = 255
    size = levelled_size(200, 200, turn)
    away = np.array(spot(levelled(image, turn))) - np.array(size * 2) / 2
    found = turned_back(away, 1.0, turn, (100, 100))
    assert found.centre == pytest.approx((x, y), abs=2)


@given(
    st.integers(30, 270), st.integers(30, 170), st.integers(12, 60), st.sampled_from([0, 90, 180])
)
def test_a_tile_shows_its_box_in_the_middle(x: int, y: int, side: int, turn: int) -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    half = side // 2
    image[max(0, y - half) : y + half, max(0, x - half) : x + half] = 255
    tile = Tile(FaceBox(x - half, y - half, x + half, y + half), turn)
    cell = np.zeros((CELL, CELL, 3), np.uint8)
    tile.draw(image, cell)
    assert cell[CELL // 2, CELL // 2, 0] > 128
    middle = np.array([CELL / 2 - 16, CELL / 2 - 16, CELL / 2 + 16, CELL / 2 + 16], np.float32)
    there = tile.in_picture(middle, 0.7)
    assert (there.left, there.top) == pytest.approx((x - half, y - half), abs=1)
    assert (there.right, there.bottom) == pytest.approx((x + half, y + half), abs=1)
    assert there.score == 0.7


def test_a_tile_shows_a_lying_thing_upright() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[95:105, 100:140] = 255  # its top points to the right
    cell = np.zeros((CELL, CELL, 3), np.uint8)
    Tile(FaceBox(80, 80, 120, 120), 90).draw(image, cell)
    left, top, right, bottom = spot(cell)
    assert top < CELL / 4
    assert bottom == pytest.approx(CELL / 2, abs=2)
    assert right - left < bottom - top


def test_a_box_that_a_cut_goes_through_is_left_to_another_part() -> None:
    part = Part(100, 0, np.zeros((50, 60, 3), np.uint8))
    picture = (50, 200, 3)
    assert part.in_picture(FaceBox(10, 0, 40, 50, 0.9), picture) == FaceBox(110, 0, 140, 50, 0.9)
    assert part.in_picture(FaceBox(0, 10, 30, 40), picture) is None
    assert part.in_picture(FaceBox(30, 10, 60, 40), picture) is None
