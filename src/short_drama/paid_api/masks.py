"""Masks around boxes: a black ellipse, with a soft rim where that is wanted."""

import cv2
import numpy as np

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces.ellipse import paint, region


def paint_soft(image: Pixels, ellipse: Ellipse, *, feather: float) -> Pixels:
    """The picture with the ellipse painted black.

    `feather` is the width of a rim outside the ellipse in which black fades out, as a share of the
    shorter half axis; what is inside stays black all over.
    """
    if feather == 0:
        return paint(image, ellipse)
    height, width = image.shape[:2]
    rim = feather * min(ellipse.axis_x, ellipse.axis_y)
    outside = np.where(region(ellipse, (height, width)) > 0, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    light = np.clip(distance / max(rim, 1.0), 0.0, 1.0)[..., None]
    faded: Pixels = np.round(image * light).astype(np.uint8)
    return faded
