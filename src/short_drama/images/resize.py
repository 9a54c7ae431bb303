"""Pictures at other sizes.

Lanczos in both directions: enlarging, it is the sharpest of Pillow's filters; shrinking, it takes
every pixel into account, for Pillow widens a filter by the factor.
"""

from io import BytesIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from short_drama.domain.sizes import Size
from short_drama.images.codec import Pixels, write
from short_drama.images.structure import PNG, blaming_the_bytes

_KEPT = ("L", "RGB", "RGBA")
"""Modes that can be scaled and saved as they are."""


def resized(pixels: Pixels, size: Size) -> Pixels:
    return np.asarray(_scaled(Image.fromarray(pixels), size))


def resized_png(data: bytes, size: Size) -> bytes:
    """The PNG's picture at that size, without any metadata.

    For an engine's own files, whatever their number of pixels: not for those of users. Raises
    ImageRejected when the bytes are damaged.
    """
    picture = blaming_the_bytes(lambda: _opened(data))
    return write(_scaled(picture, size), PNG, label=None)


def _opened(data: bytes) -> Image.Image:
    image = PngImageFile(BytesIO(data))
    image.load()
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut off at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image if image.mode in _KEPT else image.convert("RGB")


def _scaled(image: Image.Image, size: Size) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS)
