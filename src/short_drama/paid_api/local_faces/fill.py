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
from short_drama.paid_api.local_faces.actor import PERSON, Actor, Cutout
from short_drama.paid_api.local_faces.blend import (
    Mask,
    Plane,
    multiband,
    nearly_white,
    polygon,
    skin_mask,
)
from short_drama.paid_api.local_faces.forehead import covered
from short_drama.paid_api.local_faces.landmarks import (
    CHIN,
    FOREHEAD,
    LEFT_EYE,
    OVAL,
    RIGHT_EYE,
    Points,
)
from short_drama.paid_api.local_faces.ring import RING, lighting, outside
from short_drama.paid_api.local_faces.warp import Region
from short_drama.paid_api.local_faces.whites import whites

Affine = NDArray[np.float64]
"""2 x 3, or its 2 x 2 part."""

_HOLE: Final = 1.03
"""JPEG smears the mask's edge: a little more than the ellipse is replaced."""
_STRETCH: Final = 1.12
_INPAINT_SIDE: Final = 256
_FEATHER: Final = 0.045
_AROUND_JAW: Final = 1.12
"""With some of ears and neck, where the wall behind them is cut away."""
_COLOURLESS: Final = 4.0
"""Mean difference of a pixel's channels, of 255, below which a picture is black and white."""


def fill_mask(scene: Pixels, hole: Ellipse, actor: Actor) -> Pixels:
    """The scene with the actor's face in the hole; pixels outside of it are the scene's own.

    Of the actor's picture only the face is taken: neither hair, nor the wall behind it. What else
    the hole showed, such as the scene's own fringe, is continued from around the hole.
    """
    region = _around(hole, scene)
    local = Ellipse(
        hole.centre_x - region.left, hole.centre_y - region.top,
        hole.axis_x, hole.axis_y, hole.angle,
    )  # fmt: skip
    shape = (region.size[1], region.size[0])
    mask = ellipses.region(local, shape, scale=_HOLE)
    background = _inpainted(region.of(scene), mask)
    affine = _placement(ellipses.of_mesh(actor.mesh), local)
    points = actor.mesh.flat @ affine[:, :2].T + affine[:, 2]
    laid = _laid(actor.cutout, affine, region.size)
    outline = _outline(points, shape, _AROUND_JAW if actor.set_apart else 1.0)
    outline[laid[..., 3] < PERSON] = 0
    outline &= mask
    part = np.ascontiguousarray(laid[..., :3])
    outline[covered(part, points, outline) > 0] = 0
    skin = skin_mask(points, outline)
    lit: Pixels | Plane = part
    if skin.any():
        light = lighting(background, local, outside(scene, hole), part[skin > 0])
        lit = _coloured_like(scene, _lit(part, light, whites(part, points, skin)))
    blended = multiband(lit, background, outline, feather=_FEATHER * 2 * hole.axis_x)
    result = scene.copy()
    inside = mask > 0
    region.of(result)[inside] = blended[inside]
    return result


def _around(hole: Ellipse, scene: Pixels) -> Region:
    reach = max(hole.axis_x, hole.axis_y) * (RING + 0.1)
    height, width = scene.shape[:2]
    return Region(
        max(0, int(hole.centre_x - reach)),
        max(0, int(hole.centre_y - reach)),
        min(width, int(hole.centre_x + reach) + 1),
        min(height, int(hole.centre_y + reach) + 1),
    )


def _outline(points: Points, shape: tuple[int, int], below_eyes: float) -> Mask:
    """The face as far as the hairline, and `below_eyes` times as wide there."""
    oval = points[OVAL]
    eyes = points[LEFT_EYE + RIGHT_EYE].mean(axis=0)
    down = points[CHIN] - points[FOREHEAD]
    below = (oval - eyes) @ down > 0
    room = np.where(below, below_eyes, 1.0)[:, None]
    return polygon(eyes + (oval - eyes) * room, shape)


def _placement(face: Ellipse, hole: Ellipse) -> Affine:
    """The map that turns, scales and a little stretches the face's ellipse into the hole."""
    wide, tall = hole.axis_x / face.axis_x, hole.axis_y / face.axis_y
    middle = float(np.sqrt(wide * tall))
    stretched = np.diag(np.clip([wide, tall], middle / _STRETCH, middle * _STRETCH))
    matrix = _rotation(hole.angle) @ stretched @ _rotation(-face.angle)
    shift = (hole.centre_x, hole.centre_y) - matrix @ (face.centre_x, face.centre_y)
    return np.column_stack([matrix, shift])


def _laid(actor: Cutout, affine: Affine, size: tuple[int, int]) -> Cutout:
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


def _lit(part: Pixels, light: NDArray[np.float32], white: Plane | None) -> Plane:
    """Eyes and teeth keep their white, as in a swap."""
    lit = part * light
    if white is not None:
        lit += white[..., None] * (part * nearly_white(light, light) - lit)
    return np.asarray(lit, np.float32)


def _coloured_like(scene: Pixels, part: Plane) -> Plane:
    """Without colour where the scene has none."""
    small = cv2.resize(scene, (64, 64), interpolation=cv2.INTER_AREA)
    if np.ptp(small, axis=2).mean() >= _COLOURLESS:
        return part
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.merge([grey, grey, grey]), np.float32)
