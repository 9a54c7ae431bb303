"""What each SeeDream model takes, and the size to ask it for. No pixels, no network.

From Volcano Engine's reference of the image API (82379/1541523, 2026-03) and BytePlus's of
2026-09; 5.5 from what its resellers publish. No model takes a mask, and none of these a seed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from short_drama.domain.errors import InvalidRequest

MAX_ASPECT: Final = 16
"""Longer side to shorter, of every picture that goes in or comes out, for every model."""
STEP: Final = 16
"""Pixels. The provider counts `width * height / 256` output tokens: one for 16 x 16 pixels. All
sizes it documents for 2K (2304x1728, 2848x1600, 3136x1344...) are whole numbers of those."""
ROOM: Final = 1.25
"""How many times the pixels wanted may be asked for, to come closer to the aspect wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Bounds are inclusive."""

    least_pixels: int
    most_pixels: int
    pictures: int
    """How many go in at most."""
    output_formats: tuple[str, ...] = ()
    """The values of `output_format`; none where the parameter is refused and JPEG comes out."""


_FOUR: Final = Capabilities(least_pixels=921_600, most_pixels=16_777_216, pictures=14)
_FOUR_FIVE: Final = Capabilities(least_pixels=3_686_400, most_pixels=16_777_216, pictures=14)
_FIVE_LITE: Final = Capabilities(
    least_pixels=3_686_400,
    most_pixels=16_777_216,
    pictures=14,
    output_formats=("jpeg", "png"),
)
_FIVE: Final = Capabilities(
    least_pixels=921_600, most_pixels=4_624_220, pictures=10, output_formats=("jpeg", "png")
)
CONSERVATIVE: Final = Capabilities(least_pixels=3_686_400, most_pixels=4_624_220, pictures=10)
"""What every model takes."""

MODELS: Final = {
    "seedream-4-0-250828": _FOUR,
    "seedream-4-5-251128": _FOUR_FIVE,
    "seedream-5-0-260128": _FIVE_LITE,
    "seedream-5-0-lite-260128": _FIVE_LITE,
    "seedream-5-0-pro-260628": _FIVE,
    "seedream-5-0-flash-260915": _FIVE,
    "seedream-5-5-261028": _FIVE,
}
"""By BytePlus's name. Volcano Engine's begins with `doubao-`; BytePlus's own may with `dola-`."""
_VENDORS: Final = re.compile("doubao-|dola-")


def capabilities(model: str) -> Capabilities:
    """Of a model by any of its names; CONSERVATIVE for a name unknown here and for an `ep-...`
    endpoint, behind which any model may be."""
    return MODELS.get(_VENDORS.sub("", model, count=1), CONSERVATIVE)


def size_for(model: str, requested: str, width: int, height: int) -> str:
    """The `WIDTHxHEIGHT` to ask the model for.

    "auto" has the aspect of the source, `width` x `height` pixels and upright, within 1 %, and at
    least as many pixels wherever the model makes so many: what is made is scaled back to the
    source, so that more would be made in vain. Anything else is checked and asked for as it is.

    Raises InvalidRequest for a size the model does not make.
    """
    if requested == "auto":
        return "{}x{}".format(*_closest(capabilities(model), width, height))
    return checked_size(model, requested)


def checked_size(model: str, size: str) -> str:
    """The size itself. Raises InvalidRequest unless it is a `WIDTHxHEIGHT` the model makes."""
    limits = capabilities(model)
    most = f"{limits.least_pixels:,} to {limits.most_pixels:,} pixels"
    sides = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", size, re.ASCII)
    if sides is None:
        raise _refused(f"size {size[:40]!r} is not WIDTHxHEIGHT", f"Use {most}, or auto.")
    width, height = int(sides[1]), int(sides[2])
    such_as = "such as {}x{}".format(*_closest(limits, width, height))
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _refused(
            f"size {size} is longer than {MAX_ASPECT}:1",
            f"Use sides of at most {MAX_ASPECT}:1 and {most}, {such_as}, or auto.",
        )
    if not limits.least_pixels <= width * height <= limits.most_pixels:
        raise _refused(
            f"size {size} has {width * height:,} pixels; {model} makes {most}",
            f"Use {most}, {such_as}, or auto.",
        )
    return size


def _refused(detail: str, fix: str) -> InvalidRequest:
    return InvalidRequest(detail, field="size", fix=fix)


def _closest(limits: Capabilities, width: int, height: int) -> tuple[int, int]:
    """The smallest size of that aspect with at least those pixels, or else the largest."""
    aspect = min(max(width, height) / min(width, height), MAX_ASPECT)
    wanted = min(max(width * height, limits.least_pixels), limits.most_pixels)
    fewest = max(limits.least_pixels, wanted / ROOM)
    most = min(limits.most_pixels, wanted * ROOM)

    def worth(size: tuple[int, int]) -> tuple[bool, float, int]:
        pixels, off = size[0] * size[1], abs(size[0] / size[1] / aspect - 1)
        # Less than a thousandth of the aspect is not worth a pixel more.
        return pixels < wanted, round(off, 3), abs(pixels - wanted)

    longer, shorter = min(_sizes(aspect, fewest, most), key=worth)
    return (longer, shorter) if width >= height else (shorter, longer)


def _sizes(aspect: float, fewest: float, most: float) -> Iterator[tuple[int, int]]:
    """(longer, shorter) side: for each shorter one, the longer that comes closest to the aspect.

    The longer has 960 pixels or more, so that half a step is less than 1 % of it.
    """
    first, last = (int((pixels / aspect) ** 0.5 / STEP) for pixels in (fewest, most))
    for shorter in range(first * STEP, (last + 2) * STEP, STEP):
        longer = round(shorter * aspect / STEP) * STEP
        if fewest <= longer * shorter <= most:
            yield longer, shorter
