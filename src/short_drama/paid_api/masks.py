"""Masks around boxes: a black ellipse, with a soft rim where that is wanted, and a note of where it
is in the picture's metadata."""

from typing import Final, NamedTuple

import cv2
import numpy as np

from short_drama.domain.sizes import Size
from short_drama.images.codec import Picture
from short_drama.images.colour import Pixels
from short_drama.images.mask_note import MaskNote
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces.ellipse import paint, region

_DARK: Final = 20
"""The lightest level of a painted mask once a JPEG has been made of it."""
_FLAT: Final = 0.985
"""Share of the inner ellipse that must be as dark as that."""


class NotedMask(NamedTuple):
    ellipse: Ellipse
    rim: float
    """Pixels outside of the ellipse in which black fades out."""


def paint_soft(image: Pixels, ellipse: Ellipse, *, feather: float) -> Pixels:
    """The picture with the ellipse painted black.

    `feather` is the width of a rim outside the ellipse in which black fades out, as a share of the
    shorter half axis; what is inside stays black all over.
    """
    if feather == 0:
        return paint(image, ellipse)
    height, width = image.shape[:2]
    rim = _rim(ellipse, feather)
    outside = np.where(region(ellipse, (height, width)) > 0, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    light = np.clip(distance / rim, 0.0, 1.0)[..., None]
    faded: Pixels = np.round(image * light).astype(np.uint8)
    return faded


def note_of(ellipse: Ellipse, size: Size, *, feather: float) -> MaskNote:
    """Of a mask that `paint_soft` has painted."""
    return MaskNote(
        centre_x=ellipse.centre_x,
        centre_y=ellipse.centre_y,
        axis_x=ellipse.axis_x,
        axis_y=ellipse.axis_y,
        angle=ellipse.angle,
        rim=_rim(ellipse, feather) if feather else 0.0,
        width=size.width,
        height=size.height,
    )


def noted(picture: Picture) -> NotedMask | None:
    """The mask that the picture's metadata tell of; None where they tell of none, or of one where
    the picture has no black."""
    told = picture.label and picture.label.mask
    note = told.on(picture.size) if told else None
    if note is None or max(note.axis_x, note.axis_y) > max(picture.size):
        return None
    ellipse = Ellipse(note.centre_x, note.centre_y, note.axis_x, note.axis_y, note.angle)
    return NotedMask(ellipse, note.rim) if _is_black(picture.pixels, ellipse) else None


def _is_black(pixels: Pixels, ellipse: Ellipse) -> bool:
    inner = pixels[region(ellipse, (pixels.shape[0], pixels.shape[1]), scale=0.9) > 0]
    return len(inner) > 0 and float((inner <= _DARK).all(axis=-1).mean()) >= _FLAT


def _rim(ellipse: Ellipse, feather: float) -> float:
    return max(feather * min(ellipse.axis_x, ellipse.axis_y), 1.0)
