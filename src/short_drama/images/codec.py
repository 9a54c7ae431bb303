"""Bytes to pixels and back, for bytes that anybody may have sent.

Everything here is synchronous and belongs in a worker thread: Pillow lets go of the interpreter
while it decodes and encodes.

`structure` limits all that decides the cost, so the worst files it accepts could be made and
measured. At 40 megapixels, on two busy cores, decoding takes 0.6 to 1 s as a rule and 3 s at worst
(16-bit RGBA noise as PNG, or 64 scans as JPEG), at a peak of 280 MiB over the process's own for PNG
and JPEG, 380 for a progressive JPEG and 620 for WebP. The interpreter is kept for 0.02 s at a time,
by WebP for 0.1 to 0.5. `normalise` takes 1 to 2 s, and 6 at worst. So strangers' large pictures are
left to child processes (`decoders`), and in any case bound how many run at once.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngInfo

from short_drama.domain.sizes import Size
from short_drama.images.colour import Pixels, is_as_seen, upright_rgb
from short_drama.images.labels import Label, from_xmp
from short_drama.images.png import labelled
from short_drama.images.structure import (
    JPEG,
    MAX_BYTES,
    PNG,
    WEBP,
    blaming_the_bytes,
    open_image,
    sniff,
)

try:
    import cv2
except ModuleNotFoundError:  # where only servers are installed, which encode little
    _WITH_OPENCV = False
else:
    _WITH_OPENCV = True

__all__ = ["EXTENSIONS", "Intake", "Picture", "Pixels", "decode", "encode", "normalise", "sniff"]

EXTENSIONS: Final = {JPEG: "jpg", PNG: "png", WEBP: "webp"}


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    pixels: Pixels
    """Upright, sRGB, alpha flattened on white."""
    content_type: str
    """Of the bytes it was decoded from."""
    label: Label | None
    """What the bytes said of a machine's hand in them."""

    @property
    def size(self) -> Size:
        return size_of(self.pixels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """An upload, made safe to store and to hand on: nothing of the original file is left."""

    data: bytes
    content_type: str
    extension: str
    size: Size
    sha256: str
    """Of the bytes as they were sent."""
    label: Label | None


def size_of(pixels: Pixels) -> Size:
    height, width = pixels.shape[:2]
    return Size(int(width), int(height))


def decode(data: bytes, *, max_bytes: int = MAX_BYTES) -> Picture:
    """Raises ImageRejected: a limit of `structure`, or damaged or incomplete bytes."""
    image, content_type = open_image(data, max_bytes=max_bytes)
    pixels = blaming_the_bytes(lambda: upright_rgb(image))
    return Picture(pixels, content_type, from_xmp(image.info.get("xmp")))


def encode(
    pixels: Pixels, content_type: str, *, label: Label | None, jpeg_quality: int = 92
) -> bytes:
    """The pixels as a file whose only metadata is `label`; PNG and WebP are lossless."""
    if content_type == PNG:
        data = _png(pixels)
        return labelled(data, label) if label else data
    return write(Image.fromarray(pixels), content_type, label=label, jpeg_quality=jpeg_quality)


def write(
    image: Image.Image, content_type: str, *, label: Label | None, jpeg_quality: int = 92
) -> bytes:
    """As `encode`."""
    out = BytesIO()
    image.save(out, **_OPTIONS[content_type](label, jpeg_quality))
    return out.getvalue()


def kept_as(content_type: str) -> str:
    """What `normalise` makes of a picture of that type."""
    return JPEG if content_type == JPEG else PNG


def normalise(data: bytes) -> Intake:
    """Decode and encode again.

    Re-encoding is what makes a file trustworthy: appended archives, scripts in comments, EXIF
    with its GPS position and thumbnails do not survive. A JPEG is written with the tables and the
    sampling that it had, which loses next to nothing and is as small as what was sent; where its
    pixels were turned or given other colours, at quality 95, 4:4:4, which is 1.5 to 4 times that.
    A WebP becomes PNG: lossless WebP is a tenth smaller, but its encoder takes 290 MiB more at 40
    megapixels and keeps the interpreter for 0.1 s, and every consumer reads PNG. Whatever it
    becomes, it has no more than `MAX_BYTES_OF_OURS`. A label saying that a machine made the picture
    is kept; the law forbids removing it.

    Raises ImageRejected as `decode` does.
    """
    picture = decode(data)
    kept, label = kept_as(picture.content_type), picture.label
    return Intake(
        data=_anew(picture, data) if kept == JPEG else encode(picture.pixels, kept, label=label),
        content_type=kept,
        extension=EXTENSIONS[kept],
        size=picture.size,
        sha256=hashlib.sha256(data).hexdigest(),
        label=label,
    )


def _anew(picture: Picture, sent: bytes) -> bytes:
    """The JPEG that was sent as another one of the same pixels."""
    header = JpegImageFile(BytesIO(sent))
    sampling = get_sampling(header)
    if sampling < 0 or not is_as_seen(header):  # grey, CMYK, or a sampling Pillow cannot write
        return encode(picture.pixels, JPEG, label=picture.label, jpeg_quality=95)
    out = BytesIO()
    Image.fromarray(picture.pixels).save(
        out,
        "JPEG",
        qtables=header.quantization,
        subsampling=sampling,
        xmp=picture.label.xmp() if picture.label else None,
    )
    return out.getvalue()


def _png(pixels: Pixels) -> bytes:
    """OpenCV's encoder takes a third of the time that Pillow's does, for it tries one filter a row
    and not five: the mean of left and above makes photographs smallest, and one colour zeros.

    Raises MemoryError.
    """
    if not _WITH_OPENCV:
        return write(Image.fromarray(pixels), PNG, label=None)
    options = (  # in this order: a level brings its own strategy
        cv2.IMWRITE_PNG_COMPRESSION, 1,
        cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG,
        cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
    )  # fmt: skip
    try:
        _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    except cv2.error:  # there is no other reason
        raise MemoryError from None
    return data.tobytes()


def _jpeg_options(label: Label | None, quality: int) -> dict[str, Any]:
    xmp = label.xmp() if label else None
    return {"format": "JPEG", "quality": quality, "subsampling": "4:4:4", "xmp": xmp}


def _png_options(label: Label | None, _: int) -> dict[str, Any]:
    # zlib's run-length strategy at level 1 is as fast as its default one and, on photographs,
    # as small as that at level 6, which takes five times as long.
    info = PngInfo()
    if label:
        info.add_itxt("XML:com.adobe.xmp", label.xmp().decode())
    return {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE, "pnginfo": info}


def _webp_options(label: Label | None, _: int) -> dict[str, Any]:
    xmp = label.xmp() if label else b""
    return {"format": "WEBP", "lossless": True, "method": 0, "quality": 0, "xmp": xmp}


_OPTIONS: Final[dict[str, Callable[[Label | None, int], dict[str, Any]]]] = {
    JPEG: _jpeg_options,
    PNG: _png_options,
    WEBP: _webp_options,
}
