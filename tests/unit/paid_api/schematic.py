"""A schematic face: half an ellipsoid with outline, eyes, brows and lips in their places."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.landmarks import (
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    Mesh,
    Points,
)

SIDE: Final = 240
SKIN: Final = (200, 150, 130)
_MIDDLE: Final = SIDE / 2
_WIDE, _TALL, _DEEP = 75.0, 95.0, 70.0
_BRIDGE: Final = {193: (-8.0, -22.0), 417: (8.0, -22.0)}


def mesh(*, yaw: float = 0.0, pitch: float = 0.0) -> Mesh:
    """Turned to the right and looking down by so many degrees; z grows away from the camera."""
    flat = _flat()
    depth = -_DEEP * np.sqrt(np.maximum(1 - (flat / (_WIDE, _TALL)) ** 2 @ np.ones(2), 0))
    solid = np.column_stack([flat, depth])
    y, p = np.radians([yaw, -pitch])
    around = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    down = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    turned = solid @ (around @ down).T
    return Mesh(turned + np.array([_MIDDLE, _MIDDLE, 0]), 1.0)


def picture(face: Mesh, *, wall: tuple[int, int, int] = (90, 100, 110)) -> Pixels:
    """The face of one colour, its eyes, brows and lips painted, before a wall."""
    image = np.full((SIDE, SIDE, 3), wall, np.uint8)
    for group, colour in (
        (OVAL, SKIN), (RIGHT_EYE, (235, 235, 230)), (LEFT_EYE, (235, 235, 230)),
        (RIGHT_BROW, (80, 50, 40)), (LEFT_BROW, (80, 50, 40)), (LIPS, (180, 90, 90)),
    ):  # fmt: skip
        cv2.fillConvexPoly(image, hull(face.flat[group]), colour)
    return image


def hull(points: Points) -> NDArray[np.int32]:
    return np.round(cv2.convexHull(points.astype(np.float32))).astype(np.int32)


def _flat() -> Points:
    """Symmetric: what is not named lies in pairs on the left and on the right."""
    flat = np.zeros((468, 2))

    def ring(numbers: list[int], x: float, y: float, wide: float, tall: float) -> None:
        turns = np.linspace(0, 2 * np.pi, len(numbers), endpoint=False)
        flat[numbers] = np.stack([x + wide * np.sin(turns), y - tall * np.cos(turns)], axis=1)

    ring(OVAL, 0, 0, _WIDE, _TALL)  # numbered from the forehead, over the person's left
    for numbers, x, y, wide, tall in (
        (RIGHT_EYE, -30, -22, 13, 6), (LEFT_EYE, 30, -22, 13, 6),
        (RIGHT_BROW, -30, -40, 18, 4), (LEFT_BROW, 30, -40, 18, 4), (LIPS, 0, 50, 22, 9),
    ):  # fmt: skip
        ring(numbers, x, y, wide, tall)
    for number, place in _BRIDGE.items():
        flat[number] = place
    named = {*OVAL, *RIGHT_EYE, *LEFT_EYE, *RIGHT_BROW, *LEFT_BROW, *LIPS, *_BRIDGE}
    others = [number for number in range(468) if number not in named]
    half = np.random.default_rng(1).uniform((0.02, -0.9), (0.9, 0.9), (len(others), 2))
    half[:, 0] *= np.sqrt(1 - half[:, 1] ** 2)
    left, right = others[::2], others[1::2]
    flat[left] = half[: len(left)] * (_WIDE, _TALL)
    flat[right] = half[: len(right)] * (-_WIDE, _TALL)
    return flat
