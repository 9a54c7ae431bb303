"""Where the people of a matte are, and how the picture's border cuts them."""

from dataclasses import dataclass

import numpy as np

from short_drama.images.subject import Matte


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of the image; right and bottom are outside."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Person:
    """Where the people of a matte are, in pixels of the image.

    head: their top quarter, the part that no framing may cut. centre: middle of the whole.
    cut: whether the picture's border cuts them at the top, right, bottom, left.
    """

    head: Box
    centre: tuple[float, float]
    cut: tuple[bool, bool, bool, bool]


def describe(matte: Matte) -> Person:
    """The facts of a matte as `SubjectFinder.find` gives it: somebody is in it."""
    solid = matte > 0.5
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    top = int(rows[0])
    bottom = top + max(1, (int(rows[-1]) + 1 - top) // 4)
    across = np.flatnonzero(solid[top:bottom].any(axis=0))
    borders = (solid[:2], solid[:, -2:], solid[-2:], solid[:, :2])
    at_top, at_right, at_bottom, at_left = (bool(border.any()) for border in borders)
    return Person(
        head=Box(float(across[0]), float(top), float(across[-1]) + 1, float(bottom)),
        centre=(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5),
        cut=(at_top, at_right, at_bottom, at_left),
    )
