"""Pictures that are small to send and costly to read, and honest ones that are large."""

import io
import os
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

_TAGS = 65_535
_ASCII = 2


def bombs(count: int) -> Iterator[bytes]:
    """40 megapixels each in a few kilobytes, no two the same: every other one is a PNG with a bit
    for each pixel, the others are WebP with transparency."""
    for number in range(count):
        out = io.BytesIO()
        if number % 2:
            Image.new("RGBA", (8000, 5000), (number, 0, 0, 9)).save(out, "WEBP", lossless=True)
        else:
            Image.new("1", (8192, 4882 - number)).save(out, "PNG")
        yield out.getvalue()


def plain() -> bytes:
    """Of 3 megapixels."""
    out = io.BytesIO()
    Image.new("1", (2000, 1500)).save(out, "PNG")
    return out.getvalue()


def noise(count: int) -> Iterator[bytes]:
    """PNGs of almost 20 MiB that cannot be made smaller, no two the same."""
    side = 2640
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(
        out, "PNG", compress_level=0
    )
    head, end = out.getvalue()[:-12], out.getvalue()[-12:]
    for number in range(count):
        yield head + _chunk(b"tEXt", b"Comment\0%d" % number) + end


def warnings() -> bytes:
    """A PNG of 0.8 MB whose EXIF has as many broken entries as it may."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    entries = (struct.pack("<HHII", tag, _ASCII, 100_000, 2**31) for tag in range(_TAGS))
    exif = b"II*\0" + struct.pack("<IH", 8, _TAGS) + b"".join(entries) + bytes(4)
    at = 8 + 25  # behind the signature and IHDR
    return out.getvalue()[:at] + _chunk(b"eXIf", exif) + out.getvalue()[at:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
