"""From whatever a decoder gives to sRGB pixels, upright.

Works in strips: Pillow keeps a picture at 4 bytes a pixel (160 MB at 40 megapixels), and a whole
picture's worth of intermediate copies for alpha, profile and depth would multiply that.
"""

from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from itertools import product
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from short_drama.images.jpeg_scan import load_whole

Pixels: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, RGB."""

_STRIP: Final = 128
"""Rows at a time: 1 megapixel of the widest picture."""
_ORIENTATION: Final = 0x0112
"""EXIF tag 274; values 1 to 8, TIFF 6.0 section 8."""
_PROBE: Final = range(0, 256, 15)
"""Levels a channel: 5,832 colours; 6 of them a channel were seen to miss differences of 5."""

_TURNS: Final[dict[int, Callable[[Pixels], Pixels]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


_DECODED_SAMPLE: Final[dict[str, Callable[[int], int]]] = {
    "L;2": lambda sample: sample * 85,
    "L;4": lambda sample: sample * 17,
    "RGB;16B": lambda sample: sample >> 8,
}
"""What Pillow makes of a PNG's sample, by raw mode, where that is another number."""


def upright_rgb(image: ImageFile) -> Pixels:
    """The picture as it is meant to be seen. Closes `image`, which frees its memory.

    Raises ImageRejected where some of its pixels were never sent, and what the decoder raises on
    damaged bytes.
    """
    _tell_transparency_in_decoded_samples(image)
    load_whole(image)
    turn = _TURNS.get(_orientation(image))
    pixels = _rgb(image)
    image.close()
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def is_as_seen(image: ImageFile) -> bool:
    """Whether `upright_rgb` neither turns a picture in RGB nor changes its colours."""
    if image.mode != "RGB" or _orientation(image) in _TURNS:
        return False
    transform = _profile_transform(image.info.get("icc_profile"), image.mode)
    return transform is None or _changes_nothing(transform)


def _tell_transparency_in_decoded_samples(image: ImageFile) -> None:
    """A PNG's transparent colour is given in the file's own samples, of 1 to 16 bits (third
    edition, section 11.3.1.1), and Pillow compares it with those it has decoded."""
    told = image.info.get("transparency")
    decoded = _DECODED_SAMPLE.get(str(image.tile[0].args)) if image.tile else None
    if decoded is None or told is None:
        return
    whole = isinstance(told, int)
    image.info["transparency"] = decoded(told) if whole else tuple(map(decoded, told))


def _orientation(image: Image.Image) -> int:
    """By EXIF alone, as browsers and viewers do; Pillow would also believe what XMP says of it,
    which is left behind by editors that have turned the pixels."""
    exif = Image.Exif()
    with suppress(Exception):  # a broken EXIF block says nothing; the picture itself is fine
        exif.load(image.info.get("exif", b""))
        return int(exif.get(_ORIENTATION, 1))
    return 1


def _rgb(image: Image.Image) -> Pixels:
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    to_srgb = _to_srgb(image)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        strip = image.crop((0, top, width, bottom))
        pixels[top:bottom] = np.asarray(to_srgb(_opaque(strip)))
    return pixels


def _opaque(strip: Image.Image) -> Image.Image:
    """8 bits a channel, without alpha or palette: mode L, RGB or CMYK."""
    if strip.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip
        return _grey(np.asarray(strip), strip.info.get("transparency"))
    if strip.has_transparency_data:
        white = Image.new("RGBA", strip.size, "white")
        return Image.alpha_composite(white, strip.convert("RGBA")).convert("RGB")
    if strip.mode == "1":
        return strip.convert("L")
    return strip if strip.mode in ("L", "CMYK") else strip.convert("RGB")


def _grey(samples: NDArray[np.integer[Any]], transparent: int | None) -> Image.Image:
    """Of 16 bits, in mode L."""
    grey = (samples >> 8).astype(np.uint8)
    if transparent is not None:
        grey[samples == transparent] = 255
    return Image.fromarray(grey)


def _to_srgb(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """How strips of `image` become sRGB: by its profile if that is usable and not sRGB itself."""
    mode = _opaque(image.crop((0, 0, 1, 1))).mode
    transform = _profile_transform(image.info.get("icc_profile"), mode)
    if transform is None or (mode == "RGB" and _changes_nothing(transform)):
        return lambda strip: strip.convert("RGB")
    return lambda strip: ImageCms.applyTransform(strip, transform) or strip


def _profile_transform(profile: Any, mode: str) -> ImageCms.ImageCmsTransform | None:
    if not profile:
        return None
    # A profile that is broken, or for another colour space than the pixels', is ignored.
    with suppress(ImageCms.PyCMSError, OSError):
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is sRGB under one of its many names: most are.

    Skipping it saves 0.6 s at 40 megapixels and the rounding of every pixel.
    """
    probe = np.array([list(product(_PROBE, repeat=3))], np.uint8)
    turned = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform), np.int16)
    return bool(np.abs(turned - probe).max() <= 1)
