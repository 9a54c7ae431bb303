"""The demo's photographs: a still, and the same person as if photographed another time.

Nobody's face is put on somebody else: the face that comes in is the astronaut's own, mirrored,
closer and in another light. So the demo shows the whole pipeline and forges no one.
"""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from short_drama.images.codec import Pixels, encode

SAMPLE: Final = "astronaut.png"
"""Eileen Collins, NASA, 1999; public domain. 512 x 512."""

_HEAD: Final = (116, 0, 340, 224)
_ACTOR_SIDE: Final = 512
_WARM: Final = np.array([1.10, 1.0, 0.86], np.float32)
_FROM_THE_LEFT, _FROM_THE_RIGHT = 1.12, 0.72


def still(samples: Path) -> Pixels:
    return np.asarray(Image.open(samples / SAMPLE).convert("RGB"))


def actor(scene: Pixels) -> Pixels:
    """The still's person for another still: mirrored, closer, under a warm lamp on the left."""
    size = (_ACTOR_SIDE, _ACTOR_SIDE)
    head = Image.fromarray(scene).resize(size, Image.Resampling.LANCZOS, box=_HEAD)
    pixels = np.asarray(ImageOps.mirror(head), np.float32)
    lamp = np.linspace(_FROM_THE_LEFT, _FROM_THE_RIGHT, _ACTOR_SIDE, dtype=np.float32)
    lit = pixels * lamp[None, :, None] * _WARM
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def png(pixels: Pixels) -> bytes:
    """As uploaded; photographs carry no label."""
    return encode(pixels, "image/png", label=None)
