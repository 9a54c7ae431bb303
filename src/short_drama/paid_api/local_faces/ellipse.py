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
_PAINT: Final = 4.0
"""Mean brightness of 255 inside a mask, at most; JPEG at quality 75 makes it 0.5."""
_SMALLEST_AXIS: Final = 10.0
_SHORTEST: Final = 20
"""Pixels of a rim to fit an ellipse to."""
_SLIMMEST: Final = 2.0
_FIT: Final = 0.88
"""Intersection over union of a black region and its ellipse."""
_TIE: Final = 0.05
_RAYS: Final = 180
_PAINTED: Final = 0.6
"""Pixels by which OpenCV paints further than the ellipse goes."""
_REFINED: Final = 8.0
_EDGE: Final = 3.0
_STEP: Final = 0.25
"""Pixels of the picture that is searched: how far from the first fit, how wide an edge is, and how
finely it is looked at."""
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


def find(image: Pixels) -> Ellipse:
    """The black ellipse in a masked picture. Raises MaskNotFound."""
    scale = min(1.0, _SEARCH_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # Of a JPEG's planes, brightness is the sharpest: colour bleeds over the rim.
    brightness = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    candidates = [
        candidate
        for threshold in _BLACK
        for opening in _OPENINGS
        for candidate in _candidates((brightness <= threshold).astype(np.uint8), opening)
        if _is_painted(candidate[1], brightness)
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
    for _ in range(2):
        found = _refined(found, brightness.astype(np.float32))
    return Ellipse(
        found.centre_x / scale,
        found.centre_y / scale,
        found.axis_x / scale,
        found.axis_y / scale,
        found.angle,
    )


def _is_painted(ellipse: Ellipse, brightness: Mask) -> bool:
    """Whether it is black throughout, not only dark: hair and clothes are lit here and there."""
    core = region(ellipse, (brightness.shape[0], brightness.shape[1]), scale=0.8)
    return bool(cv2.mean(brightness, mask=core)[0] <= _PAINT)


def _refined(ellipse: Ellipse, brightness: NDArray[np.float32]) -> Ellipse:
    """Fitted anew to where, on rays from the centre, black ends: halfway up to what follows.

    A threshold alone is too small by the blur of a JPEG, or reaches into dark hair.
    """
    turns = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False)
    tilt = np.radians(ellipse.angle)
    across, along = ellipse.axis_x * np.cos(turns), ellipse.axis_y * np.sin(turns)
    ways = np.stack(
        [across * np.cos(tilt) - along * np.sin(tilt), across * np.sin(tilt) + along * np.cos(tilt)]
    )
    reach = np.hypot(*ways)
    steps = np.arange(-_REFINED, _REFINED, _STEP)
    centre = np.array([[ellipse.centre_x], [ellipse.centre_y]])
    x, y = (centre[..., None] + ways[..., None] * (1 + steps / reach[:, None])).astype(np.float32)
    seen = cv2.remap(brightness, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    ends = [_end_of_black(np.asarray(ray)) for ray in seen]
    known = [ray for ray, end in enumerate(ends) if end is not None]
    if len(known) < _RAYS / 2:
        return ellipse
    moved = steps[[end for end in ends if end is not None]]
    rim = centre + ways * (1 + (_smooth(turns, known, moved) - _PAINTED) / reach)
    return _fitted(rim.T.astype(np.float32), 1.0)


def _smooth(
    turns: NDArray[np.float64], known: list[int], moved: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far an ellipse's rim moves at each turn, from how far it seems to at the known ones.

    To first order an ellipse moves by a constant and two harmonics. Least absolute deviations:
    rays that run on into something else that is black do not count.
    """
    harmonics = [f(n * turns) for n in (1, 2) for f in (np.cos, np.sin)]
    waves = np.stack([np.ones_like(turns), *harmonics], axis=1)
    weights = np.ones(len(known))
    for _ in range(10):
        solution = np.linalg.lstsq(waves[known] * weights[:, None], moved * weights)[0]
        weights = np.maximum(np.abs(waves[known] @ solution - moved), _STEP) ** -0.5
    rim: NDArray[np.float64] = waves @ solution
    return rim


def _end_of_black(ray: NDArray[np.float32]) -> int | None:
    """The index at which a ray is halfway from black to what is beyond; None if there is none."""
    bright = np.flatnonzero(ray > _BLACK[-1])
    if not len(bright) or bright[0] == 0:
        return None
    beyond = ray[bright[0] : bright[0] + round(_EDGE / _STEP)].max()
    return int(np.flatnonzero(ray >= beyond / 2)[0])


def _candidates(black: Mask, opening: int) -> list[tuple[float, Ellipse]]:
    """Ellipses that black regions fill, each with how well."""
    if opening:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (opening, opening))
        black = np.asarray(cv2.morphologyEx(black, cv2.MORPH_OPEN, kernel), np.uint8)
    contours, _ = cv2.findContours(black, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    least = _SMALLEST * black.size
    large = [each for each in contours if len(each) >= _SHORTEST and cv2.contourArea(each) >= least]
    scored = [_scored(np.asarray(each, np.float32), black) for each in large]
    return [each for each in scored if each is not None]


def _scored(contour: NDArray[np.float32], black: Mask) -> tuple[float, Ellipse] | None:
    shape = (black.shape[0], black.shape[1])
    # Where the picture ends, the mask's rim is cut off.
    rim = contour[((contour > 1) & (contour < (shape[1] - 2, shape[0] - 2))).all(axis=(1, 2))]
    if len(rim) < _SHORTEST:
        return None
    ellipse = _fitted(rim, 1.0)
    shortest, longest = sorted((ellipse.axis_x, ellipse.axis_y))
    if longest > max(shape) or longest > _SLIMMEST * shortest or shortest < _SMALLEST_AXIS:
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
