"""Mask ellipses: from a face, and onto a picture."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces.landmarks import OVAL, Mesh

Mask = NDArray[np.uint8]

_ROOM: Final = 1.05
"""The mask is this much larger than the ellipse through the outermost landmarks."""


def of_mesh(mesh: Mesh) -> Ellipse:
    """Around the whole face, following the head's tilt: of the shape of its outline, and the
    smallest with every landmark inside, and a little more."""
    outline = fitted(mesh.flat[OVAL].astype(np.float32))
    turn = _rotation(outline.angle)
    axes = np.array([outline.axis_x, outline.axis_y])
    centre = np.array([outline.centre_x, outline.centre_y])
    round_face = (mesh.flat - centre) @ turn / axes
    middle, radius = cv2.minEnclosingCircle(round_face.astype(np.float32))
    x, y = centre + turn @ (axes * middle)
    wide, tall = axes * radius * _ROOM
    return Ellipse(float(x), float(y), float(wide), float(tall), outline.angle)


def paint(image: Pixels, ellipse: Ellipse) -> Pixels:
    """The picture with the ellipse painted black."""
    painted = image.copy()
    painted[region(ellipse, (image.shape[0], image.shape[1])) > 0] = 0
    return painted


def region(
    ellipse: Ellipse, shape: tuple[int, int], *, scale: float = 1.0, upper_half: bool = False
) -> Mask:
    """255 inside the ellipse, its axes scaled; `shape` is height, width."""
    mask = np.zeros(shape, np.uint8)
    centre = (round(ellipse.centre_x * 16), round(ellipse.centre_y * 16))
    axes = (round(ellipse.axis_x * scale * 16), round(ellipse.axis_y * scale * 16))
    start = 180 if upper_half else 0  # degrees go clockwise, from the right
    cv2.ellipse(mask, centre, axes, ellipse.angle, start, 360, 255, cv2.FILLED, cv2.LINE_8, 4)
    return mask


def fitted(points: NDArray[np.float32]) -> Ellipse:
    """OpenCV's fit, with `axis_x` as the axis that is nearer to horizontal."""
    (x, y), (first, second), angle = cv2.fitEllipse(points)
    if 45 < angle < 135:
        first, second, angle = second, first, angle - 90
    elif angle >= 135:
        angle -= 180
    return Ellipse(x, y, first / 2, second / 2, angle)


def ways_to_rim(ellipse: Ellipse, count: int) -> NDArray[np.float64]:
    """From the centre, all around: 2 x count."""
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    axes = np.array([[ellipse.axis_x], [ellipse.axis_y]])
    ways: NDArray[np.float64] = _rotation(ellipse.angle) @ (axes * (np.cos(turns), np.sin(turns)))
    return ways


def _rotation(degrees: float) -> NDArray[np.float64]:
    """Columns are the directions of the axes of an ellipse at this angle."""
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
