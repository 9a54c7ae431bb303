"""Where a masked picture says that its mask is, so that nobody has to search for it.

The note travels in the picture's metadata, which anybody may have written: what is read from it is
a claim about pixels, and whoever uses it looks at them.
"""

import math
from dataclasses import astuple, dataclass
from typing import Final, Self

from short_drama.domain.sizes import Size

_FARTHEST: Final = 1e5
"""Pixels, degrees: more is nobody's picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskNote:
    """An ellipse of black, in pixels of a picture of `width` x `height`; half axes, and an angle
    in degrees, clockwise as seen, of `axis_x`. `rim` is how far outside of it black fades out."""

    centre_x: float
    centre_y: float
    axis_x: float
    axis_y: float
    angle: float
    rim: float
    width: float
    height: float

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """None for what `to_text` does not write, and for numbers that no picture has."""
        try:
            numbers = [float(word) for word in text.split()]
            note = cls(**dict(zip(cls.__slots__, numbers, strict=True)))
        except (TypeError, ValueError):
            return None
        lengths = (note.axis_x, note.axis_y, note.width, note.height)
        sane = all(math.isfinite(number) and abs(number) <= _FARTHEST for number in numbers)
        return note if sane and min(lengths) > 0 and note.rim >= 0 else None

    def to_text(self) -> str:
        return " ".join(f"{number:.7g}" for number in astuple(self))

    def on(self, size: Size) -> Self | None:
        """The note about the picture scaled to that size; None for a picture of another shape."""
        scale = size.width / self.width
        if abs(self.height * scale - size.height) > max(1.0, scale):
            return None
        return type(self)(
            centre_x=self.centre_x * scale,
            centre_y=self.centre_y * scale,
            axis_x=self.axis_x * scale,
            axis_y=self.axis_y * scale,
            angle=self.angle,
            rim=self.rim * scale,
            width=size.width,
            height=size.height,
        )
