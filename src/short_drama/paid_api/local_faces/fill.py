"""Fill a masked face: no landmarks are left in the scene, only the ellipse.

The actor's face is laid into the ellipse frontally, as far as turning and stretching go. It shows
who would be there and how large; it is not a finished picture, and the result says so.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces import ellipse as ellipses
from short_drama.paid_api.local_faces.blend import Mask, multiband
from short_drama.paid_api.local_faces.landmarks import Mesh
from short_drama.paid_api.local_faces.warp import Region

Affine = NDArray[np.float64]
"""2 x 3, or its 2 x 2 part."""

WARNING: Final = (
    "the face was laid into the mask frontally: the masked picture no longer tells the pose; "
    "full-face-swap keeps it"
)

_HOLE: Final = 1.03
"""JPEG smears the mask's edge: a little more than the ellipse is replaced."""
_STRETCH: Final = 1.12
_RING: Final = 1.25
_LARGEST_SHIFT: Final = np.array([40, 9, 9])
"""Of L, a and b: the ring may hold hair or a collar, which must not tint the face."""
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
    part = _laid(actor, affine, region.size)
    part = _toned(part, background, mask, _lower_ring(local, shape))
    blended = multiband(part, background, mask, feather=_FEATHER * 2 * hole.axis_x)
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


def _toned(part: Pixels, scene: Pixels, hole: Mask, ring: Mask) -> Pixels:
    """Shift the part's colour towards the skin in the ring, by a bounded amount."""
    lab, around = cv2.cvtColor(part, cv2.COLOR_RGB2LAB), cv2.cvtColor(scene, cv2.COLOR_RGB2LAB)
    skin = ring.astype(bool) & _skin_coloured(scene)
    if np.count_nonzero(skin) < 0.05 * np.count_nonzero(ring):
        return part
    inside = hole.astype(bool) & _skin_coloured(part)
    if not inside.any():
        return part
    shift = np.median(around[skin], axis=0) - np.median(lab[inside], axis=0)
    shift = np.clip(shift, -_LARGEST_SHIFT, _LARGEST_SHIFT)
    toned = np.clip(lab.astype(np.float32) + shift, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(toned, cv2.COLOR_LAB2RGB), np.uint8)


def _skin_coloured(image: Pixels) -> NDArray[np.bool_]:
    """A wide gate in chroma, for any shade of skin: reddish and yellowish, never grey."""
    chroma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    low, high = (20, 136, 80), (255, 180, 127)
    return np.asarray(cv2.inRange(chroma, low, high), np.uint8) > 0
