"""What a file claims to be, judged before a single pixel is decoded.

Decoding is where hostile files hurt, so their headers are read first, by the standard library and
in one pass, and everything that decides the cost of decoding has a limit:

* bytes, pixels, sides, aspect and frames: memory is proportional to them;
* the scans of a JPEG: each one is a pass over all pixels (30 ms at 40 megapixels), and a scan
  takes 65 bytes, so 20 MiB could hold hours of them;
* what Pillow steps over in Python, holding the interpreter: PNG chunks, JPEG segments and the
  stray bytes between them. Unlimited, 20 MiB of them take 5 to 45 seconds.

The three formats' classes are called directly instead of through `Image.open`: it would try the
same class, and then judge the size by `MAX_IMAGE_PIXELS`, a module variable, with a warning whose
effect depends on process-wide state. Our own limit is stricter and needs neither.
"""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Final, TypeVar

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from short_drama.domain.errors import ImageRejected
from short_drama.domain.sizes import MAX_PIXELS, MAX_SIDE
from short_drama.images.jpeg_scan import HUFFMAN, OneScan, bits_at_least, ends_early

MAX_BYTES: Final = 20 * 2**20
"""Of what people send."""
MAX_BYTES_OF_OURS: Final = 160 * 2**20
"""Of a file that we wrote: more than `MAX_PIXELS` take in any format, 115 MiB as PNG of noise, so
that whatever was accepted or made can be used again."""
MIN_SIDE: Final = 16
MAX_ASPECT: Final = 16

MAX_SCANS: Final = 64
"""Encoders write 1, or about 10 when progressive."""
MAX_STEPS: Final = 512
"""PNG chunks or JPEG segments other than pixel data, stray bytes included. The largest colour
profile a JPEG can hold takes 255; a usual file has about 20 in all."""
MAX_DATA_CHUNKS: Final = 65_536
"""Of a PNG's pixel data; 20 MiB in the usual 8 KiB make 2,560."""

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"

T = TypeVar("T")

_ENTROPY_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_STANDALONE = frozenset({0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
"""JPEG markers that Pillow steps over without reading a length."""
_SOS, _EOI = 0xDA, 0xD9
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Frame headers, ITU T.81 table B.1."""

_OTHERS = (
    (rb"GIF8", "a GIF image"),
    (rb"BM", "a BMP image"),
    (rb"II\*\0|MM\0\*", "a TIFF image"),
    (rb"....ftyp(?:heic|heix|mif1|msf1|hevc)", "a HEIC photo"),
    (rb"....ftypavi[fs]", "an AVIF image"),
    (rb"....ftyp", "a video"),
    (rb"%PDF", "a PDF document"),
    (rb"(?s:.{0,512})<svg\b", "an SVG drawing"),
    (rb"\s*<(?:!doctype|html|\?xml|head|body)", "a web page or XML, not an image"),
    (rb"\s*[{\[]", "JSON, not an image"),
)


def sniff(data: bytes) -> str:
    """The content type by the first bytes: the name and the sender's word count for nothing.

    Raises ImageRejected for anything but JPEG, PNG and WebP.
    """
    if not data:
        raise ImageRejected("the image is empty: 0 bytes", fix="Send the file's bytes.")
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    raise ImageRejected(
        f"the bytes are {_guess(data[:1024])}; JPEG, PNG and WebP are accepted",
        fix="Save the picture as JPEG, PNG or WebP.",
    )


def open_image(data: bytes, *, max_bytes: int = MAX_BYTES) -> tuple[ImageFile, str]:
    """The undecoded image, within all limits, and its content type.

    Raises ImageRejected, naming the figure and the limit.
    """
    if len(data) > max_bytes:
        raise too_long(len(data), max_bytes)
    content_type = sniff(data)
    _STRUCTURE[content_type](data)
    stream = (_one_scan(data) if content_type == JPEG else None) or BytesIO(data)
    image = blaming_the_bytes(lambda: _CLASSES[content_type](stream))
    check_size(*image.size)
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise ImageRejected(
            f"the image is an animation of {frames} frames; 1 is accepted",
            fix="Send the frame you mean as a still image.",
        )
    return image, content_type


def open_ours(data: bytes) -> tuple[ImageFile, str]:
    """As `open_image`, for a file that we wrote: no further than to its pixels, which takes no
    time worth telling however long it is."""
    if len(data) > MAX_BYTES_OF_OURS:
        raise too_long(len(data), MAX_BYTES_OF_OURS)
    content_type = sniff(data)
    image = blaming_the_bytes(lambda: _CLASSES[content_type](BytesIO(data)))
    check_size(*image.size)
    return image, content_type


def too_long(length: int, limit: int) -> ImageRejected:
    return ImageRejected(
        f"the image has {length / 2**20:.1f} MiB; at most {limit // 2**20} are accepted",
        fix="Save it as JPEG, or smaller.",
    )


def blaming_the_bytes(read: Callable[[], T]) -> T:
    """What `read` returns; whatever the decoders raise, the bytes are at fault.

    Pillow promises no exception for a damaged file: OSError, SyntaxError, ValueError, struct.error
    and others have been seen. Running out of memory is ours.
    """
    try:
        return read()
    except (ImageRejected, MemoryError):
        raise
    except Exception as error:
        raise ImageRejected(
            f"the image is damaged or incomplete ({error})"[:200],
            fix="Open it in an image program and save it again.",
        ) from error


def check_size(width: int, height: int) -> None:
    """Raises ImageRejected for a picture that nothing of ours works on."""
    size = f"the image is {width} x {height} pixels"
    if min(width, height) < MIN_SIDE:
        raise ImageRejected(f"{size}; each side needs {MIN_SIDE}", fix="Use a larger picture.")
    if max(width, height) > MAX_SIDE:
        raise ImageRejected(f"{size}; at most {MAX_SIDE} a side are accepted", fix="Scale it down.")
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise ImageRejected(
            f"{size}, {megapixels:.1f} megapixels; at most {MAX_PIXELS // 10**6} are accepted",
            fix="Scale it down.",
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageRejected(f"{size}; at most {MAX_ASPECT}:1 is accepted", fix="Crop it.")


def claimed_pixels(data: bytes) -> int | None:
    """What the header says, without a decoder; None where that is not certain. Raises ImageRejected
    for bytes of another kind."""
    size = _CLAIMS[sniff(data)](data)
    return size and size[0] * size[1]


def _png_claim(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or len(data) < 24 or list(_png_chunks(data)).count(b"IHDR") > 1:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _webp_claim(data: bytes) -> tuple[int, int] | None:
    return _webp_size(data[12:16], data[20:30])


def _jpeg_claim(data: bytes) -> tuple[int, int] | None:
    frames = [at for at, marker in _jpeg_markers(data) if marker in _SOF]
    if len(frames) != 1 or len(data) < frames[0] + 9:
        return None
    height, width = struct.unpack_from(">HH", data, frames[0] + 5)
    return width, height


def _check_png(data: bytes) -> None:
    pixel_data = others = 0
    for name in _png_chunks(data):
        if name in (b"IDAT", b"fdAT"):
            pixel_data += 1
        else:
            others += 1
        if others > MAX_STEPS or pixel_data > MAX_DATA_CHUNKS:
            raise _too_fragmented(f"{pixel_data + others} or more chunks")


def _png_chunks(data: bytes) -> Iterator[bytes]:
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name
        if name == b"IEND":
            return
        at += 12 + length


def _check_webp(data: bytes) -> None:
    # Its class makes two canvases of the claimed size as soon as it is opened.
    if size := _webp_size(data[12:16], data[20:30]):
        check_size(*size)


def _webp_size(chunk: bytes, body: bytes) -> tuple[int, int] | None:
    """The size a WebP claims in its first chunk, by RFC 9649; None where it is not to be found."""
    if len(body) < 10:
        return None
    match chunk:
        case b"VP8X":
            return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", body, 6)
            return width & 0x3FFF, height & 0x3FFF
    return None


def _one_scan(data: bytes) -> OneScan | None:
    """Of a picture that is decoded as it is read: sequential, in one scan."""
    sequential, markers = False, _jpeg_markers(data)
    for _, marker in markers:
        sequential |= marker in (0xC0, 0xC1)
        if marker == _SOS:
            end, following = next(markers, (len(data), 0))
            return OneScan(data, end=end) if sequential and following == _EOI else None
    return None


def _check_jpeg(data: bytes) -> None:
    scans = steps = 0
    for _, marker in _jpeg_markers(data):
        if marker == _SOS:
            scans += 1
        else:
            steps += 1
        if scans > MAX_SCANS:
            raise _too_fragmented(f"more than {MAX_SCANS} scans")
        if steps > MAX_STEPS:
            raise _too_fragmented(f"more than {MAX_STEPS} segments or stray bytes")
    with suppress(IndexError, KeyError, ZeroDivisionError, struct.error):
        _check_first_scan(data)


def _check_first_scan(data: bytes) -> None:
    frame: int | None = None
    markers = _jpeg_markers(data)
    for at, marker in markers:
        if marker in HUFFMAN:
            frame = at
        elif marker == _SOS:
            begin = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            end, _ = next(markers, (len(data), 0))
            needed = frame and bits_at_least(data[frame + 4 : frame + 64], data[at + 4 : begin])
            if 8 * (end - begin) < (needed or 0):
                raise ends_early()
            return


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the markers are and their second bytes, up to the end of the picture; 0 for a stray
    byte.

    Walks as Pillow does before the first scan and as libjpeg does after it, so that neither meets
    more than is counted here.
    """
    at, scanned = 2, False
    while at + 1 < len(data):
        marker = data[at + 1] if data[at] == 0xFF and data[at + 1] != 0xFF else 0
        yield at, marker
        if marker == _EOI and scanned:
            return
        if marker == 0:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        if marker == _SOS:
            scanned = True
            end = _ENTROPY_END.search(data, at)
            at = end.start() if end else len(data)


def _too_fragmented(what: str) -> ImageRejected:
    return ImageRejected(
        f"the image is built in an unusual way: {what}",
        fix="Open it in an image program and save it again.",
    )


def _guess(head: bytes) -> str:
    for pattern, name in _OTHERS:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            return name
    return "of an unknown kind"


_CLASSES: dict[str, type[ImageFile]] = {JPEG: JpegImageFile, PNG: PngImageFile, WEBP: WebPImageFile}
_CLAIMS: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    JPEG: _jpeg_claim,
    PNG: _png_claim,
    WEBP: _webp_claim,
}
_STRUCTURE: dict[str, Callable[[bytes], None]] = {
    JPEG: _check_jpeg,
    PNG: _check_png,
    WEBP: _check_webp,
}
