"""The keyword operations of the image-edit preview: pixels in, pixels out.

All take and give RGB, height x width x 3, uint8, and keep the size, except that a quarter turn
swaps the sides. Only `blur_background` needs to know where the people are.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.images.subject import Matte

Operation: TypeAlias = Callable[[Pixels], Pixels]
_Floats: TypeAlias = NDArray[np.float32]

_LINE_SIDE: Final = 1280
"""Lines are drawn at this size: thinner ones would vanish in a large picture."""
_PAINT_SIDE: Final = 512
"""Cartoon areas and lens blur are smooth: no larger picture is needed to make them."""

_LEVELS: Final = np.arange(256, dtype=np.float64) / 255


def black_and_white(image: Pixels) -> Pixels:
    return _bytes(cv2.cvtColor(_grey(image), cv2.COLOR_GRAY2RGB))


def sepia(image: Pixels) -> Pixels:
    """A faded brown print: grey, toned, with lifted blacks."""
    tones = [0.10 + 0.90 * _LEVELS**0.80, 0.07 + 0.84 * _LEVELS, 0.05 + 0.70 * _LEVELS**1.20]
    return _curves(black_and_white(image), *tones)


def warmer(image: Pixels) -> Pixels:
    return _curves(image, _LEVELS**0.82, _LEVELS**0.98, _LEVELS**1.28)


def cooler(image: Pixels) -> Pixels:
    return _curves(image, _LEVELS**1.28, _LEVELS**1.02, _LEVELS**0.82)


def brighter(image: Pixels) -> Pixels:
    return _curves(image, _LEVELS**0.68)


def darker(image: Pixels) -> Pixels:
    return _curves(image, _LEVELS**1.5)


def more_contrast(image: Pixels) -> Pixels:
    """An S-curve: blacks and whites hold, mid-tones part."""
    return _curves(image, 0.5 + 0.5 * np.tanh(2.6 * (_LEVELS - 0.5)) / np.tanh(1.3))


def saturate(image: Pixels) -> Pixels:
    return _bytes(cv2.addWeighted(image, 1.5, black_and_white(image), -0.5, 0))


def mute(image: Pixels) -> Pixels:
    return _bytes(cv2.addWeighted(image, 0.45, black_and_white(image), 0.55, 0))


def night(image: Pixels) -> Pixels:
    """Day for night: muted, dark, blue; highlights survive as lamps."""
    dark = 0.75 * _LEVELS**1.9
    return _curves(mute(image), 0.55 * dark, 0.75 * dark, 0.03 + 1.15 * dark)


def sharpen(image: Pixels) -> Pixels:
    spread = max(0.8, max(image.shape[:2]) / 700)
    return _bytes(cv2.addWeighted(image, 2.0, cv2.GaussianBlur(image, (0, 0), spread), -1.0, 0))


def invert(image: Pixels) -> Pixels:
    return _bytes(cv2.bitwise_not(image))


def vignette(image: Pixels) -> Pixels:
    """Light falls off from the middle to 22 % in the corners."""
    height, width = image.shape[:2]
    axis = np.linspace(-1, 1, 65, dtype=np.float32)
    radius = np.hypot(axis[None, :], axis[:, None]) / np.float32(np.sqrt(2))
    fall = 1 - 0.78 * np.clip((radius - 0.25) / 0.75, 0, 1) ** 1.6
    light = cv2.resize(
        (255 * fall).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return _bytes(cv2.multiply(image, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), scale=1 / 255))


def line_art(image: Pixels) -> Pixels:
    return _bytes(cv2.cvtColor(_resized(_ink(image), image), cv2.COLOR_GRAY2RGB))


def pencil_sketch(image: Pixels) -> Pixels:
    """The darkroom's colour dodge, grey over its own blur, leaves strokes at edges; then shade.

    The greys are lifted first: dividing near-black by near-black would make noise.
    """
    grey = _bytes(cv2.LUT(_grey(image), _curve(0.2 + 0.8 * _LEVELS)))
    small = _shrunk(grey, _PAINT_SIDE)
    soft = _resized(_bytes(cv2.GaussianBlur(small, (0, 0), max(small.shape) / 110)), image)
    strokes = cv2.LUT(cv2.divide(grey, soft, scale=255), _curve(_LEVELS**4))
    shade = cv2.LUT(soft, _curve(0.62 + 0.38 * _LEVELS**0.5))
    return _bytes(cv2.cvtColor(cv2.multiply(strokes, shade, scale=1 / 255), cv2.COLOR_GRAY2RGB))


def cartoon(image: Pixels) -> Pixels:
    """Flat areas by repeated bilateral filtering, few tones, ink lines on top."""
    paint = _shrunk(image, _PAINT_SIDE)
    for _ in range(3):
        paint = _bytes(cv2.bilateralFilter(paint, 7, 32, 7))
    steps = _curve(np.round(_LEVELS * 9) / 9)
    hls = np.asarray(cv2.cvtColor(paint, cv2.COLOR_RGB2HLS), np.uint8)
    hls[..., 1] = cv2.LUT(hls[..., 1], steps)
    flat = saturate(_bytes(cv2.cvtColor(hls, cv2.COLOR_HLS2RGB)))
    ink = cv2.cvtColor(_resized(_ink(image), image), cv2.COLOR_GRAY2RGB)
    return _bytes(cv2.multiply(_resized(flat, image), ink, scale=1 / 255))


def blur_background(image: Pixels, matte: Matte) -> Pixels:
    """A wide lens opening: a disc-shaped blur of everything but the people.

    The people are left out of the blur (it is divided by the share of background under the
    disc), so their colours do not glow around them.
    """
    small = _shrunk(image, _PAINT_SIDE)
    size = (small.shape[1], small.shape[0])
    share = 1 - np.asarray(cv2.resize(matte, size, interpolation=cv2.INTER_AREA), np.float32)
    radius = max(2, max(size) // 45)
    disc = np.asarray(
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), np.float32
    )
    disc /= disc.sum()
    weight = np.asarray(cv2.filter2D(share, -1, disc), np.float32)
    light = np.asarray(cv2.filter2D(small.astype(np.float32) * share[..., None], -1, disc))
    soft = np.clip(light / np.maximum(weight, 1e-3)[..., None], 0, 255).astype(np.uint8)
    return _bytes(cv2.blendLinear(image, _resized(soft, image), matte, 1 - matte))


def mirror(image: Pixels) -> Pixels:
    return _bytes(cv2.flip(image, 1))


def upside_down(image: Pixels) -> Pixels:
    return _bytes(cv2.rotate(image, cv2.ROTATE_180))


def rotate_left(image: Pixels) -> Pixels:
    return _bytes(cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE))


def rotate_right(image: Pixels) -> Pixels:
    return _bytes(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE))


def _ink(image: Pixels) -> Pixels:
    """Black lines on white, at the line size, from a thresholded difference of Gaussians.

    After XDoG (Winnemoeller, Kyprianidis and Olsen, Computers & Graphics 36(6), 2012).
    """
    grey = _shrunk(_grey(image), _LINE_SIDE)
    unit = np.asarray(cv2.bilateralFilter(grey, 5, 24, 5), np.float32) * np.float32(1 / 255)
    width = max(0.7, max(grey.shape) / 900)
    fine = np.asarray(cv2.GaussianBlur(unit, (0, 0), width), np.float32)
    wide = np.asarray(cv2.GaussianBlur(unit, (0, 0), 1.6 * width), np.float32)
    edge: _Floats = np.minimum(fine - wide + np.float32(0.006), 0)
    return np.asarray(255 * (1 + np.tanh(110 * edge)), np.uint8)


def _grey(image: Pixels) -> Pixels:
    return _bytes(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def _curve(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.round(255 * levels), 0, 255).astype(np.uint8)


def _curves(image: Pixels, *levels: NDArray[np.float64]) -> Pixels:
    """Map each channel by its curve of 256 levels from 0 to 1; one curve serves all three."""
    table = np.stack([_curve(each) for each in levels], axis=-1)[None]
    return _bytes(cv2.LUT(image, table))


def _shrunk(image: Pixels, side: int) -> Pixels:
    """`image` itself if its longer side is at most `side`."""
    height, width = image.shape[:2]
    if max(height, width) <= side:
        return image
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _bytes(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _resized(image: Pixels, like: Pixels) -> Pixels:
    height, width = like.shape[:2]
    if image.shape[:2] == (height, width):
        return image
    return _bytes(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC))


def _bytes(pixels: cv2.typing.MatLike) -> Pixels:
    """OpenCV's stubs do not know that bytes in are bytes out."""
    return np.asarray(pixels, np.uint8)
