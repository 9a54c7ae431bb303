"""What a mask covers, as far as the landmarks are trusted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from short_drama.paid_api.face_swap import Ellipse, FaceBox
from short_drama.paid_api.local_faces.cover import UNCLEAR, covered
from short_drama.paid_api.local_faces.ellipse import of_mesh
from short_drama.paid_api.local_faces.landmarks import OVAL, Mesh

BOX = FaceBox(100, 100, 160, 180, 0.8)


def mesh(
    presence: float,
    *,
    centre: tuple[float, float] = (130, 140),
    tilt: float = 0.0,
    chin: float = 1.0,
) -> Mesh:
    """An outline 60 wide and 80 tall with `chin` times as much of it below the middle."""
    turns = np.linspace(-np.pi / 2, 1.5 * np.pi, len(OVAL), endpoint=False)
    x, y = 30 * np.cos(turns), 40 * np.sin(turns)
    y = np.where(y > 30, y * chin, y)
    angle = np.radians(tilt)
    points = np.zeros((468, 3))
    points[:, :2] = centre
    points[OVAL, 0] += x * np.cos(angle) - y * np.sin(angle)
    points[OVAL, 1] += x * np.sin(angle) + y * np.cos(angle)
    return Mesh(points, presence)


def reach(ellipse: Ellipse, points: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = np.radians(ellipse.angle)
    x, y = (points - (ellipse.centre_x, ellipse.centre_y)).T
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    return np.asarray(np.hypot(along / ellipse.axis_x, across / ellipse.axis_y))


@given(st.floats(-180, 180), st.floats(0.8, 1.4))
def test_every_landmark_is_under_the_mask(tilt: float, chin: float) -> None:
    face = mesh(1.0, tilt=tilt, chin=chin)
    assert reach(of_mesh(face), face.flat).max() <= 1


def test_the_mask_is_little_larger_than_the_face() -> None:
    ellipse = of_mesh(mesh(1.0))
    assert ellipse.axis_x * ellipse.axis_y == pytest.approx(30 * 40 * 1.05**2, rel=0.02)


def test_firm_landmarks_make_the_mask_and_nothing_is_said() -> None:
    face = covered(BOX, mesh(0.9999))
    assert face.ellipse == of_mesh(face.mesh)
    assert face.box == BOX
    assert face.warnings == ()


def test_firm_landmarks_elsewhere_move_the_box() -> None:
    face = covered(FaceBox(150, 160, 230, 250, 0.4), mesh(0.9999))
    assert face.box == FaceBox(100, 100, 160, 180, 0.4)


@pytest.mark.parametrize("presence", [0.5, 0.9, 0.998])
def test_landmarks_in_doubt_are_covered_with_the_box_and_a_warning_is_given(
    presence: float,
) -> None:
    face = covered(BOX, mesh(presence, centre=(150, 150)))
    corners = np.array([(x, y) for x in (100, 160) for y in (100, 180)], np.float64)
    assert reach(face.ellipse, corners).max() <= 1.001
    assert reach(face.ellipse, face.mesh.flat).max() <= 1.001
    assert face.warnings == (UNCLEAR,)


def test_where_there_are_no_landmarks_the_corners_of_the_box_are_covered() -> None:
    face = covered(BOX, mesh(0.2, centre=(900, 900)))
    corners = np.array([(x, y) for x in (100, 160) for y in (100, 180)], np.float64)
    assert reach(face.ellipse, corners).max() == pytest.approx(1, abs=0.001)
    assert face.warnings == (UNCLEAR,)
