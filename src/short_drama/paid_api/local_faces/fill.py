"""Fill a masked face: no landmarks are left in the scene, only the ellipse.

The actor's face is laid into the ellipse as it is, but for size, tilt and a little stretching. It
shows who would be there and how large; it is not a finished picture, and the result says so.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces import ellipse as ellipses
from short_drama.paid_api.local_faces.blend import (
    Mask,
    Plane,
    face_mask,
    multiband,
    polygon,
    skin_mask,
)
from short_drama.paid_api.local_faces.landmarks import OVAL, Mesh, Points
from short_drama.paid_api.local_faces.warp import Region

Affine = NDArray[np.float64]
"""2 x 3, or its 2 x 2 part."""

WARNING: Final = (
    "the face is turned as in the actor's picture: the masked picture no longer tells how it was; "
    "full-face-swap keeps that"
)

_HOLE: Final = 1.03
"""JPEG smears the mask's edge: a little more than the ellipse is replaced."""
_STRETCH: Final = 1.12
_FACE_AND_EDGE: Final = 1.12
_RING: Final = 1.25
_LEAST_SKIN: Final = 0.05
"""Of the ring; with less, the light is judged from the whole pictures."""
_BRIGHTENING: Final = (0.1, 3.0)
_TINT: Final = (0.6, 1.6)
"""The ring may hold hair or a collar, which must not colour the face."""
_MIDDLE_GREY: Final = 110
_COLOURLESS: Final = 4.0
"""Mean difference of a pixel's channels, of 255, below which a picture is black and white."""
_INPAINT_SIDE: Final = 256
_FEATHER: Final = 0.06


def fill_mask(scene: Pixels, hole: Ellipse, actor: Pixels, actor_mesh: Mesh) -> Pixels:
    """The scene with the actor's face in the hole; pixels outside of it are the scene's own."""
    region = _around(hole, scene)
    local = Ellipse(
        hole.centre_x - region.left, hole.centre_y - region.top,
        hole.axis_x, hole.axis_y, hole.angle,
    )  # fmt: skip
    shape = (region.size[1], region.size[0])
    mask = ellipses.region(local, shape, scale=_HOLE)
    background = _inpainted(region.of(scene), mask)
    affine = _placement(ellipses.of_mesh(actor_mesh), local)
    points = actor_mesh.flat @ affine[:, :2].T + affine[:, 2]
    taken = _taken(points, local, mask)
    part = _laid(actor, affine, region.size)
    light = _light(
        scene,
        background,
        _lower_ring(local, shape),
        part,
        skin_mask(points, face_mask(points, shape)),
    )
    lit = _coloured_like(scene, part * light)
    blended = multiband(lit, background, taken, feather=_FEATHER * 2 * hole.axis_x)
    result = scene.copy()
    inside = mask > 0
    region.of(result)[inside] = blended[inside]
    return result


def _around(hole: Ellipse, scene: Pixels) -> Region:
    reach = max(hole.axis_x, hole.axis_y) * (_RING + 0.15)
    height, width = scene.shape[:2]
    return Region(
        max(0, int(hole.centre_x - reach)),
        max(0, int(hole.centre_y - reach)),
        min(width, int(hole.centre_x + reach) + 1),
        min(height, int(hole.centre_y + reach) + 1),
    )


def _taken(points: Points, hole: Ellipse, mask: Mask) -> Mask:
    """What of the hole shows the actor's picture: the face with its edge, and all above the
    cheeks, where hair is; beside the jaw there is only the actor's background."""
    oval = points[OVAL]
    centre = oval.mean(axis=0)
    taken = polygon(centre + (oval - centre) * _FACE_AND_EDGE, (mask.shape[0], mask.shape[1]))
    taken |= ellipses.region(hole, (mask.shape[0], mask.shape[1]), scale=_HOLE, upper_half=True)
    return taken & mask


def _placement(face: Ellipse, hole: Ellipse) -> Affine:
    """The map that turns, scales and a little stretches the face's ellipse into the hole."""
    wide, tall = hole.axis_x / face.axis_x, hole.axis_y / face.axis_y
    middle = float(np.sqrt(wide * tall))
    stretched = np.diag(np.clip([wide, tall], middle / _STRETCH, middle * _STRETCH))
    matrix = _rotation(hole.angle) @ stretched @ _rotation(-face.angle)
    shift = (hole.centre_x, hole.centre_y) - matrix @ (face.centre_x, face.centre_y)
    return np.column_stack([matrix, shift])


def _laid(actor: Pixels, affine: Affine, size: tuple[int, int]) -> Pixels:
    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    if scale < 0.7:  # shrink first: a warp alone would alias
        small = (max(1, round(actor.shape[1] * scale)), max(1, round(actor.shape[0] * scale)))
        actor = np.asarray(cv2.resize(actor, small, interpolation=cv2.INTER_AREA), np.uint8)
        affine = np.column_stack([affine[:, :2] / scale, affine[:, 2]])
    laid = cv2.warpAffine(actor, affine, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.uint8)


def _rotation(degrees: float) -> Affine:
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _inpainted(image: Pixels, mask: Mask) -> Pixels:
    """The hole filled from its surroundings, coarsely: only its rim will show through."""
    scale = min(1.0, _INPAINT_SIDE / max(mask.shape))
    size = (max(2, round(mask.shape[1] * scale)), max(2, round(mask.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    hole = cv2.dilate(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.ones((3, 3)))
    filled = cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA)
    large = cv2.resize(filled, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.where(mask[..., None] > 0, large, image), np.uint8)


def _lower_ring(hole: Ellipse, shape: tuple[int, int]) -> Mask:
    """Around the lower half of the hole: neck and jaw, where skin is likeliest."""
    ring = ellipses.region(hole, shape, scale=_RING)
    ring[ellipses.region(hole, shape, scale=_HOLE + 0.02) > 0] = 0
    ring[: int(hole.centre_y + hole.axis_y * 0.3)] = 0
    return ring


def _light(
    scene: Pixels, surroundings: Pixels, ring: Mask, actor: Pixels, actor_skin: Mask
) -> NDArray[np.float32]:
    """What each channel of the actor is to be multiplied by, to be lit like the scene."""
    own = np.median(actor[actor_skin > 0], axis=0) if actor_skin.any() else _mean(actor)
    goal = _skin_tone(surroundings, ring, _mean(scene))
    if goal is None:
        own, goal = _mean(actor), _mean(scene)
    gain = (goal + 1) / (own + 1)
    tint = np.clip(gain / gain.mean(), *_TINT)
    return np.asarray(np.clip(gain.mean(), *_BRIGHTENING) * tint, np.float32)


def _skin_tone(
    surroundings: Pixels, ring: Mask, cast: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The colour of neck and jaw in the ring, if there seems to be skin: as it is, or once the
    scene's cast (blue night, warm lamp, dark room) is taken off."""
    least = _LEAST_SKIN * np.count_nonzero(ring)
    balanced = np.clip(surroundings * (_MIDDLE_GREY / (cast + 1)), 0, 255).astype(np.uint8)
    for seen in (surroundings, balanced):
        skin = (ring > 0) & _skin_coloured(seen)
        if np.count_nonzero(skin) >= max(least, 1):
            return _bright_middle(surroundings[skin])
    return None


def _bright_middle(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The median of the brighter half: part of the neck lies in the chin's shadow."""
    brightness = colours.sum(axis=1, dtype=np.int32)
    bright = colours[brightness >= np.median(brightness)]
    return np.asarray(np.median(bright, axis=0), np.float64)


def _mean(image: Pixels) -> NDArray[np.float64]:
    return np.asarray(cv2.mean(image)[:3], np.float64)


def _coloured_like(scene: Pixels, part: Plane) -> Plane:
    """Without colour where the scene has none."""
    small = cv2.resize(scene, (64, 64), interpolation=cv2.INTER_AREA)
    if np.ptp(small, axis=2).mean() >= _COLOURLESS:
        return part
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.merge([grey, grey, grey]), np.float32)


def _skin_coloured(image: Pixels) -> NDArray[np.bool_]:
    """A wide gate in chroma, for any shade of skin: reddish and yellowish, never grey."""
    chroma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    low, high = (20, 136, 80), (255, 180, 127)
    return np.asarray(cv2.inRange(chroma, low, high), np.uint8) > 0
