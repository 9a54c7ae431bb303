"""Pictures turned upright, and boxes found in them turned back.

A turn is the angle, in degrees clockwise, between a face and upright: at 90 its top points to the
right.
"""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox

QUARTERS: Final = (90.0, 180.0, 270.0)


def resized(image: Pixels, scale: float) -> Pixels:
    """By averaging where it shrinks; at least one pixel a side."""
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def levelled_size(width: int, height: int, turn: float) -> tuple[int, int]:
    cos, sin = (abs(each) for each in _cos_sin(turn))
    return round(cos * width + sin * height), round(sin * width + cos * height)


def levelled(image: Pixels, turn: float) -> Pixels:
    """The picture with what is turned by `turn` upright, on as much black as that takes."""
    if turn % 90 == 0:
        return np.rot90(image, round(turn / 90))
    height, width = image.shape[:2]
    size = levelled_size(width, height, turn)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    matrix[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    return np.asarray(cv2.warpAffine(image, matrix, size), np.uint8)


def turned_back(
    away: NDArray[np.floating[Any]], score: float, turn: float, middle: tuple[float, float]
) -> FaceBox:
    """A box of the levelled picture in the picture itself: around the ellipse that is in it.

    `away`: left, top, right, bottom, counted from what is in the `middle` of both.
    """
    cos, sin = _cos_sin(turn)
    x, y = (away[:2] + away[2:]) / 2
    wide, tall = (away[2:] - away[:2]) / 2
    centre_x, centre_y = middle[0] + cos * x - sin * y, middle[1] + sin * x + cos * y
    reach_x, reach_y = math.hypot(cos * wide, sin * tall), math.hypot(sin * wide, cos * tall)
    return FaceBox(
        math.floor(centre_x - reach_x), math.floor(centre_y - reach_y),
        math.ceil(centre_x + reach_x), math.ceil(centre_y + reach_y), score,
    )  # fmt: skip


def _cos_sin(turn: float) -> tuple[float, float]:
    """Exactly 0 and 1 for quarter turns."""
    angle = math.radians(turn)
    return round(math.cos(angle), 12), round(math.sin(angle), 12)
