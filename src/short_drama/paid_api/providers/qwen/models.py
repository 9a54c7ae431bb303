"""In which units each Qwen model gives its boxes. No pixels, no network.

From QwenLM's cookbooks and issues 1427 and 1486 of QwenLM/Qwen3-VL: Qwen2.5-VL counts the pixels
of the picture as it sees it, in patches of 28 x 28; Qwen3-VL and what came after it relates them to
0..1000, whatever the picture's size.
"""

import re
from enum import StrEnum
from math import ceil, floor, sqrt
from typing import Final


class Units(StrEnum):
    THOUSANDTHS = "thousandths"
    PIXELS = "pixels"
    UNKNOWN = "unknown"
    """Asked for in thousandths; the numbers tell whether the model kept to that."""


PATCH: Final = 28
"""Pixels, of the models that count them: both sides of what they see are multiples."""

_PIXELS: Final = re.compile(r"qwen-?2[._]?5-?(?:vl|omni)|qwen-vl-(?:max|plus)|\bqvq", re.IGNORECASE)
_THOUSANDTHS: Final = re.compile(r"qwen-?[3-9]", re.IGNORECASE)


def units_of(model: str) -> Units:
    """By the model's name, which may have a vendor's before it and a date after it."""
    if _PIXELS.search(model):
        return Units.PIXELS
    return Units.THOUSANDTHS if _THOUSANDTHS.search(model) else Units.UNKNOWN


def seen_size(width: int, height: int, least: int, most: int) -> tuple[int, int]:
    """Of a picture as a model that counts pixels scales it, to `least` to `most` pixels."""
    sides = tuple(max(1, round(side / PATCH)) * PATCH for side in (width, height))
    pixels = width * height
    if sides[0] * sides[1] > most:
        shrink = sqrt(most / pixels)
        sides = tuple(max(1, floor(side * shrink / PATCH)) * PATCH for side in (width, height))
    elif sides[0] * sides[1] < least:
        stretch = sqrt(least / pixels)
        sides = tuple(ceil(side * stretch / PATCH) * PATCH for side in (width, height))
    return sides[0], sides[1]
