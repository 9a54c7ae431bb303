"""Make one picture part sit in another: light, contrast, and a seam in many bands."""

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
    Points,
)

Mask = NDArray[np.uint8]
Plane = NDArray[np.float32]

_SHRINK: Final = 0.95
_ABOVE_BROWS: Final = 0.42
"""How much of the forehead between brows and hairline is taken: less shows the scene's fringe."""
_BRIGHTENING: Final = (0.05, 6.0)
_CONTRAST: Final = (0.75, 1.35)
_TINT: Final = (0.0, 1.2)
_WHITE_TINT, _LIGHT_TINT = 1.04, 1.08
"""How far a channel of eyes and teeth may follow the skin's tint, and how far where the light, by
what is brightest in either picture, has that tint."""
_BRIGHTEST: Final = 0.95
_COLOURED: Final = 0.5
"""Of the part's colour: with less in the scene, its whites lose theirs, too."""
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601
_STATISTICS_SIDE: Final = 112
_SOFTNESS: Final = 0.08
_FAR: Final = 0.02
_LEAST_SKIN: Final = 20
"""Pixels of the small picture; with less there is nothing to match."""
_BANDS: Final = 5
_REACH: Final = 1.5
"""In feathers: how far outside of the mask a blend may still change the scene."""


def face_mask(points: Points, shape: tuple[int, int]) -> Mask:
    """The face without its rim and upper forehead: 255 inside. `points` are in the region."""
    oval = points[OVAL]
    centre = oval.mean(axis=0)
    oval = centre + (oval - centre) * _SHRINK
    brows = points[LEFT_BROW + RIGHT_BROW].mean(axis=0)
    down = points[152] - points[10]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    above = (brows - oval) @ down  # how far each point of the outline is above the brows
    lowered = np.where(above > 0, above * (1 - _ABOVE_BROWS), 0.0)
    return polygon(oval + lowered[:, None] * down, shape)


def skin_mask(points: Points, face: Mask) -> Mask:
    """The face mask without eyes, brows and lips, whose colours are not the skin's."""
    skin = face.copy()
    for group in (LIPS, LEFT_EYE, RIGHT_EYE, LEFT_BROW, RIGHT_BROW):
        hull = cv2.convexHull(points[group].astype(np.float32))
        cv2.fillConvexPoly(skin, np.round(hull * 16).astype(np.int32), 0, shift=4)
    return skin


def polygon(points: Points, shape: tuple[int, int]) -> Mask:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, shift=4)
    return mask


def match_skin(part: Pixels, scene: Pixels, skin: Mask, white: Plane | None = None) -> Plane:
    """The part in the scene's light; 0 to 255, but neither rounded nor clipped.

    Light multiplies, so the skin's soft light is matched by ratio. Then the detail is given the
    scene's contrast, in brightness and in colour apart: in a still without colour the face has
    none. What is `white`, 0 to 1, follows in brightness, but hardly in tint: the scene's skin may
    be of another colour, its teeth are not.
    """
    small_part, small_scene, weight = (_small(each) for each in (part, scene, skin))
    weight = weight[..., None] / np.float32(255)
    if weight.sum() < _LEAST_SKIN:
        return part.astype(np.float32)
    goal = _soft(small_scene, weight)
    ratio = np.clip((goal + 1) / (_soft(small_part, weight) + 1), *_BRIGHTENING)
    bright, tint = _contrast(small_part * ratio - goal, small_scene - goal, weight)
    size = (part.shape[1], part.shape[0])
    goal, ratio = (np.asarray(cv2.resize(each, size), np.float32) for each in (goal, ratio))
    if white is not None:
        light = _brightest(small_scene) / _brightest(small_part)
        ratio += white[..., None] * (nearly_white(ratio, light) - ratio)
    detail = np.asarray(cv2.multiply(part, ratio, dtype=cv2.CV_32F), np.float32)
    detail = np.asarray(cv2.subtract(detail, goal, dst=detail), np.float32)
    lit = np.asarray(cv2.transform(detail, _colour_matrix(bright, tint)), np.float32)
    if white is not None:
        kept = np.clip(tint / _COLOURED, 0, 1) - tint
        lit += white[..., None] * cv2.transform(detail, _colour_matrix(0.0, kept))
    return np.asarray(cv2.add(lit, goal, dst=lit), np.float32)


def nearly_white(ratio: Plane, light: Plane) -> Plane:
    """The ratio of each channel, R, G, B come last, with hardly more tint than the light has."""
    bright = (ratio @ _LUMA)[..., None]
    tint = np.clip(light / (light @ _LUMA), 1 / _LIGHT_TINT, _LIGHT_TINT)
    limits = np.minimum(tint, 1 / _WHITE_TINT), np.maximum(tint, _WHITE_TINT)
    near: Plane = bright * np.clip(ratio / bright, *limits)
    return near


def multiband(part: Pixels | Plane, scene: Pixels, mask: Mask, *, feather: float) -> Pixels:
    """Blend with a Laplacian pyramid: fine detail changes over a short way, light over a long.

    The pyramid is linear, so one of what the part adds to the scene does for both.
    """
    weight = _feathered(mask, feather)
    added = np.asarray(cv2.subtract(part, scene, dtype=cv2.CV_32F), np.float32)
    added[mask == 0] = 0  # the widest bands would carry in what is around the part
    layers = []
    for _ in range(_bands(mask.shape)):
        low = np.asarray(cv2.pyrDown(added), np.float32)
        layers.append(_weighted(added - cv2.pyrUp(low, dstsize=added.shape[1::-1]), weight))
        added, weight = low, np.asarray(cv2.pyrDown(weight), np.float32)
    blend = _weighted(added, weight)
    for detail in reversed(layers):
        blend = np.asarray(cv2.pyrUp(blend, dstsize=detail.shape[1::-1]), np.float32)
        blend += detail
    # The widest bands reach far beyond the mask; what is away from the seam stays as it was.
    near = 1 - _feathered(cv2.bitwise_not(mask), _REACH * feather)
    return np.asarray(cv2.add(scene, _weighted(blend, near), dtype=cv2.CV_8U), np.uint8)


def _brightest(image: Plane) -> Plane:
    """What white looks like in the picture's light: in most pictures something is white."""
    return np.asarray(np.quantile(image, _BRIGHTEST, axis=(0, 1)) + 1, np.float32)


def _bands(shape: tuple[int, ...]) -> int:
    return max(1, min(_BANDS, int(np.log2(max(min(shape), 2))) - 2))


def _weighted(planes: Plane, weight: Plane) -> Plane:
    """OpenCV multiplies three channels by three twice as fast as NumPy broadcasts one."""
    return np.asarray(cv2.multiply(planes, cv2.merge([weight] * 3)), np.float32)


def _feathered(mask: cv2.typing.MatLike, feather: float) -> Plane:
    """0 at the mask's edge, 1 at `feather` pixels inside of it."""
    distance = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3), np.float32)
    ramp: Plane = np.clip(distance / max(feather, 1.0), 0, 1).astype(np.float32)
    return ramp * ramp * (3 - 2 * ramp)


def _small(image: NDArray[np.uint8]) -> Plane:
    """For what is soft anyway."""
    scale = min(1.0, _STATISTICS_SIDE / max(image.shape[:2]))
    size = (max(2, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _soft(image: Plane, weight: Plane) -> Plane:
    """The image blurred without what has no weight; far from any weight, its weighted mean."""
    radius = max(image.shape[:2]) * _SOFTNESS
    mean = (image * weight).sum(axis=(0, 1)) / weight.sum()
    nearby = cv2.GaussianBlur(weight, (0, 0), radius)[..., None]
    soft: Plane = (cv2.GaussianBlur(image * weight, (0, 0), radius) + _FAR * mean) / (nearby + _FAR)
    return soft


def _contrast(part: Plane, scene: Plane, weight: Plane) -> tuple[float, float]:
    """By how much the part's detail is to be stronger to be as strong as the scene's: in
    brightness, and in colour."""
    bright, tint = (
        goal / max(own, 1e-3)
        for own, goal in zip(_spread(part, weight), _spread(scene, weight), strict=True)
    )
    return float(np.clip(bright, *_CONTRAST)), float(np.clip(tint, *_TINT))


def _colour_matrix(bright: float, tint: float) -> NDArray[np.float32]:
    """Over R, G, B: brightness times the one, what is left without brightness times the other."""
    matrix = tint * np.eye(3) + (bright - tint) * np.tile(_LUMA, (3, 1))
    return matrix.astype(np.float32)


def _spread(detail: Plane, weight: Plane) -> tuple[float, float]:
    """Root mean square of brightness, and of colour apart from brightness."""
    bright = (detail @ _LUMA)[..., None]
    return _rms(bright, weight), _rms(detail - bright, weight)


def _rms(values: Plane, weight: Plane) -> float:
    return float(np.sqrt((values * values * weight).sum() / weight.sum()))
