"""Sizes of pictures: what a request may ask for, and what a kind can sensibly work on."""

import math
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from short_drama.domain.errors import ImageRejected, InvalidRequest

AS_INPUT, MODEL = "as_input", "model"
"""The still's own size, and that in which the model made it."""
MAX_PIXELS: Final = 40_000_000
MIN_ASKED_SIDE, MAX_SIDE = 64, 8192
_MAX_ASKED_STRETCH = 0.02
"""Sides in whole pixels can miss a proportion by 1 per cent; more would be seen."""


class Size(NamedTuple):
    """In pixels, as the picture is seen."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def stretch(self, other: "Size") -> float:
        """By what part one side would be stretched more than the other; 0 for the same shape."""
        return math.exp(abs(math.log(self.aspect / other.aspect))) - 1

    def within(self, other: "Size") -> "Size":
        """The largest of this shape that is no larger than `other`."""
        scale = min(other.width / self.width, other.height / self.height)
        return Size(max(1, round(self.width * scale)), max(1, round(self.height * scale)))

    def to_json(self) -> dict[str, int]:
        return {"width": self.width, "height": self.height}


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """The image that a kind's result is made of, by its field, and what the kind needs of it."""

    field: str
    min_side: int = 1
    max_aspect: int = MAX_SIDE

    def check(self, size: Size) -> None:
        """Raises ImageRejected that names field and figures."""
        if min(size) < self.min_side:
            raise ImageRejected(
                f"the still is {size} pixels; each side needs {self.min_side}",
                field=self.field,
                fix="Use a larger picture: the model would have to invent nearly all of it.",
            )
        if max(size) > self.max_aspect * min(size):
            raise ImageRejected(
                f"the still is {size} pixels; at most {self.max_aspect}:1 is accepted",
                field=self.field,
                fix=f"Crop its longer side to {self.max_aspect * min(size)} pixels, or cut it up.",
            )


def of_an_edited_still(field: str) -> Still:
    """For models that work on about a megapixel, of which a narrower picture leaves one side next
    to nothing, and of which a smaller one is a sixteenth."""
    return Still(field=field, min_side=256, max_aspect=4)


def sides(text: str) -> Size | None:
    """Of WIDTHxHEIGHT within the bounds of what may be asked for; else None."""
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text, re.ASCII)
    if found is None:
        return None
    size = Size(int(found[1]), int(found[2]))
    within = min(size) >= MIN_ASKED_SIDE and max(size) <= MAX_SIDE and size.pixels <= MAX_PIXELS
    return size if within else None


def check_asked(asked: str, still: Size) -> None:
    """Raises InvalidRequest for sides that would stretch the still."""
    size = sides(asked)
    if size is None or (stretch := size.stretch(still)) <= _MAX_ASKED_STRETCH:
        return
    raise InvalidRequest(
        f"{asked} would stretch the still, which is {still} pixels, by {stretch:.0%}",
        field="size",
        fix=f"Ask for {_proportional(still, size)}, or crop the still first.",
    )


def _proportional(still: Size, asked: Size) -> str:
    size = still.within(asked)
    if min(size) < MIN_ASKED_SIDE:
        scale = MIN_ASKED_SIDE / min(still)
        size = Size(round(still.width * scale), round(still.height * scale))
    return f"{size.width}x{size.height}"
