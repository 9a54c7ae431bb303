"""What a Content-Encoding header says, and the bytes behind it, within a limit.

We ask for no coding. Some servers use one all the same, for the object was stored so; many more
name what is none (`aws-chunked`, `UTF-8`, `none`), left over from somebody's upload.
"""

import zlib
from typing import Final

from short_drama.domain.errors import UrlUnreachable

_READ: Final = frozenset({"gzip", "x-gzip", "deflate"})
_NOT_READ: Final = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
"""With `_READ` all that IANA's registry of content codings has for whole bodies."""
_STEP: Final = 2**20
_MEMBERS: Final = 16
"""Of one gzip file: as many as there are bytes to begin one would take a thread minutes."""
_GZIP: Final = b"\x1f\x8b"
_GZIP_OR_ZLIB, _RAW = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS
_FIX: Final = "Store the image without Content-Encoding: an image is compressed already."


class TooMuch(Exception):
    """More bytes come out than are wanted."""


def coding_of(header: str) -> str | None:
    """The coding that the bytes have, or None for plain ones.

    Raises UrlUnreachable for one that is not read, and for several.
    """
    named = [name.strip().lower() for name in header.split(",")]
    real = [name for name in named if name in _READ | _NOT_READ]
    if not real:
        return None
    if len(real) > 1 or real[0] in _NOT_READ:
        told = ", ".join(real)[:80]
        raise UrlUnreachable(f"the server compressed its answer ({told})", fix=_FIX)
    return real[0]


def plain(data: bytes, coding: str, *, limit: int) -> bytes:
    """What `data` holds: at most `limit` bytes, and no more than a step beyond are ever made.

    Raises TooMuch, and UrlUnreachable for bytes that are not so coded, or end early.
    """
    made = bytearray()
    try:
        for _ in range(_MEMBERS):
            data = _member(data, coding, made, limit)
            if not data.startswith(_GZIP):  # padding, or nothing
                return bytes(made)
    except zlib.error:
        raise UrlUnreachable(f"the server's answer is not the {coding} it says", fix=_FIX) from None
    raise UrlUnreachable(f"the server's answer is more than {_MEMBERS} gzip files", fix=_FIX)


def _member(data: bytes, coding: str, made: bytearray, limit: int) -> bytes:
    """Adds the first member's bytes to `made`, and gives what comes after it."""
    reader = zlib.decompressobj(_window(data, coding))
    while not reader.eof:
        came = reader.decompress(data, _STEP)
        if not came and not reader.eof:
            raise UrlUnreachable("the server's compressed answer ends early", fix=_FIX)
        made += came
        if len(made) > limit:
            raise TooMuch
        data = reader.unconsumed_tail
    return reader.unused_data


def _window(data: bytes, coding: str) -> int:
    """`deflate` is zlib's format by RFC 9110, and a bare stream from some servers."""
    with_header = data[:1] == b"\x78" and int.from_bytes(data[:2], "big") % 31 == 0
    return _RAW if coding == "deflate" and not with_header else _GZIP_OR_ZLIB
