"""A mark that everybody sees: a word in a corner of a result, where the installation asks for it.

GB 45438-2025 wants a text in the picture, at an edge or in a corner, whose height is at least 5 %
of the shorter side, and in which "人工智能" or "AI" stands with "生成" or "合成".
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from short_drama.images.colour import Pixels

_SHARE: Final = 0.05
"""Of the shorter side, that the text is high."""
_SMALLEST: Final = 7
"""Pixels, below which nobody reads it."""
_TRIAL: Final = 100
"""In which size a text is measured, to find out in which it is as high as wanted."""
_LARGEST: Final = 4
"""Times as high as its capitals, a font is looked at."""
_NO_GLYPH: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class VisibleMark:
    """`text` in white on a black ground. `font`: a TrueType or OpenType file; None for Pillow's
    own, which has Latin letters only."""

    text: str
    font: Path | None = None

    def missing(self) -> str:
        """Characters that the font cannot show. Raises OSError for a file that is no font."""
        font = _font(self.font, _TRIAL)
        unknown = bytes(font.getmask(_NO_GLYPH))
        shown = {one: bytes(font.getmask(one)) for one in self.text if not one.isspace()}
        return "".join(one for one, mask in shown.items() if mask == unknown or not any(mask))

    def height(self, pixels: Pixels) -> int:
        """Of the text, in pixels."""
        shorter = int(min(pixels.shape[:2]))
        return max(math.ceil(shorter * _SHARE), _SMALLEST)

    def drawn_on(self, pixels: Pixels) -> Pixels:
        """A copy with the mark in its lower right corner; a thread's work."""
        image = Image.fromarray(pixels)
        height = self.height(pixels)
        font, (left, top, right, bottom) = _fitting(self.font, self.text, height)
        margin = math.ceil(height / 2)
        ground = (
            image.width - (right - left) - 2 * margin,
            image.height - (bottom - top) - 2 * margin,
        )
        draw = ImageDraw.Draw(image)
        draw.rectangle((*ground, image.width, image.height), fill="black")
        place = (ground[0] + margin - left, ground[1] + margin - top)
        draw.text(place, self.text, fill="white", font=font)
        return np.asarray(image)


@functools.lru_cache(maxsize=64)
def _fitting(file: Path | None, text: str, height: int) -> tuple[Any, tuple[int, int, int, int]]:
    """The font in which a capital letter is at least so high, and what the text then takes."""
    size = math.ceil(height * _TRIAL / max(_capital(_font(file, _TRIAL)), 1))
    while _capital(_font(file, size)) < height and size < _LARGEST * height:
        size += 1
    font = _font(file, size)
    left, top, right, bottom = font.getbbox(text)
    return font, (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))


def _capital(font: Any) -> int:
    """How high one is, in pixels."""
    _, top, _, bottom = font.getbbox("A")
    return int(bottom - top)


def _font(file: Path | None, size: int) -> Any:
    return ImageFont.load_default(size) if file is None else ImageFont.truetype(file, size)
