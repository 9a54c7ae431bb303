"""The mask's ellipse where something else that is black touches it: from the part of its rim that
is free.

An outline is cut into arcs of many lengths. The ellipse through one of them is the mask if more
than half of its own rim is on the outline, and none of it anywhere but in black.
"""

from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces.ellipse import fitted, ways_to_rim

Points = NDArray[np.float32]

_SHARES: Final = (0.7, 0.5, 0.35, 0.25, 0.17, 0.11, 0.08)
"""Lengths of an arc, in outlines."""
_STARTS: Final = 48
_POINTS: Final = 200
"""Of an arc, to fit an ellipse to."""
_NEAR: Final = 1.5
"""Pixels from the outline that still are on it."""
_FREE: Final = 0.55
"""Share of the ellipse's rim that must be on the outline."""
_ON_RIM: Final = 180
_LONGEST: Final = 20_000
"""Pixels of an outline that is cut into arcs; a longer one is a pattern's."""


def ellipses_on(outline: Points, shape: tuple[int, int]) -> Iterator[tuple[float, Ellipse]]:
    """Ellipses through arcs of the outline, with the share of their rim that is on it."""
    if len(outline) > _LONGEST:
        return
    drawn = np.full(shape, 255, np.uint8)
    drawn[outline[:, 0, 1].astype(int), outline[:, 0, 0].astype(int)] = 0
    away = cv2.distanceTransform(drawn, cv2.DIST_L2, 5)
    for arc in _arcs(outline, shape):
        ellipse = fitted(arc)
        on_it = _share_near(ellipse, away)
        if on_it >= _FREE:
            yield on_it, ellipse


def _arcs(outline: Points, shape: tuple[int, int]) -> Iterator[Points]:
    """Without what the picture's edge cuts."""
    round_twice = np.concatenate([outline, outline])
    for share in _SHARES:
        length = round(len(outline) * share)
        for start in range(0, len(outline), max(1, len(outline) // _STARTS)):
            arc = round_twice[start : start + length : max(1, length // _POINTS)]
            inside = ((arc > 1) & (arc < (shape[1] - 2, shape[0] - 2))).all(axis=(1, 2))
            if np.count_nonzero(inside) >= _POINTS // 8:
                yield arc[inside]


def _share_near(ellipse: Ellipse, away: NDArray[Any]) -> float:
    """Of the ellipse's rim, what is on the outline; 0 if half of it is beyond the picture."""
    height, width = away.shape
    centre = np.array([[ellipse.centre_x], [ellipse.centre_y]])
    x, y = np.round(centre + ways_to_rim(ellipse, _ON_RIM)).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    if np.count_nonzero(inside) < len(x) / 2:
        return 0.0
    return float(np.count_nonzero(away[y[inside], x[inside]] <= _NEAR) / len(x))
