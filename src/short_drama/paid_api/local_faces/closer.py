"""The places of a large still that are likeliest to hold a small face, at twice the detail of the
first look.

That look's heat map alone does not tell: a face of eight pixels is as cold as a hedge. But what is
warmer than its surroundings and full of fine detail, as eyes and hairlines are, is worth a tile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox

Map = NDArray[np.float32]
"""One value for each cell of the first look's heat map."""

SIDE: Final = 48
"""Pixels of a place: a face that the first look misses has 8 to 28."""
PLACES: Final = 32
"""So many at most, the likeliest first."""
WARM: Final = 0.1
"""Score from which what a place shows is worth a tile of its own: of faces that the first look
shows in 8 pixels nine in ten have it, and six other things in a still full of detail."""
_CELL: Final = 8
"""Pixels of the closer picture that are one cell of the map."""
_REACH: Final = 2
"""Cells around a place's centre in which a face would be whole in it."""
_FINE: Final = 7
"""Pixels: what is finer counts as detail."""
_COLD: Final = 1e-4
"""Heat below which places differ by their detail only."""


@dataclass(frozen=True, slots=True)
class Place:
    """A square of the closer picture, with its top left corner there; that picture is the still in
    `scale`."""

    left: int
    top: int
    scale: float

    def draw(self, image: Pixels, cell: Pixels) -> None:
        shown = image[self.top : self.top + SIDE, self.left : self.left + SIDE]
        cell[: shown.shape[0], : shown.shape[1]] = shown

    def in_picture(self, corners: NDArray[np.float32], score: float) -> FaceBox:
        """The box of the still whose corners in the cell are given."""
        there = (corners + np.array([self.left, self.top] * 2)) / self.scale
        left, top = np.floor(there[:2])
        right, bottom = np.ceil(there[2:])
        return FaceBox(int(left), int(top), int(right), int(bottom), score)


def picture(still: Pixels, scale: float) -> Pixels:
    """The still in a scale of a half to one: by interpolating, which is four times as fast as
    averaging and loses little there."""
    size = (round(still.shape[1] * scale), round(still.shape[0] * scale))
    return np.asarray(cv2.resize(still, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def places(heat: Map, near: Pixels, known: Sequence[FaceBox], scale: float) -> list[Place]:
    """The likeliest first, but for where something is `known` to be.

    `near` is the still, and `known` are boxes there, in `scale`: twice that of the first look.
    """
    interest = _interest(heat, near)
    for box in known:
        left, top, right, bottom = (
            int(side * scale) // _CELL for side in (box.left, box.top, box.right, box.bottom)
        )
        interest[top : bottom + 1, left : right + 1] = 0
    found: list[Place] = []
    while len(found) < PLACES and interest.any():
        row, column = divmod(int(interest.argmax()), interest.shape[1])
        top, left = max(0, row - _REACH), max(0, column - _REACH)
        interest[top : row + _REACH + 1, left : column + _REACH + 1] = 0
        found.append(Place(_start(column, near.shape[1]), _start(row, near.shape[0]), scale))
    return found


def _interest(heat: Map, near: Pixels) -> Map:
    detail = _detail(near)
    rows, columns = (min(sides) for sides in zip(heat.shape, detail.shape, strict=True))
    interest: Map = (heat[:rows, :columns] + _COLD) * detail[:rows, :columns] ** 2
    return interest


def _detail(near: Pixels) -> Map:
    """How far pixels are from their surroundings' mean, on average, and one."""
    grey = cv2.cvtColor(near, cv2.COLOR_RGB2GRAY)
    away = cv2.absdiff(grey, cv2.blur(grey, (_FINE, _FINE)))
    rows, columns = (-(-side // _CELL) for side in away.shape)
    right, below = columns * _CELL - away.shape[1], rows * _CELL - away.shape[0]
    away = cv2.copyMakeBorder(away, 0, below, 0, right, cv2.BORDER_REPLICATE)
    mean = cv2.resize(away, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(mean.astype(np.float32), (3, 3)) + 1, np.float32)


def _start(cell: int, whole: int) -> int:
    """Of a place around the cell, inside the picture where that is large enough."""
    return max(0, min(cell * _CELL + (_CELL - SIDE) // 2, whole - SIDE))
