"""The white of eyes and teeth, which no skin's colour is to rub off on."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.landmarks import LEFT_EYE, LIPS, RIGHT_EYE, Points

_PALE: Final = (0.6, 0.9)
"""Redness in parts of the skin's: below the first it is white, above the second skin or lips.
Teeth may be yellow; what they are not is red."""
_COLOURLESS: Final = 0.04
"""Redness of a skin that is grey, as in a black and white picture: white cannot be told."""
_SOFT: Final = 1 / 300
"""Of the picture part's width."""


def whites(part: Pixels, points: Points, skin: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """How white each pixel within eyes and lips is, 0 to 1; None where that cannot be told."""
    redness = float(_redness(np.array(cv2.mean(part, mask=skin)[:3], np.float32)))
    if redness < _COLOURLESS:
        return None
    weight = np.zeros(part.shape[:2], np.float32)
    for group in (LIPS, LEFT_EYE, RIGHT_EYE):
        _add(weight, part, points[group], redness)
    return weight


def _add(weight: NDArray[np.float32], part: Pixels, outline: Points, skin: float) -> None:
    hull = cv2.convexHull(np.round(outline).astype(np.int32))
    left, top, width, height = cv2.boundingRect(hull)
    window = np.s_[max(0, top) : top + height, max(0, left) : left + width]
    if weight[window].size == 0:
        return
    inside = np.zeros(weight[window].shape, np.float32)
    corner = (max(0, left), max(0, top))
    cv2.fillConvexPoly(inside, hull - np.array(corner, np.int32), 1.0)
    low, high = (each * skin for each in _PALE)
    pale = np.clip((high - _redness(part[window])) / (high - low), 0, 1).astype(np.float32)
    soft = cv2.GaussianBlur(inside * pale, (0, 0), max(0.5, weight.shape[1] * _SOFT))
    weight[window] = np.maximum(weight[window], soft)


def _redness(colours: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    red, green = colours[..., 0].astype(np.float32), colours[..., 1].astype(np.float32)
    return np.asarray((red - green) / np.maximum(red, 1), np.float32)
