from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.comfyui_api.local_preview import Preview
from short_drama.comfyui_api.local_preview.camera import move_camera
from short_drama.comfyui_api.local_preview.framing import Matrix, largest, outline
from short_drama.comfyui_api.local_preview.orbit import plan
from short_drama.comfyui_api.local_preview.subject import Person, describe
from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.domain.errors import EngineNotReady, InvalidRequest
from short_drama.images.colour import Pixels
from short_drama.images.subject import FindSubject, Matte, SubjectFinder

HEIGHT, WIDTH = 300, 400
MOVES = [
    CameraMove(*steps) for steps in product(range(-2, 3), range(-2, 3), range(-1, 2)) if any(steps)
]
TURNS = [move for move in MOVES if move.zoom == 0]
moves = st.sampled_from(MOVES)


def nobody(_image: Pixels) -> None:
    return None


def person_mask() -> Pixels:
    """A red figure on the green room: head and body, cut by the lower border."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (200, 60), 35, 255, -1)
    cv2.rectangle(mask, (150, 90), (250, HEIGHT), 255, -1)
    return mask


def somebody(_image: Pixels) -> Matte:
    return (person_mask() / 255).astype(np.float32)


@pytest.fixture
def room() -> Pixels:
    """A smooth green room with one blue lamp on the far wall."""
    across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    room = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    room[..., 1] = 90 + 80 * across + 60 * down
    cv2.circle(room, (300, 90), 14, (0, 0, 255), -1)
    return room


@pytest.fixture
def still(room: Pixels) -> Pixels:
    """The room with a person in it."""
    room[person_mask() > 0] = [230, 20, 20]
    return room


def where(image: Pixels, channel: int) -> tuple[float, float, int]:
    """Centre (x, y) and area of what is of one pure colour."""
    other = image[..., [c for c in range(3) if c != channel]].max(axis=2)
    rows, columns = np.nonzero(image[..., channel].astype(int) - other > 120)
    return columns.mean(), rows.mean(), len(rows)


def lamp_from_person(image: Pixels) -> tuple[float, float]:
    (lamp_x, lamp_y, _), (person_x, person_y, _) = where(image, 2), where(image, 0)
    return lamp_x - person_x, lamp_y - person_y


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other).mean())


# --- Honesty --------------------------------------------------------------------------------


@pytest.mark.parametrize("find", [nobody, somebody])
@pytest.mark.parametrize("move", MOVES, ids=str)
def test_every_move_is_seen_keeps_the_size_and_leaves_the_input(
    move: CameraMove, find: FindSubject, still: Pixels
) -> None:
    before = still.copy()
    result = move_camera(still, move, find)
    assert np.array_equal(still, before)
    assert result.image.shape == still.shape
    assert result.image.dtype == np.uint8
    assert difference(result.image, still) > 0.8
    assert result.note.startswith("Framing preview, not a new angle")
    assert result.operations


def test_operations_and_note_tell_what_was_done(still: Pixels) -> None:
    result = move_camera(still, CameraMove(horizontal=-1, vertical=1, zoom=-1), somebody)
    assert result.operations == ("orbit_left", "rise", "parallax", "pull_away")
    assert "degrees to the left and" in result.note
    assert "soft fill" in result.note
    assert "placeholder" in result.note
    flat = move_camera(still, CameraMove(zoom=1), nobody)
    assert flat.operations == ("forward",)
    assert "No person was found" in flat.note
    assert "orbits" not in flat.note


def test_a_move_that_moves_nothing_is_refused(still: Pixels) -> None:
    with pytest.raises(InvalidRequest):
        move_camera(still, CameraMove(), nobody)


# --- The frame ------------------------------------------------------------------------------

boxes = st.tuples(
    st.floats(0.05, 0.9), st.floats(0.0, 0.7), st.floats(0.05, 0.5), st.floats(0.2, 1.0)
)


def person(box: tuple[float, float, float, float]) -> Person:
    """A person by the left, top, width and height of the matte, as shares of the picture."""
    left, top, width, height = box
    matte = np.zeros((90, 120), np.float32)
    rows = slice(int(top * 90), int((top + height) * 90) + 1)
    matte[rows, int(left * 120) : int((left + width) * 120) + 1] = 1
    return describe(matte)


def corners_in_still(warp: Matrix | None) -> Matrix:
    """What of the still, 120 x 90, the output's corners show."""
    assert warp is not None
    return through(
        np.asarray(np.linalg.inv(warp), np.float64), [[0, 0], [120, 0], [120, 90], [0, 90]]
    )


def through(warp: Matrix | None, points: list[list[float]]) -> Matrix:
    assert warp is not None
    moved = cv2.perspectiveTransform(np.array([points], np.float64), warp)
    return np.asarray(moved[0], np.float64)


@settings(deadline=None)
@given(moves, st.none() | boxes)
def test_the_frame_shows_no_pixel_from_beyond_the_background(
    move: CameraMove, box: tuple[float, float, float, float] | None
) -> None:
    shot = plan(move, box and person(box), 120, 90)
    seen = corners_in_still(shot.background)
    assert (seen >= -1e-3).all()
    assert (seen <= np.array([120, 90]) + 1e-3).all()


@settings(deadline=None)
@given(moves, boxes)
def test_no_cut_side_of_a_person_comes_into_the_frame(
    move: CameraMove, box: tuple[float, float, float, float]
) -> None:
    someone = person(box)
    seen = corners_in_still(plan(move, someone, 120, 90).person)
    top, right, bottom, left = someone.cut
    assert not top or seen[:, 1].min() >= -1e-3
    assert not right or seen[:, 0].max() <= 120 + 1e-3
    assert not bottom or seen[:, 1].max() <= 90 + 1e-3
    assert not left or seen[:, 0].min() >= -1e-3


@settings(deadline=None)
@given(st.sampled_from(TURNS), st.floats(0.2, 0.6), st.floats(0.12, 0.5))
def test_a_head_with_some_room_around_stays_in_the_frame(
    move: CameraMove, left: float, top: float
) -> None:
    someone = person((left, top, 0.2, 1.0))
    shot = plan(move, someone, 120, 90)
    head = someone.head
    corners = [[x, y] for x in (head.left, head.right) for y in (head.top, head.bottom)]
    after = through(shot.person, corners)
    assert (after >= 0).all()
    assert (after <= [120, 90]).all()


def test_the_orbit_is_narrowed_where_the_head_would_be_lost() -> None:
    tall = person((0.4, 0.02, 0.2, 0.98))
    roomy = person((0.4, 0.35, 0.2, 0.65))
    down = CameraMove(vertical=-2)
    assert abs(plan(down, tall, 120, 90).pitch) < abs(plan(down, roomy, 120, 90).pitch)
    assert abs(plan(CameraMove(vertical=-1), tall, 120, 90).pitch) < abs(
        plan(down, tall, 120, 90).pitch
    )


def test_the_largest_frame_touches_three_sides_at_least() -> None:
    warp = np.array([[1, 0.1, 5], [0.05, 0.9, 3], [0.0004, 0.0002, 1]])
    inside = outline(warp, 120, 90)
    frame = largest(inside, 120, 90)
    reach = np.abs(inside[:, :2]) @ [60, 45] * frame.scale
    gap = inside[:, 2] - inside[:, :2] @ [frame.x, frame.y] - reach
    assert (gap >= -1e-5).all()
    assert (gap < 1e-5).sum() >= 3


# --- The move -------------------------------------------------------------------------------


def test_the_background_follows_the_camera(still: Pixels) -> None:
    x, y = lamp_from_person(still)
    for move, dx, dy in [
        (CameraMove(horizontal=-1), -1, 0),
        (CameraMove(horizontal=1), 1, 0),
        (CameraMove(vertical=1), 0, -1),
        (CameraMove(vertical=-1), 0, 1),
    ]:
        image = move_camera(still, move, somebody).image
        scale = np.sqrt(where(image, 2)[2] / where(still, 2)[2])
        moved_x, moved_y = (value / scale for value in lamp_from_person(image))
        if dx:
            assert (moved_x - x) * dx > 6
        if dy:
            assert (moved_y - y) * dy > 6


def test_two_steps_go_further_than_one(still: Pixels) -> None:
    def shift(steps: int) -> float:
        return lamp_from_person(move_camera(still, CameraMove(horizontal=steps), somebody).image)[0]

    assert shift(-2) < shift(-1) < shift(1) < shift(2)


def test_without_a_person_the_near_side_grows(room: Pixels) -> None:
    dots = np.zeros_like(room)
    for x in (60, 340):
        cv2.circle(dots, (x, 150), 20, (255, 255, 255), -1)
    left = move_camera(dots, CameraMove(horizontal=-2), nobody).image
    assert (left[:, :200] > 128).sum() > 1.1 * (left[:, 200:] > 128).sum()


@pytest.mark.parametrize("find", [nobody, somebody])
def test_left_and_right_mirror_each_other(still: Pixels, find: FindSubject) -> None:
    def mirrored_find(image: Pixels) -> Matte | None:
        matte = find(image)
        return None if matte is None else np.ascontiguousarray(matte[:, ::-1])

    flipped = np.ascontiguousarray(still[:, ::-1])
    left = move_camera(still, CameraMove(horizontal=-1), find).image
    right = move_camera(flipped, CameraMove(horizontal=1), mirrored_find).image[:, ::-1]
    assert difference(left, right) < 3
    assert difference(left, move_camera(still, CameraMove(horizontal=1), find).image) > 3


def test_forward_brings_the_person_nearer_than_the_background(still: Pixels) -> None:
    image = move_camera(still, CameraMove(zoom=1), somebody).image
    lamp = where(image, 2)[2] / where(still, 2)[2]
    head = (image[..., 0] > 200).any(axis=0).sum() / (still[..., 0] > 200).any(axis=0).sum()
    assert 1.3 < lamp < 1.33**2
    assert head > 1.3


@pytest.mark.parametrize("move", TURNS, ids=str)
def test_there_is_one_person_and_no_ghost(move: CameraMove, still: Pixels) -> None:
    image = move_camera(still, move, somebody).image
    red = ((image[..., 0].astype(int) - image[..., 1]) > 60).astype(np.uint8)
    assert cv2.connectedComponents(red)[0] == 2  # background and one figure


def test_what_the_person_hid_is_filled_from_the_background(still: Pixels, room: Pixels) -> None:
    """No red is left behind where the figure stood."""
    image = move_camera(still, CameraMove(horizontal=2), somebody).image
    figure = where(still, 0)[2]
    assert where(image, 0)[2] < 1.5 * figure


def test_pull_away_shows_the_whole_still_on_a_dim_rim(still: Pixels) -> None:
    result = move_camera(still, CameraMove(zoom=-1), nobody).image
    inner = result[38 : 38 + 225, 50 : 50 + 300]
    whole = np.asarray(cv2.resize(still, (300, 225), interpolation=cv2.INTER_AREA), np.uint8)
    assert difference(inner, whole) < 3
    rim = np.concatenate([result[:30].reshape(-1, 3), result[-30:].reshape(-1, 3)])
    assert rim.mean() < 0.5 * still.mean()


def test_pull_away_alone_does_not_look_for_people(still: Pixels) -> None:
    def fails(_image: Pixels) -> Matte | None:
        raise AssertionError

    assert move_camera(still, CameraMove(zoom=-1), fails).operations == ("pull_away",)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 200), (200, 16)])
def test_small_and_narrow_pictures_are_no_trouble(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
    for move in MOVES:
        assert move_camera(image, move, nobody).image.shape == image.shape


# --- The person -----------------------------------------------------------------------------


def test_a_person_is_described_by_head_centre_and_cut_sides() -> None:
    found = describe((person_mask() > 0).astype(np.float32))
    assert found == Person(head=found.head, centre=found.centre, cut=(False, False, True, False))
    assert found.head.top == 25
    assert 150 <= found.head.left < found.head.right <= 251
    assert found.centre[0] == pytest.approx(200.5, abs=1)


def test_without_the_model_file_the_engine_says_how_to_get_it(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    for ask in (
        lambda: SubjectFinder(tmp_path).find(image),
        lambda: Preview(tmp_path).camera(image, CameraMove(horizontal=1)),
        lambda: Preview(tmp_path).edit(image, "blur the background"),
    ):
        with pytest.raises(EngineNotReady) as caught:
            ask()
        assert "short-drama models install" in str(caught.value.fix)


def test_operations_without_people_need_no_model(tmp_path: Path) -> None:
    image = np.full((8, 8, 3), 90, np.uint8)
    assert Preview(tmp_path).edit(image, "warmer").operations == ("warmer",)
    assert Preview(tmp_path).camera(image, CameraMove(zoom=-1)).operations == ("pull_away",)
