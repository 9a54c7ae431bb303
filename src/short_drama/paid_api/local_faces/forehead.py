"""Where the actor's fringe, or a hat, hangs into the face."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.landmarks import (
    CHIN,
    FOREHEAD,
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    Points,
)

Mask = NDArray[np.uint8]

_SIDE: Final = 128
_ABOVE_BROWS: Final = 0.04
"""Of the face's height: nearer to the brows, what is dark is their own."""
_DARKER, _LIGHTER = 0.7, 1.65
"""Brightness in parts of the cheeks', beyond which it is no skin of theirs."""
_OTHER_COLOUR: Final = 16.0
"""Distance in Cr and Cb, of 255; a highlight is as far, but brighter than the cheeks."""
_LEAST: Final = 20
"""Pixels of the cheeks in the small picture, to know the skin by."""


def covered(part: Pixels, points: Points, skin: Mask) -> Mask:
    """255 above the brows where there is no skin of the cheeks' colour; `skin` is all that may be.

    Zero all over where the cheeks cannot be seen.
    """
    scale = min(1.0, _SIDE / max(part.shape[:2]))
    size = (max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale)))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    places = points * (size[0] / part.shape[1], size[1] / part.shape[0])
    height = _heights(places, (size[1], size[0]))
    eyes, mouth = (_height_of(places, group) for group in (LEFT_EYE + RIGHT_EYE, LIPS))
    brows = _height_of(places, LEFT_BROW + RIGHT_BROW)
    seen = cv2.resize(skin, size, interpolation=cv2.INTER_NEAREST) > 0
    cheeks = seen & (height > eyes) & (height < mouth)
    if np.count_nonzero(cheeks) < _LEAST:
        return np.zeros(part.shape[:2], np.uint8)
    other = ~_like(small, np.median(small[cheeks], axis=0)) & (height < brows - _ABOVE_BROWS)
    opened = cv2.morphologyEx(other.astype(np.uint8) * 255, cv2.MORPH_OPEN, np.ones((3, 3)))
    grown = cv2.dilate(opened, np.ones((5, 5)))
    grown[height > brows - _ABOVE_BROWS] = 0
    large = cv2.resize(grown, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.where(large > 127, 255, 0).astype(np.uint8)


def _like(picture: Pixels, colour: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the picture has that colour, in light or shade."""
    usual = cv2.cvtColor(colour[None, None].astype(np.uint8), cv2.COLOR_RGB2YCrCb)
    bright, *tint = usual[0, 0].astype(np.float32)
    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    share = planes[..., 0] / max(float(bright), 1.0)
    apart = np.hypot(planes[..., 1] - tint[0], planes[..., 2] - tint[1])
    tinted = (apart > _OTHER_COLOUR) & (share < 1)
    return np.asarray((share > _DARKER) & (share < _LIGHTER) & ~tinted)


def _heights(points: Points, shape: tuple[int, int]) -> NDArray[np.float64]:
    """How far down the face each pixel is: 0 at the top of the forehead, 1 at the chin."""
    y, x = np.indices(shape)
    down = points[CHIN] - points[FOREHEAD]
    length = max(float(down @ down), 1e-6)
    along: NDArray[np.float64] = (
        (x - points[FOREHEAD][0]) * down[0] + (y - points[FOREHEAD][1]) * down[1]
    ) / length
    return along


def _height_of(points: Points, group: list[int]) -> float:
    down = points[CHIN] - points[FOREHEAD]
    middle = points[group].mean(axis=0) - points[FOREHEAD]
    return float(middle @ down / max(float(down @ down), 1e-6))
