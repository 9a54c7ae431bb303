"""Whether a JPEG holds the picture that its header claims.

Where data ends before the picture does, libjpeg invents the rest in grey and says so nowhere that
Pillow would tell. Two things betray it:

* each 8 x 8 block of a scan takes a bit at least, and the first scan says something of every block;
* of a picture that is read in one go, the last pixel is there before the mark of its end is read.
"""

import struct
from io import BytesIO
from math import ceil
from typing import Any, Final

from PIL.ImageFile import ImageFile

from short_drama.domain.errors import ImageRejected

HUFFMAN: Final = frozenset({0xC0, 0xC1, 0xC2})
"""Frame headers of pictures whose codes have whole bits."""
_AHEAD: Final = 8
"""Bytes that libjpeg fills its buffer of bits with (`jdhuff.h`): too few for a row of blocks."""


class OneScan(BytesIO):
    """The bytes of a JPEG with one scan, which notes the last pixel when its reader has had all of
    the scan and wants more. Zeros follow it, for libjpeg decodes nothing while it has no bits
    ahead; of a whole picture that is all it asks for.

    Args:
        end: where the scan's bytes end.
    """

    def __init__(self, data: bytes, *, end: int) -> None:
        super().__init__(data)
        self._end = end
        self.image: ImageFile | None = None
        self.last: Any = None
        self._ahead = bytes(_AHEAD)

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._end - self.tell()
        if left > 0:
            return super().read(left if size is None or size < 0 else min(size, left))
        if left == 0 and self.image is not None:
            if self._ahead:
                ahead, self._ahead = self._ahead, b""
                return ahead
            self.last = _last_pixel(self.image)
        return super().read(size)


def load_whole(image: ImageFile) -> None:
    """Decode it. Raises ImageRejected for one of whose pixels some were never sent."""
    scan = image.fp
    if not isinstance(scan, OneScan):
        image.load()
        return
    scan.image = image
    image.load()
    scan.image = None
    if scan.last is not None and scan.last != _last_pixel(image):
        raise ends_early()


def _last_pixel(image: ImageFile) -> Any:
    width, height = image.size
    return image.im.getpixel((width - 1, height - 1))


def bits_at_least(frame: bytes, scan: bytes) -> int:
    """That the scan takes, by ITU T.81, A.2: a bit for each of its blocks.

    Args:
        frame, scan: what follows the lengths in the headers of both.

    Raises IndexError, KeyError, ZeroDivisionError or struct.error when they make no sense.
    """
    height, width, count = struct.unpack_from(">HHB", frame, 1)
    sampling = {
        frame[at]: (frame[at + 1] >> 4, frame[at + 1] & 15) for at in range(6, 6 + 3 * count, 3)
    }
    if not sampling:
        raise IndexError("a frame without components")
    across = max(h for h, _ in sampling.values())
    down = max(v for _, v in sampling.values())
    inside = [sampling[scan[at]] for at in range(1, 1 + 2 * scan[0], 2)]
    if len(inside) == 1:
        ((h, v),) = inside
        return _blocks(width, h, across) * _blocks(height, v, down)
    units = _blocks(width, 1, across) * _blocks(height, 1, down)
    return units * sum(h * v for h, v in inside)


def _blocks(pixels: int, sampling: int, most: int) -> int:
    """Along one side."""
    return ceil(pixels * sampling / (8 * most))


def ends_early() -> ImageRejected:
    return ImageRejected(
        "the image is damaged or incomplete (its data ends before the picture does)",
        fix="Open it in an image program and save it again.",
    )
