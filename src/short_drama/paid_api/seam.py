"""How two pictures of the same place agree around a hole, and what makes their colours agree.

They are compared in a ring around it and in small: a seam is seen as a step in light, not in grain.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces import ellipse as ellipses

Plane = NDArray[np.float32]

_SMALL: Final = 256
"""The longer side of the pictures that are compared, in pixels."""
_CLEAR: Final = 0.06
_CLEAR_PIXELS: Final = 3
"""How far from the hole the ring begins, in half axes and at least: JPEG smears the hole's rim."""
_RING: Final = 0.34
_RING_PIXELS: Final = 8
"""How wide it is."""
_BLUR: Final = 1.5
"""Pixels of the small pictures: edges that have moved a little do not count."""
_LEAST: Final = 40
"""Pixels of the ring; with less there is nothing to compare."""
_SPREAD: Final = (10, 50, 90)
"""Percentiles: a light or a strand of hair that has moved changes the extremes."""
_CONTRAST: Final = (0.75, 1.33)
_SURE: Final = 64.0
"""Levels between the outer percentiles: the less there are, the less is known of contrast, and the
face is brighter than a dark ring."""
_SHIFT: Final = 60.0
"""Levels of 255 by which a channel is moved at most."""
_CARRIED: Final = 48.0
_NEARBY: Final = 0.25
"""How far around it a place of the ring speaks for, in half axes."""
_FAINT: Final = 1e-3
_ROUNDS: Final = 40
_STEP: Final = 0.05
"""Pixels of the small pictures; a shift of less is none."""
_FARTHEST: Final = 0.1
_ALIKE: Final = (1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Seam:
    """Args:
    colours: a table, 256 x 1 x 3, from the made picture's levels to the still's.
    difference: levels of 255 by which the ring is off in the mean, with these colours.
    left: what the still then has more than the made picture at each place of the ring, carried
        on to where there is none; small.
    """

    colours: Pixels
    difference: float
    left: Plane

    def carried_into(self, made: Pixels) -> Pixels:
        """The picture, in the still's colours already, with what is left of the difference."""
        size = (made.shape[1], made.shape[0])
        more, less = (
            np.asarray(cv2.resize(np.round(each).astype(np.uint8), size), np.uint8)
            for each in (np.maximum(self.left, 0), np.maximum(-self.left, 0))
        )
        return np.asarray(cv2.subtract(cv2.add(made, more), less), np.uint8)


def reach(hole: Ellipse) -> float:
    """Pixels around the hole's centre that are looked at."""
    return max(hole.axis_x, hole.axis_y) + _margins(hole)[1]


def seam_of(own: Pixels, made: Pixels, hole: Ellipse) -> Seam:
    """Between two pictures of one size, with a hole in the first."""
    ring = _ring(hole, (own.shape[0], own.shape[1]))
    scale = min(1.0, _SMALL / max(own.shape[:2]))
    weight = _small(ring, scale).astype(np.float32) / np.float32(255)
    mine, theirs = (_small(each, scale) for each in (own, made))
    seen = weight > 0.5
    if np.count_nonzero(seen) < _LEAST:
        return Seam(_table([_ALIKE] * 3), 0.0, np.zeros((1, 1, 3), np.float32))
    colours = _table(
        [_match(mine[seen][:, channel], theirs[seen][:, channel]) for channel in range(3)]
    )
    off = mine.astype(np.float32) - cv2.LUT(theirs, colours)
    soft = _weighted(off, weight, _BLUR)
    difference = float(np.abs(soft[seen]).mean())
    nearby = _NEARBY * min(hole.axis_x, hole.axis_y) * scale
    left = np.clip(_weighted(off, weight, max(nearby, _BLUR)), -_CARRIED, _CARRIED)
    return Seam(colours, difference, left)


def shift_between(own: Pixels, made: Pixels, hole: Ellipse) -> tuple[float, float] | None:
    """How many pixels to the right and down in `made` the still's surroundings of the hole are;
    None where that cannot be told, or is nothing or too much to be a matter of framing."""
    ring = _ring(hole, (own.shape[0], own.shape[1]))
    scale = min(1.0, _SMALL / max(own.shape[:2]))
    mine, theirs, where = (_small(each, scale) for each in (own, made, ring))
    grey, made_grey = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (mine, theirs))
    matrix = np.eye(2, 3, dtype=np.float32)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ROUNDS, _STEP)
    try:
        cv2.findTransformECC(grey, made_grey, matrix, cv2.MOTION_TRANSLATION, until, where, 5)
    except cv2.error:  # nothing to hold on to: all of one colour, or nothing alike
        return None
    right, down = float(matrix[0, 2]), float(matrix[1, 2])
    if not _STEP < np.hypot(right, down) < _FARTHEST * _SMALL:
        return None
    return right / scale, down / scale


def _match(own: Pixels, made: Pixels) -> tuple[float, float, float]:
    """Contrast, and the middle level of what was made and of what is the still's."""
    low, middle, high = np.percentile(own, _SPREAD)
    made_low, made_middle, made_high = np.percentile(made, _SPREAD)
    spread, made_spread = high - low, made_high - made_low
    contrast = float(np.clip(spread / max(made_spread, 1.0), *_CONTRAST))
    sure = min(spread, made_spread, _SURE) / _SURE
    shift = float(np.clip(middle - made_middle, -_SHIFT, _SHIFT))
    return 1 + (contrast - 1) * sure, float(made_middle), float(made_middle) + shift


def _table(matches: list[tuple[float, float, float]]) -> Pixels:
    levels = np.arange(256, dtype=np.float32)
    columns = [(levels - made) * contrast + own for contrast, made, own in matches]
    return np.clip(np.round(np.stack(columns, axis=-1)), 0, 255).astype(np.uint8)[:, None]


def _margins(hole: Ellipse) -> tuple[float, float]:
    """Pixels outside of the ellipse at which the ring begins and ends."""
    shorter = min(hole.axis_x, hole.axis_y)
    inner = max(_CLEAR * shorter, _CLEAR_PIXELS)
    return inner, inner + max(_RING * shorter, _RING_PIXELS)


def _ring(hole: Ellipse, shape: tuple[int, int]) -> NDArray[np.uint8]:
    inner, outer = (ellipses.region(hole.grown(further), shape) for further in _margins(hole))
    return np.asarray(cv2.subtract(outer, inner), np.uint8)


def _small(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _weighted(values: Plane, weight: Plane, radius: float) -> Plane:
    """Blurred without what has no weight; 0 far from any."""
    near = cv2.GaussianBlur(weight, (0, 0), radius)[..., None]
    blurred = cv2.GaussianBlur(values * weight[..., None], (0, 0), radius)
    soft: Plane = np.where(near > _FAINT, blurred / np.maximum(near, _FAINT), 0)
    return soft
