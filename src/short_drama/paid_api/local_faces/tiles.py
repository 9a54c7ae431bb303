"""Parts of a picture that are looked at by themselves: large ones of a grid, and small tiles
around what may be a face."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces.turning import resized, turned_back

Grid = tuple[int, int]
"""Columns and rows."""

WHOLE: Final[Grid] = (1, 1)
_GRIDS: Final[tuple[Grid, ...]] = (
    WHOLE, (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (3, 2), (2, 3), (6, 1), (1, 6),
)  # fmt: skip
_ROOM: Final = 1.2
"""Side of a part, in its share of the picture's: a face at a cut is whole in one of them."""

CELL: Final = 96
"""Pixels a side in which a tile is shown."""
_FACES: Final = 3.0
"""Side of a tile, in sides of the face that may be there."""
SHOWN: Final = CELL / _FACES
"""Pixels in which a tile shows that face."""
_DIAGONAL: Final = math.sqrt(0.5)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a picture, with where its top left corner is there."""

    left: int
    top: int
    pixels: Pixels

    def in_picture(self, box: FaceBox, shape: tuple[int, ...]) -> FaceBox | None:
        """The box moved; None where a cut goes through it. `shape` is the picture's."""
        height, width = self.pixels.shape[:2]
        if (
            (box.left <= 0 < self.left)
            or (box.top <= 0 < self.top)
            or (box.right >= width < shape[1] - self.left)
            or (box.bottom >= height < shape[0] - self.top)
        ):
            return None
        return FaceBox(
            box.left + self.left, box.top + self.top,
            box.right + self.left, box.bottom + self.top, box.score,
        )  # fmt: skip


def grid(shape: tuple[int, ...], *, scale: float, scale_of: Callable[[int, int], float]) -> Grid:
    """That of the fewest parts, six at most, that are looked at in `scale` or above; if there is
    none, that of the parts which are shrunk the least. `scale_of` takes width and height."""

    def shrunk(cut: Grid) -> float:
        return scale_of(*part_size(shape, cut))

    return next((cut for cut in _GRIDS if shrunk(cut) >= scale), max(_GRIDS, key=shrunk))


def part_size(shape: tuple[int, ...], cut: Grid) -> tuple[int, int]:
    """Width and height."""
    return _side(shape[1], cut[0]), _side(shape[0], cut[1])


def parts(image: Pixels, cut: Grid) -> Iterator[Part]:
    height, width = image.shape[:2]
    wide, tall = part_size(image.shape, cut)
    for top in _starts(height, tall, cut[1]):
        for left in _starts(width, wide, cut[0]):
            yield Part(left, top, image[top : top + tall, left : left + wide])


def _side(whole: int, count: int) -> int:
    return whole if count == 1 else max(1, round(whole * _ROOM / count))


def _starts(whole: int, side: int, count: int) -> list[int]:
    return [round((whole - side) * i / max(count - 1, 1)) for i in range(count)]


@dataclass(frozen=True, slots=True)
class Tile:
    """The square around a face that may be in `box`, and that is turned by `turn`."""

    box: FaceBox
    turn: float = 0.0

    @property
    def _scale(self) -> float:
        return SHOWN / max(self.box.width, self.box.height, 1)

    def draw(self, image: Pixels, cell: Pixels) -> None:
        """The tile, turned upright, into the top left corner of `cell`."""
        (x, y), reach = self.box.centre, CELL / self._scale * _DIAGONAL
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        small = resized(image[top : int(y + reach) + 1, left : int(x + reach) + 1], self._scale)
        middle = ((x - left) * self._scale, (y - top) * self._scale)
        matrix = cv2.getRotationMatrix2D(middle, self.turn, 1.0)
        matrix[:, 2] += np.array([CELL / 2 - middle[0], CELL / 2 - middle[1]])
        cell[:CELL, :CELL] = cv2.warpAffine(small, matrix, (CELL, CELL))

    def in_picture(self, corners: NDArray[np.float32], score: float) -> FaceBox:
        """The box whose corners in the cell are given."""
        away = (corners - CELL / 2) / self._scale
        return turned_back(away, score, self.turn, self.box.centre)
