"""Mask ellipses: from a face, onto a picture, and found again in a masked picture."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.domain.errors import MaskNotFound
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse, FaceBox
from short_drama.paid_api.local_faces.landmarks import OVAL, Mesh

Mask = NDArray[np.uint8]

_ROOM: Final = 1.06
"""The mask is this much larger than the ellipse fitted to the face's outline."""
_BOX_ROOM: Final = 1.10

_SEARCH_SIDE: Final = 1024
_BLACK: Final = (2, 8, 20, 40)
"""Thresholds tried: JPEG turns black into almost black."""
_OPENINGS: Final = (0, 3, 9)
_SMALLEST: Final = 0.0025
"""Of the picture's area."""
_FIT: Final = 0.88
"""Intersection over union of a black region and its ellipse."""
_TIE: Final = 0.05
_FLAT: Final = 0.985
"""Share of the inner ellipse that must be black: hair and clothes are not that flat."""


def of_mesh(mesh: Mesh) -> Ellipse:
    """The face's outline as an ellipse, following the head's tilt."""
    return _fitted(mesh.flat[OVAL].astype(np.float32), _ROOM)


def of_box(box: FaceBox) -> Ellipse:
    """For a face whose landmarks are unsure: upright, around the box."""
    x, y = box.centre
    return Ellipse(x, y, box.width / 2 * _BOX_ROOM, box.height / 2 * _BOX_ROOM)


def paint(image: Pixels, ellipse: Ellipse) -> Pixels:
    """The picture with the ellipse painted black."""
    painted = image.copy()
    painted[region(ellipse, (image.shape[0], image.shape[1])) > 0] = 0
    return painted


def region(ellipse: Ellipse, shape: tuple[int, int], *, scale: float = 1.0) -> Mask:
    """255 inside the ellipse, its axes scaled; `shape` is height, width."""
    mask = np.zeros(shape, np.uint8)
    centre = (round(ellipse.centre_x * 16), round(ellipse.centre_y * 16))
    axes = (round(ellipse.axis_x * scale * 16), round(ellipse.axis_y * scale * 16))
    cv2.ellipse(mask, centre, axes, ellipse.angle, 0, 360, 255, cv2.FILLED, cv2.LINE_8, 4)
    return mask


def find(image: Pixels) -> Ellipse:
    """The black ellipse in a masked picture. Raises MaskNotFound."""
    scale = min(1.0, _SEARCH_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    brightness = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)  # colour bleeds furthest in a JPEG
    candidates = [
        candidate
        for threshold in _BLACK
        for opening in _OPENINGS
        for candidate in _candidates((brightness <= threshold).astype(np.uint8), opening)
    ]
    if not candidates:
        raise MaskNotFound(
            "no black ellipse was found in the masked image",
            field="masked_image_url",
            fix="Use the result of face-mask, or give the ellipse that it reports as `ellipse`.",
        )
    # JPEG eats into the rim: of those that fit about equally well, the largest is the mask.
    best = max(fit for fit, _ in candidates)
    close = [ellipse for fit, ellipse in candidates if fit >= best - _TIE]
    found = max(close, key=lambda ellipse: ellipse.axis_x * ellipse.axis_y)
    return Ellipse(
        found.centre_x / scale,
        found.centre_y / scale,
        found.axis_x / scale,
        found.axis_y / scale,
        found.angle,
    )


def _candidates(black: Mask, opening: int) -> list[tuple[float, Ellipse]]:
    """Ellipses that black regions fill, each with how well."""
    if opening:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (opening, opening))
        black = np.asarray(cv2.morphologyEx(black, cv2.MORPH_OPEN, kernel), np.uint8)
    contours, _ = cv2.findContours(black, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    least = _SMALLEST * black.size
    large = [each for each in contours if len(each) >= 20 and cv2.contourArea(each) >= least]
    scored = [_scored(np.asarray(each, np.float32), black) for each in large]
    return [each for each in scored if each is not None]


def _scored(contour: NDArray[np.float32], black: Mask) -> tuple[float, Ellipse] | None:
    ellipse = _fitted(contour, 1.0)
    shape = (black.shape[0], black.shape[1])
    if max(ellipse.axis_x, ellipse.axis_y) > 2 * max(shape):
        return None
    whole, inner = region(ellipse, shape) > 0, region(ellipse, shape, scale=0.9) > 0
    filled = np.zeros(shape, np.uint8)
    cv2.drawContours(filled, [np.round(contour).astype(np.int32)], -1, 1, cv2.FILLED)
    fit = _count(whole & (filled > 0)) / max(_count(whole | (filled > 0)), 1)
    flat = _count(black[inner]) / max(_count(inner), 1)
    return (fit, ellipse) if fit >= _FIT and flat >= _FLAT else None


def _count(mask: NDArray[Any]) -> int:
    return int(np.count_nonzero(mask))


def _fitted(points: NDArray[np.float32], room: float) -> Ellipse:
    """OpenCV's fit, with `axis_x` as the axis that is nearer to horizontal."""
    (x, y), (first, second), angle = cv2.fitEllipse(points)
    if 45 < angle < 135:
        first, second, angle = second, first, angle - 90
    elif angle >= 135:
        angle -= 180
    return Ellipse(x, y, first / 2 * room, second / 2 * room, angle)
