"""The size at which a model works on a still: about its own number of pixels, in its own steps.

The still is stretched onto it, by 1 per cent as a rule and 3 at most between 1:4 and 4:1, and the
result back by the inverse: nothing is cropped, and the two lie exactly over one another.
"""

import math
from collections.abc import Iterator
from itertools import product

from short_drama.domain.sizes import Size

_TRIED = 5
"""Multiples on either side of what would be exact."""
_AREA_WEIGHT = 0.25
"""Of too many or too few pixels beside a stretch, which the model sees."""


def model_size(
    still: Size, *, pixels: int, multiple: int, encoder_multiple: int | None = None
) -> Size:
    """Sides that are multiples of `multiple`, `pixels` in all or nearly so, the still's aspect or
    nearly so.

    Args:
        encoder_multiple: of a text encoder that scales the still to `pixels` once more, by itself
            and to multiples of this. A size that it leaves alone is preferred to all others: what
            it scales lies off the picture that is sampled, and the model draws it there.
    """

    def cost(size: Size) -> tuple[bool, float]:
        moved = encoder_multiple is not None and _encoded(size, pixels, encoder_multiple) != size
        area = abs(math.log(size.pixels / pixels))
        return moved, size.stretch(still) + _AREA_WEIGHT * area

    return min(_candidates(still, pixels, multiple), key=cost)


def _candidates(still: Size, pixels: int, multiple: int) -> Iterator[Size]:
    return (
        Size(*sides)
        for sides in product(
            _multiples(math.sqrt(pixels * still.aspect), multiple),
            _multiples(math.sqrt(pixels / still.aspect), multiple),
        )
    )


def _multiples(side: float, multiple: int) -> list[int]:
    """Those around `side`."""
    nearest = round(side / multiple)
    return [steps * multiple for steps in range(max(1, nearest - _TRIED), nearest + _TRIED + 1)]


def _encoded(size: Size, pixels: int, multiple: int) -> Size:
    """What TextEncodeQwenImageEditPlus makes of a reference; read in ComfyUI's
    comfy_extras/nodes_qwen.py, the same from 0.3.64 to 0.33.0."""
    scale = math.sqrt(pixels / size.pixels)
    return Size(*(round(side * scale / multiple) * multiple for side in size))
