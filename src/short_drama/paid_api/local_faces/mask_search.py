"""Find the ellipse that is painted black in a masked picture, whoever painted it."""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.domain.errors import MaskNotFound
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces.arcs import ellipses_on
from short_drama.paid_api.local_faces.ellipse import Mask, fitted, region, ways_to_rim

_SEARCHES: Final = ((1024, 0.0025), (2048, 0.0003))
"""Sides to which the picture is shrunk, and the least share of its area that a mask then has."""
_BLACK: Final = (0, 2, 8, 20, 40)
"""Thresholds tried: JPEG turns black into almost black."""
_OPENINGS: Final = (0, 3, 9)
_PAINT: Final = 4.0
"""Mean brightness of 255 inside a mask, at most; JPEG at quality 75 makes it 0.5."""
_LARGE: Final = 0.01
"""Share of the picture from which the following two are not asked of a mask."""
_SMALL_PAINT: Final = 1.0
_SHARP, _JUMP = 0.75, 6.0
"""The least share of the rim that is sharp: where it gets brighter by so much."""
_SMALLEST_AXIS: Final = 8.5
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
_TOUCHED: Final = _BLACK[1:4]
_LEAST_TOUCHED: Final = 0.0025
_FLATTER: Final = 0.995
"""Of a mask that is touched by something black: thresholds, size and flatness."""


def find(image: Pixels) -> Ellipse:
    """The black ellipse in a masked picture. Raises MaskNotFound."""
    for side, least in _SEARCHES:
        scale = min(1.0, side / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        # Of a JPEG's planes, brightness is the sharpest: colour bleeds over the rim.
        brightness = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        found = _found(brightness, least) or _partly_free(brightness)
        if found is not None:
            return Ellipse(
                found.centre_x / scale, found.centre_y / scale,
                found.axis_x / scale, found.axis_y / scale, found.angle,
            )  # fmt: skip
    raise MaskNotFound(
        "no black ellipse was found in the masked image",
        field="masked_image_url",
        fix="Use the result of face-mask, or give the ellipse that it reports as `ellipse`.",
    )


def _found(brightness: Mask, least: float) -> Ellipse | None:
    candidates = [
        candidate
        for threshold in _BLACK
        for opening in _OPENINGS
        for candidate in _candidates((brightness <= threshold).astype(np.uint8), opening, least)
        if _is_painted(candidate[1], brightness)
    ]
    if not candidates:
        return None
    # JPEG eats into the rim: of those that fit about equally well, the largest is the mask.
    best = max(fit for fit, _ in candidates)
    close = [ellipse for fit, ellipse in candidates if fit >= best - _TIE]
    found = max(close, key=lambda ellipse: ellipse.axis_x * ellipse.axis_y)
    for _ in range(2):
        found = _refined(found, brightness.astype(np.float32))
    return found


def _partly_free(brightness: Mask) -> Ellipse | None:
    """The best ellipse of those that something else that is black touches."""
    best: tuple[float, Ellipse | None] = 0.0, None
    for threshold in _TOUCHED:
        black = (brightness <= threshold).astype(np.uint8)
        contours, _ = cv2.findContours(black, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            if cv2.contourArea(contour) >= _LEAST_TOUCHED * black.size:
                outline = np.asarray(contour, np.float32)
                for free, ellipse in ellipses_on(outline, _shape(black)):
                    if free > best[0] and _is_touched_mask(ellipse, black, brightness):
                        best = free, ellipse
    return best[1]


def _is_touched_mask(ellipse: Ellipse, black: Mask, brightness: Mask) -> bool:
    """As black as paint throughout, and of a mask's size and shape."""
    area = math.pi * ellipse.axis_x * ellipse.axis_y
    if area < _LEAST_TOUCHED * black.size or not _is_shaped(ellipse, _shape(black)):
        return False
    inner = region(ellipse, _shape(black), scale=0.9)
    return (
        cv2.mean(black, mask=inner)[0] >= _FLATTER
        and cv2.mean(brightness, mask=inner)[0] <= _SMALL_PAINT
    )


def _is_shaped(ellipse: Ellipse, shape: tuple[int, int]) -> bool:
    """Whether a face may have such a mask, more of it in the picture than out of it."""
    shortest, longest = sorted((ellipse.axis_x, ellipse.axis_y))
    return (
        shortest >= _SMALLEST_AXIS
        and longest <= min(max(shape), _SLIMMEST * shortest)
        and 0 <= ellipse.centre_x < shape[1]
        and 0 <= ellipse.centre_y < shape[0]
    )


def _shape(plane: NDArray[Any]) -> tuple[int, int]:
    return plane.shape[0], plane.shape[1]


def _is_painted(ellipse: Ellipse, brightness: Mask) -> bool:
    """Whether it is black throughout, not only dark: hair and clothes are lit here and there. A
    small one must be blacker than those, and end all around as paint does, at once."""
    core = region(ellipse, _shape(brightness), scale=0.85)
    mean = cv2.mean(brightness, mask=core)[0]
    if math.pi * ellipse.axis_x * ellipse.axis_y >= _LARGE * brightness.size:
        return bool(mean <= _PAINT)
    return bool(mean <= _SMALL_PAINT) and _sharpness(ellipse, brightness) >= _SHARP


def _sharpness(ellipse: Ellipse, brightness: Mask) -> float:
    """The share of the rim at which it gets brighter within a few pixels."""
    within, beyond = _along(brightness, ellipse, np.array([-_EDGE, _EDGE])).T
    return float((beyond - within > _JUMP).mean())


def _centre(ellipse: Ellipse) -> NDArray[np.float64]:
    """2 x 1."""
    return np.array([[ellipse.centre_x], [ellipse.centre_y]])


def _along(
    brightness: NDArray[Any], ellipse: Ellipse, steps: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Brightness on each ray, as many pixels beyond the rim as the steps say: rays x steps."""
    centre, ways = _centre(ellipse), ways_to_rim(ellipse, _RAYS)
    reach = np.hypot(*ways)
    x, y = (centre[..., None] + ways[..., None] * (1 + steps / reach[:, None])).astype(np.float32)
    seen = cv2.remap(
        brightness.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return np.asarray(seen, np.float32).reshape(len(reach), len(steps))


def _refined(ellipse: Ellipse, brightness: NDArray[np.float32]) -> Ellipse:
    """Fitted anew to where, on rays from the centre, black ends: halfway up to what follows.

    A threshold alone is too small by the blur of a JPEG, or reaches into dark hair.
    """
    turns = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False)
    steps = np.arange(-_REFINED, _REFINED, _STEP)
    seen = _along(brightness, ellipse, steps)
    ends = [_end_of_black(ray) for ray in seen]
    known = [ray for ray, end in enumerate(ends) if end is not None]
    if len(known) < _RAYS / 2:
        return ellipse
    moved = steps[[end for end in ends if end is not None]]
    ways = ways_to_rim(ellipse, _RAYS)
    further = (_smooth(turns, known, moved) - _PAINTED) / np.hypot(*ways)
    rim = _centre(ellipse) + ways * (1 + further)
    return fitted(rim.T.astype(np.float32))


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


def _candidates(black: Mask, opening: int, least: float) -> list[tuple[float, Ellipse]]:
    """Ellipses that black regions fill, each with how well."""
    if opening:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (opening, opening))
        black = np.asarray(cv2.morphologyEx(black, cv2.MORPH_OPEN, kernel), np.uint8)
    contours, _ = cv2.findContours(black, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    large = [
        each
        for each in contours
        if len(each) >= _SHORTEST and cv2.contourArea(each) >= least * black.size
    ]
    scored = [_scored(np.asarray(each, np.float32), black) for each in large]
    return [each for each in scored if each is not None]


def _scored(contour: NDArray[np.float32], black: Mask) -> tuple[float, Ellipse] | None:
    shape = _shape(black)
    # Where the picture ends, the mask's rim is cut off.
    rim = contour[((contour > 1) & (contour < (shape[1] - 2, shape[0] - 2))).all(axis=(1, 2))]
    if len(rim) < _SHORTEST:
        return None
    ellipse = fitted(rim)
    if not _is_shaped(ellipse, shape):
        return None
    whole, inner = region(ellipse, shape) > 0, region(ellipse, shape, scale=0.9) > 0
    filled = np.zeros(shape, np.uint8)
    cv2.drawContours(filled, [np.round(contour).astype(np.int32)], -1, 1, cv2.FILLED)
    fit = _count(whole & (filled > 0)) / max(_count(whole | (filled > 0)), 1)
    flat = _count(black[inner]) / max(_count(inner), 1)
    return (fit, ellipse) if fit >= _FIT and flat >= _FLAT else None


def _count(mask: NDArray[Any]) -> int:
    return int(np.count_nonzero(mask))
