"""Make one picture part sit in another: skin tone, light, and a seam in many bands."""

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
_CONTRAST: Final = (0.75, 1.35)
_STATISTICS_SIDE: Final = 192
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


def match_skin(part: Pixels, scene: Pixels, skin: Mask) -> Pixels:
    """Give the part's skin the scene's mean colour and contrast, and its soft light."""
    scale = min(1.0, _STATISTICS_SIDE / max(part.shape[:2]))
    size = (max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale)))
    small_skin, small_part, small_scene = (
        np.asarray(cv2.resize(each, size, interpolation=cv2.INTER_AREA), np.uint8)
        for each in (skin, part, scene)
    )
    if cv2.countNonZero(small_skin) < 20:
        return part
    tables = _tone_tables(small_part, small_scene, small_skin)
    toned = _apply(part, tables)
    light = _soft_light(_apply(small_part, tables), small_scene, small_skin)
    wide = cv2.resize(light, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(toned, wide, dtype=cv2.CV_8U), np.uint8)


def multiband(part: Pixels, scene: Pixels, mask: Mask, *, feather: float) -> Pixels:
    """Blend with a Laplacian pyramid: fine detail changes over a short way, light over a long.

    The pyramid is linear, so one of what the part adds to the scene does for both.
    """
    weight = _feathered(mask, feather)
    added = np.asarray(cv2.subtract(part, scene, dtype=cv2.CV_32F), np.float32)
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


def _tone_tables(part: Pixels, scene: Pixels, skin: Mask) -> NDArray[np.uint8]:
    """For each channel of Lab, what each value becomes: 1 x 256 x 3."""
    mean, spread = cv2.meanStdDev(cv2.cvtColor(part, cv2.COLOR_RGB2LAB), mask=skin)
    goal, goal_spread = cv2.meanStdDev(cv2.cvtColor(scene, cv2.COLOR_RGB2LAB), mask=skin)
    ratio = np.clip(goal_spread / np.maximum(spread, 1e-3), *_CONTRAST)
    levels = np.arange(256)[None, :]
    tables = np.clip((levels - mean) * ratio + goal, 0, 255)
    return np.ascontiguousarray(tables.T[None].round().astype(np.uint8))


def _apply(image: Pixels, tables: NDArray[np.uint8]) -> Pixels:
    lab = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), tables)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def _soft_light(part: Pixels, scene: Pixels, skin: Mask) -> Plane:
    """What must be added to the part to have the scene's light, ignoring what is not skin."""
    weight = skin.astype(np.float32) / 255
    radius = max(part.shape[:2]) * 0.08
    spread = cv2.GaussianBlur(weight, (0, 0), radius) + 1e-3
    difference = (scene.astype(np.float32) - part.astype(np.float32)) * weight[..., None]
    light: Plane = cv2.GaussianBlur(difference, (0, 0), radius) / spread[..., None]
    return light
