"""Finds the people in a still: one matte, from Google's selfie segmentation network.

The network (`selfie_segmentation.tflite`, Apache-2.0, from mediapipe 0.10.21) sees 256 x 256
pixels and was trained on people near a camera. On anything else it answers with a hesitant grey,
which is how "nobody here" is told.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.model_files import path as model_path

MODEL: Final = "selfie_segmentation.tflite"
_SIDE: Final = 256
_GUIDE_SIDE: Final = 640

Matte = NDArray[np.float32]
"""Height x width, 0 for the background to 1 for a person."""

FindSubject = Callable[[Pixels], Matte | None]
"""The people in a picture; None if there is nobody to be sure of."""


class SubjectFinder:
    """Loads the network at the first call; safe to call from several threads.

    `find` raises EngineNotReady where the model file is not installed.
    """

    def __init__(self, models: Path) -> None:
        self._models = models
        self._lock = Lock()
        self._net: cv2.dnn.Net | None = None

    def check(self) -> None:
        """Raises EngineNotReady when the network's file is not installed."""
        model_path(self._models, MODEL)

    def find(self, image: Pixels) -> Matte | None:
        """The people in `image`, refined to its edges; None if there are none to be sure of."""
        coarse = _tidy(self._infer(image))
        return _refine(coarse, image) if _is_decided(coarse) else None

    def _infer(self, image: Pixels) -> Matte:
        blob = cv2.dnn.blobFromImage(image, 1 / 255, (_SIDE, _SIDE))
        with self._lock:  # a cv2 network keeps its activations: one caller at a time
            if self._net is None:
                self._net = cv2.dnn.readNetFromTFLite(str(model_path(self._models, MODEL)))
            self._net.setInput(blob)
            return np.array(self._net.forward(), np.float32).reshape(_SIDE, _SIDE)


def _is_decided(matte: Matte) -> bool:
    """Whether the network means it: a person is mostly white, a guess mostly grey.

    Measured sure / possible: an astronaut 0.94, a cup of coffee 0.48, a rocket at night 0.
    """
    sure, possible = float((matte > 0.9).mean()), float((matte > 0.1).mean())
    return 0.02 <= possible <= 0.9 and sure >= 0.7 * possible


def _tidy(matte: Matte) -> Matte:
    """Close pinholes and drop specks smaller than a tenth of the largest person."""
    ring = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
    closed = np.asarray(cv2.morphologyEx(matte, cv2.MORPH_CLOSE, ring), np.float32)
    _, labels, stats, _ = cv2.connectedComponentsWithStats((closed > 0.5).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return closed
    kept = np.isin(labels, 1 + np.flatnonzero(areas * 10 >= areas.max())).astype(np.uint8)
    return closed * np.asarray(cv2.dilate(kept, np.ones((9, 9), np.uint8)), np.float32)


def _refine(coarse: Matte, image: Pixels) -> Matte:
    """Fast guided filter (He and Sun, arXiv:1505.00996): follow the picture's own edges."""
    height, width = image.shape[:2]
    scale = min(1.0, _GUIDE_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = _unit(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    guide = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)
    slope, offset = _guided(guide, np.asarray(cv2.resize(coarse, size), np.float32))
    full = cv2.resize(slope, (width, height)) * grey + cv2.resize(offset, (width, height))
    # A matte's soft rim shows the old background: pull its ends out to 0 and 1.
    return np.asarray(np.clip((full - 0.1) * 1.25, 0, 1), np.float32)


def _guided(guide: Matte, target: Matte) -> tuple[Matte, Matte]:
    """Slope and offset of `target` as a line over `guide`, around each pixel."""
    radius = max(2, max(guide.shape) // 80)

    def mean(plane: NDArray[np.floating]) -> Matte:
        return np.asarray(cv2.blur(plane, (2 * radius + 1,) * 2), np.float32)

    shade, level = mean(guide), mean(target)
    covariance = mean(guide * target) - shade * level
    variance = mean(guide * guide) - shade * shade
    slope = covariance / (variance + np.float32(1e-3))
    return mean(slope), mean(level - slope * shade)


def _unit(grey: cv2.typing.MatLike) -> Matte:
    return np.asarray(grey, np.float32) * np.float32(1 / 255)
