"""How a masked face was lit: read from the ring around the hole, and doubted."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces import ellipse as ellipses

Mask = NDArray[np.uint8]
Colour = NDArray[np.float64]
"""Red, green, blue."""
Colours = NDArray[np.uint8]
"""n x 3."""

RING: Final = 1.4
"""Outer edge, in axes of the hole."""
_INNER: Final = 1.05
_BELOW: Final = 0.3
"""Only what is lower than this, in axes below the middle, is looked at: neck and jaw."""
_LEAST_SKIN: Final = 0.05
"""Of the ring; with less, the light is judged from the whole picture."""
_MOSTLY_SKIN: Final = 0.35
"""Of the ring; with less, what is of skin's colour may be a beard, hair, or a coat."""
_LIT: Final = 0.6
"""Part of the neck lies in the chin's shadow: only the brightest pixels above this quantile count.
With it and RING, over 29 faces the ring's brightness was the face's own within 20 % in most."""
_USUAL: Final = 136.0
"""Brightness of a face, of 255, the geometric mean of those 29."""
_DAYLIGHT: Final = 90.0
"""Mean brightness of a picture, of 255, below which faces are darker as well."""
_SURE, _UNSURE = (0.55, 1.5), (0.75, 1.3)
"""Bounds of a face's brightness, in parts of the usual one: a brown beard passes for skin."""
_TINT, _LITTLE_TINT = (0.6, 1.6), (0.7, 1.4)
_WHITE, _HIGHLIGHT = 250.0, 0.95
"""The actor's skin is not made brighter than that, up to this quantile of it."""
_THINNED: Final = 128
"""Rows and columns, about, that are enough to know a picture's light."""
_WHITEST: Final = 0.95
_COLLAR: Final = 0.06
"""Saturation in white light, below which nothing is skin."""
_LUMA: Final = np.array([0.299, 0.587, 0.114])  # Rec. 601


def lighting(around: Pixels, hole: Ellipse, scene: Colours, skin: Colours) -> NDArray[np.float32]:
    """What each channel of the actor is to be multiplied by, to be lit like the scene.

    `around` is the part of the scene around the hole; `scene` has the pixels of the whole scene
    without it, `skin` the actor's. Where the ring is mostly not skin, what it says is kept within
    narrow bounds.
    """
    own = np.median(skin, axis=0)
    daylight = min(1.0, float(scene.mean(axis=0) @ _LUMA) / _DAYLIGHT) if len(scene) else 1.0
    usual = _USUAL * float(np.sqrt(daylight))
    tone, share = _skin_tone(around, _lower_ring(hole, around.shape[:2]), _white(scene))
    bounds, tints = (_SURE, _TINT) if share >= _MOSTLY_SKIN else (_UNSURE, _LITTLE_TINT)
    goal = own if tone is None else tone
    bright = usual if tone is None else np.clip(goal @ _LUMA, bounds[0] * usual, bounds[1] * usual)
    brighter = (bright + 1) / (own @ _LUMA + 1)
    room = _WHITE / max(float(np.quantile(skin @ _LUMA, _HIGHLIGHT)), 1.0)
    gain = (goal + 1) / (own + 1)
    tint = np.clip(gain / (gain @ _LUMA), *tints)
    return np.asarray(min(brighter, max(1.0, room)) * tint, np.float32)


def outside(scene: Pixels, hole: Ellipse) -> Colours:
    """Some of the picture's pixels, from everywhere but the hole, whose black tells nothing."""
    step = max(1, min(scene.shape[:2]) // _THINNED)
    few = scene[::step, ::step]
    axes = hole.axis_x / step, hole.axis_y / step
    there = Ellipse(hole.centre_x / step, hole.centre_y / step, *axes, hole.angle)
    colours: Colours = few[ellipses.region(there, (few.shape[0], few.shape[1])) == 0]
    return colours


def _white(scene: Colours) -> Colour:
    """What white looks like in this light: in most pictures something is."""
    return np.quantile(scene, _WHITEST, axis=0) if len(scene) else np.full(3, 255.0)


def _lower_ring(hole: Ellipse, shape: tuple[int, ...]) -> Mask:
    ring = ellipses.region(hole, (shape[0], shape[1]), scale=RING)
    ring[ellipses.region(hole, (shape[0], shape[1]), scale=_INNER) > 0] = 0
    ring[: max(0, int(hole.centre_y + hole.axis_y * _BELOW))] = 0
    return ring


def _skin_tone(around: Pixels, ring: Mask, white: Colour) -> tuple[Colour | None, float]:
    """The colour of what seems to be skin in the ring, if there is any, and its share of the ring:
    as it is, or once the scene's light (blue night, warm lamp, dark room) is made white. What then
    has no colour is a collar."""
    balanced = np.clip(around * (255 / (white + 1)), 0, 255).astype(np.uint8)
    collar = np.ptp(balanced, axis=2) < _COLLAR * balanced.max(axis=2)
    as_is = (ring > 0) & _skin_coloured(around)
    size = max(1, int(np.count_nonzero(ring)))
    for skin in (as_is & ~collar, as_is, (ring > 0) & _skin_coloured(balanced)):
        share = int(np.count_nonzero(skin)) / size
        if share >= _LEAST_SKIN:
            return _brightest(around[skin]), share
    return None, 0.0


def _brightest(colours: Colours) -> Colour:
    brightness = colours @ _LUMA
    bright = colours[brightness >= np.quantile(brightness, _LIT)]
    return np.asarray(np.median(bright, axis=0), np.float64)


def _skin_coloured(image: Pixels) -> NDArray[np.bool_]:
    """A wide gate in chroma, for any shade of skin: reddish and yellowish, never grey."""
    chroma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    low, high = (20, 136, 80), (255, 180, 127)
    return np.asarray(cv2.inRange(chroma, low, high), np.uint8) > 0
