"""Paste the face that a generator made into the still: the rest stays the still's own.

A generator draws its whole picture anew, which shows as other grain, other colours and edges that
have moved. So only the hole is taken from what it made, in the still's colours. No pixel outside of
the hole is changed: what is soft about the seam lies inside of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces import ellipse as ellipses
from short_drama.paid_api.local_faces.ellipse import Mask
from short_drama.paid_api.local_faces.warp import Region
from short_drama.paid_api.seam import Seam, reach, seam_of, shift_between

CHANGED: Final = (
    "SeeDream changed the picture around the face, too: look at the seam. All that it made is kept "
    "as frame_url"
)

_LARGE: Final = 2_500_000
"""Pixels of a still, beyond which a generator is shown only what surrounds the face: of more than
Full HD it would make less than there was, or a dearer picture."""
_SURROUNDINGS: Final = 2.8
"""Times the hole: head and shoulders, and where the light comes from."""
_LEAST_SIDE: Final = 384
_OTHER_SHAPE: Final = 0.002
_FEATHER: Final = 0.14
"""Of the shorter half axis."""
_DIFFERENT: Final = 18.0
"""Levels of 255 by which the ring may be off in the mean, once its colours are matched."""
_BETTER: Final = 0.9
_DARK: Final = 12.0
"""Mean level inside a hole that is painted black; JPEG makes it 0.5."""
_SMEAR: Final = 0.04
_SMEAR_PIXELS: Final = 3
"""JPEG smears black this far over the rim, in half axes and in pixels."""
_DARKER: Final = 16
"""Levels by which smeared pixels are darker than what was made there."""
_ROUNDING: Final = 1.5
"""Pixels: an ellipse that was told in hundredths is painted this close to the original."""


@dataclass(frozen=True, slots=True)
class Hole:
    """What is to be replaced; `known`: the scene shows what was there, and no black."""

    ellipse: Ellipse
    known: bool = False


@dataclass(frozen=True, slots=True)
class Pasted:
    image: Pixels
    warnings: tuple[str, ...] = ()


def shown(ellipse: Ellipse, width: int, height: int) -> Region:
    """The part of a picture that a generator is to see: all of it, or of a large one a square
    around the face, as far as there is room for it."""
    if width * height <= _LARGE:
        return Region(0, 0, width, height)
    side = max(_LEAST_SIDE, round(2 * _SURROUNDINGS * max(ellipse.axis_x, ellipse.axis_y)))
    left, right = _span(ellipse.centre_x, side, width)
    top, bottom = _span(ellipse.centre_y, side, height)
    return Region(left, top, right, bottom)


def _span(centre: float, length: int, limit: int) -> tuple[int, int]:
    """From where to where a length goes that has its middle there if it can."""
    length = min(length, limit)
    start = min(max(round(centre - length / 2), 0), limit - length)
    return start, start + length


def paste(scene: Pixels, frame: Pixels, part: Region, hole: Hole) -> Pasted:
    """The scene with the hole as in `frame`, which shows `part` of it at any size."""
    near = _near(hole, part)
    own, local = near.of(scene), replace(hole, ellipse=_seen_from(near, hole.ellipse))
    made, seam = _best(own, frame, part, near, local)
    in_colours = np.asarray(cv2.LUT(made, seam.colours), np.uint8)
    image = scene.copy()
    near.of(image)[:] = _blended(own, in_colours, local, seam)
    return Pasted(image, (CHANGED,) if seam.difference > _DIFFERENT else ())


def _best(
    own: Pixels, frame: Pixels, part: Region, near: Region, hole: Hole
) -> tuple[Pixels, Seam]:
    """What was made of `near`, laid where it agrees best with what is there: a provider's picture
    may be cut or stretched to its size, and its framing a few pixels off."""

    def laid(whole: Pixels, right: float, down: float) -> tuple[Pixels, Seam]:
        made = _moved(whole, near.left - part.left + right, near.top - part.top + down, own)
        return made, seam_of(own, made, hole.ellipse)

    tried = [(whole, *laid(whole, 0.0, 0.0)) for whole in _ways(frame, part.size)]
    whole, made, seam = min(tried, key=lambda each: each[2].difference)
    shift = shift_between(own, made, hole.ellipse)
    if shift is not None:
        moved, moved_seam = laid(whole, *shift)
        if moved_seam.difference < _BETTER * seam.difference:
            return moved, moved_seam
    return made, seam


def _moved(whole: Pixels, left: float, top: float, like: Pixels) -> Pixels:
    """What lies there, as large as `like`; the edge goes on where the picture ends."""
    matrix = np.array([[1, 0, left], [0, 1, top]], np.float64)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (like.shape[1], like.shape[0])
    moved = cv2.warpAffine(whole, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _near(hole: Hole, part: Region) -> Region:
    """All of the part that is looked at or changed."""
    ellipse, far = hole.ellipse, reach(hole.ellipse)
    return Region(
        min(max(int(ellipse.centre_x - far), part.left), part.right - 1),
        min(max(int(ellipse.centre_y - far), part.top), part.bottom - 1),
        max(min(int(ellipse.centre_x + far) + 1, part.right), part.left + 1),
        max(min(int(ellipse.centre_y + far) + 1, part.bottom), part.top + 1),
    )


def _seen_from(near: Region, ellipse: Ellipse) -> Ellipse:
    return replace(
        ellipse, centre_x=ellipse.centre_x - near.left, centre_y=ellipse.centre_y - near.top
    )


def fitted(frame: Pixels, size: tuple[int, int]) -> Pixels:
    """The picture in that size, width and height: a provider only comes close to what it is asked
    for. What is too much in one direction is cut off, for stretching would change a face."""
    width, height = size
    scale = max(width / frame.shape[1], height / frame.shape[0])
    scaled = (max(width, round(frame.shape[1] * scale)), max(height, round(frame.shape[0] * scale)))
    resized = at_size(frame, scaled)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return np.ascontiguousarray(resized[top : top + height, left : left + width])


def at_size(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Stretched, where the shape is another."""
    way = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def _ways(frame: Pixels, size: tuple[int, int]) -> Iterator[Pixels]:
    """How the frame may have come about from a picture of that size: cut, or stretched. Its shape
    does not tell; what surrounds the hole does."""
    yield fitted(frame, size)
    aspects = frame.shape[1] / frame.shape[0], size[0] / size[1]
    if abs(aspects[0] / aspects[1] - 1) > _OTHER_SHAPE:
        yield at_size(frame, size)


def _blended(own: Pixels, made: Pixels, hole: Hole, seam: Seam) -> Pixels:
    """Towards the rim, the face fades into what was there, or else into its own colours as the
    surroundings have them."""
    black = not hole.known and _is_dark(own, hole.ellipse)
    mask = _cover(own, made, hole) if black else _region(own, hole.ellipse, 0.0)
    feather = max(2.0, _FEATHER * min(hole.ellipse.axis_x, hole.ellipse.axis_y))
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weight = np.clip(distance / np.float32(feather), 0, 1)
    weight *= weight * (3 - 2 * weight)
    under = seam.carried_into(made) if black else own
    mixed = np.asarray(cv2.blendLinear(made, under, weight, 1 - weight), np.uint8)
    return np.asarray(np.where(mask[..., None] > 0, mixed, own), np.uint8)


def _cover(own: Pixels, made: Pixels, hole: Hole) -> Mask:
    """All that a mask has blackened: the ellipse, and what a JPEG has smeared."""
    core = _region(own, hole.ellipse, 0.0)
    if not own[_region(own, hole.ellipse, -_ROUNDING) > 0].any():
        edge = _region(own, hole.ellipse, _ROUNDING)
        return core | (edge & np.where(own.any(axis=2), 0, 255).astype(np.uint8))
    shorter = min(hole.ellipse.axis_x, hole.ellipse.axis_y)
    edge = _region(own, hole.ellipse, _SMEAR * shorter + _SMEAR_PIXELS)
    grey, goal = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (own, made))
    darker = np.where(cv2.subtract(goal, grey) > _DARKER, 255, 0).astype(np.uint8)
    return core | (edge & darker)


def _is_dark(own: Pixels, ellipse: Ellipse) -> bool:
    core = ellipses.region(ellipse, _shape(own), scale=0.9)
    return max(cv2.mean(own, mask=core)[:3]) <= _DARK


def _region(own: Pixels, ellipse: Ellipse, further: float) -> Mask:
    return ellipses.region(ellipse.grown(further), _shape(own))


def _shape(image: Pixels) -> tuple[int, int]:
    return image.shape[0], image.shape[1]
