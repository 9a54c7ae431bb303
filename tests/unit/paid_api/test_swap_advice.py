"""What is said of a swap, and what is seen in front of a face."""

import cv2
import numpy as np
import pytest

from short_drama.domain.errors import RequestUnsupported
from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.advice import on_coverings, on_poses
from short_drama.paid_api.local_faces.landmarks import (
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    Mesh,
)
from short_drama.paid_api.local_faces.occlusion import Covering, coverings
from tests.unit.paid_api.schematic import SIDE, mesh, picture

STILL = np.zeros(468)


@pytest.mark.parametrize("degrees", [-30, -10, 0, 25])
def test_pitch_is_in_degrees_and_grows_downwards(degrees: float) -> None:
    assert mesh(pitch=degrees).pitch == pytest.approx(degrees)
    assert mesh(yaw=20, pitch=degrees).pitch == pytest.approx(degrees, abs=3)


@pytest.mark.parametrize(("pitch", "word"), [(25, "down"), (-25, "up")])
def test_heads_held_differently_are_warned_of(pitch: float, word: str) -> None:
    [said] = on_poses(mesh(pitch=pitch), mesh(), mirror=False)
    assert f"looks 25 degrees further {word}" in said
    assert "use a picture" in said


@pytest.mark.parametrize("pitch", [-15, 0, 15])
def test_heads_held_about_alike_are_not(pitch: float) -> None:
    assert on_poses(mesh(pitch=pitch), mesh(), mirror=False) == ()


@pytest.mark.parametrize(("yaw", "pitch", "way"), [(45, 0, "turned"), (0, 45, "tilted")])
def test_beyond_forty_degrees_there_is_no_swap(yaw: float, pitch: float, way: str) -> None:
    with pytest.raises(RequestUnsupported, match=f"{way} 4[45] degrees apart") as error:
        on_poses(mesh(yaw=yaw, pitch=pitch), mesh(), mirror=False)
    assert error.value.field == "target_face_url"
    assert way in str(error.value.fix)


@pytest.mark.parametrize("covering", Covering)
def test_every_covering_is_told_apart_in_still_and_actor(covering: Covering) -> None:
    [still], [actor] = on_coverings(still=[covering]), on_coverings(actor=[covering])
    assert "still" in still
    assert "actor" in actor
    for said in (still, actor):
        assert "choose a still" in said or "use a picture" in said
    assert on_coverings(still=[covering], actor=[covering]) == (still, actor)


# --- Coverings ----------------------------------------------------------------------------


def shades(image: Pixels, face: Mesh) -> Pixels:
    worn = image.copy()
    left, right = (face.flat[group].mean(axis=0) for group in (LEFT_EYE, RIGHT_EYE))
    for x, y in (left, right):
        cv2.ellipse(worn, (round(x), round(y + 3)), (29, 22), 0, 0, 360, (20, 22, 25), cv2.FILLED)
    cv2.line(worn, np.round(left).astype(int), np.round(right).astype(int), (20, 22, 25), 8)
    return worn


def rims(image: Pixels, face: Mesh) -> Pixels:
    worn = image.copy()
    left, right = (face.flat[group].mean(axis=0) for group in (LEFT_EYE, RIGHT_EYE))
    for x, y in (left, right):
        cv2.ellipse(worn, (round(x), round(y + 3)), (24, 17), 0, 0, 360, (30, 25, 25), 4)
    bridge = [
        np.round(each + way).astype(int) for each, way in ((left, (-24, 0)), (right, (24, 0)))
    ]
    cv2.line(worn, bridge[0], bridge[1], (30, 25, 25), 4)
    return worn


@pytest.mark.parametrize("yaw", [-20, 0, 20])
def test_dark_glasses_and_rims_are_seen_and_bare_eyes_are_bare(yaw: float) -> None:
    face = mesh(yaw=yaw)
    bare = picture(face)
    assert coverings(bare, face, STILL) == ()
    assert coverings(shades(bare, face), face, STILL) == (Covering.SHADES,)
    assert coverings(rims(bare, face), face, STILL) == (Covering.RIMS,)


def test_glasses_are_seen_on_a_tilted_head_and_in_a_dark_room() -> None:
    face = mesh()
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 35, 1)
    points = face.points.copy()
    points[:, :2] = face.flat @ turn[:, :2].T + turn[:, 2]
    worn = cv2.warpAffine(shades(picture(face), face), turn, (SIDE, SIDE))
    dark = (np.asarray(worn) * 0.4).astype(np.uint8)
    assert coverings(dark, Mesh(points, 1.0), STILL) == (Covering.SHADES,)


def test_large_drawn_eyes_are_no_glasses() -> None:
    face = mesh()
    drawn = picture(face)
    for group in (LEFT_EYE, RIGHT_EYE):
        x, y = np.round(face.flat[group].mean(axis=0)).astype(int)
        cv2.ellipse(drawn, (x, y), (15, 22), 0, 0, 360, (60, 60, 140), cv2.FILLED)
    assert coverings(drawn, face, STILL) == ()


def test_restless_lips_have_something_in_front_of_them() -> None:
    face, restless = mesh(), STILL.copy()
    restless[LIPS] = 0.05
    assert coverings(picture(face), face, restless) == (Covering.MOUTH,)
    restless[LEFT_BROW + RIGHT_BROW] = 0.08  # a drawing, of which the network is unsure throughout
    assert coverings(picture(face), face, restless) == ()


def test_a_face_at_the_pictures_edge_is_looked_at_all_the_same() -> None:
    face = mesh()
    cut = Mesh(face.points - (150, 150, 0), 1.0)
    assert coverings(picture(face)[150:, 150:], cut, STILL) == ()
