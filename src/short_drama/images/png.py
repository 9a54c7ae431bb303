"""Give a PNG another label without touching its pixels: no decoding, no encoding, no loss."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from short_drama.domain.errors import ImageRejected
from short_drama.images.labels import Label

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PICTURE: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""The chunks that pixels are made of; all others are metadata (PNG, third edition, section 11)."""
_XMP_KEYWORD: Final = b"XML:com.adobe.xmp"


def relabelled(data: bytes, label: Label) -> bytes:
    """The same picture, with `label` as its only metadata: ComfyUI, for one, writes its whole
    workflow and prompt into every file.

    Raises ImageRejected when the bytes are not a complete PNG.
    """
    kept = [(name, chunk) for name, chunk in _chunks(data) if name in _PICTURE]
    if not kept or kept[0][0] != b"IHDR" or kept[-1][0] != b"IEND":
        raise ImageRejected("the PNG is incomplete")
    head, *rest = (chunk for _, chunk in kept)
    return b"".join((_SIGNATURE, head, _xmp_chunk(label), *rest))


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and whole bytes of each chunk that is there to its end."""
    if not data.startswith(_SIGNATURE):
        raise ImageRejected("the bytes are not a PNG")
    view, at = memoryview(data), len(_SIGNATURE)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield name, view[at:end]
        at = end


def _xmp_chunk(label: Label) -> bytes:
    # iTXt: keyword, then no compression, no language and no translated keyword.
    body = b"iTXt" + _XMP_KEYWORD + b"\0\0\0\0\0" + label.xmp()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
