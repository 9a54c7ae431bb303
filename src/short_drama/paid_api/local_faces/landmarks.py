"""468 points of a face, in three dimensions, by MediaPipe's face mesh (Google, Apache-2.0).

The network sees an upright square of 192 pixels around the face. Its points are numbered as in
MediaPipe's canonical face model; the groups used here are listed below.
"""

import math
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama import model_files
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces.turning import QUARTERS

Points = NDArray[np.float64]

MODEL: Final = "face_landmark.tflite"

# fmt: off
OVAL: Final = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]
LIPS: Final = [
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
]
RIGHT_EYE: Final = [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246]
LEFT_EYE: Final = [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466]
RIGHT_BROW: Final = [70, 63, 105, 66, 107, 55, 65, 52, 53, 46]
LEFT_BROW: Final = [300, 293, 334, 296, 336, 285, 295, 282, 283, 276]
# fmt: on
CHEEKS: Final = (234, 454)
FOREHEAD, CHIN = 10, 152

_CERTAIN: Final = 1 - 6e-6
"""Presence, 12 before the sigmoid: of faces that are upright, all but one in thirty reach it; of
meshes the wrong way round, one in two hundred."""
_LOOKS: Final = 4
"""More than two, at most; one is the rule."""
_STILL: Final = 0.02
"""Of the face's width."""
_NOBODY: Final = 0.1
"""Presence below which further looks are in vain."""
_SIDE: Final = 192
_ROOM: Final = 1.5
"""Side of the square that the network sees, in face sizes; it was trained with this margin."""
_TILT, _NEARER, _ASIDE = 0.2, 0.07, 0.04
"""How two looks at one face differ, either way: radians, and shares of the square's side."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """`points`: 468 x 3, x and y in the image's pixels, z in the same unit, growing away from the
    camera. `presence`: 0 to 1, whether the network thinks there is a face at all."""

    points: Points
    presence: float

    @property
    def flat(self) -> Points:
        return self.points[:, :2]

    @property
    def yaw(self) -> float:
        """Degrees that the face is turned; 0 is frontal."""
        right, left = self.points[CHEEKS[0]], self.points[CHEEKS[1]]
        return math.degrees(math.atan2(left[2] - right[2], math.hypot(*(left - right)[:2])))

    @property
    def pitch(self) -> float:
        """Degrees that the face looks down; a level one has about 10, for foreheads recede."""
        down = self.points[CHIN] - self.points[FOREHEAD]
        return math.degrees(math.atan2(down[2], math.hypot(*down[:2])))

    @property
    def box(self) -> FaceBox:
        """Around all points."""
        low, high = np.floor(self.flat.min(axis=0)), np.ceil(self.flat.max(axis=0))
        return FaceBox(int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    @property
    def roll(self) -> float:
        """Degrees, clockwise, between the line of the eyes and upright; -180 to 180."""
        across = self.flat[LEFT_EYE].mean(axis=0) - self.flat[RIGHT_EYE].mean(axis=0)
        return math.degrees(math.atan2(across[1], across[0]))

    @property
    def width(self) -> float:
        return float(np.linalg.norm(self.points[CHEEKS[1]] - self.points[CHEEKS[0]]))


class Landmarks:
    """Loads its network when first used; safe to share between threads."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._lock = threading.Lock()
        self._net: cv2.dnn.Net | None = None

    def check(self) -> None:
        """Raises EngineNotReady when the network's file is not installed."""
        model_files.path(self._models, MODEL)

    def fit(self, image: Pixels, box: FaceBox, turn: float = 0.0) -> Mesh:
        """The mesh of the face in `box`, which is turned by `turn` degrees clockwise or, unless the
        mesh leaves no doubt of that, by as many more quarters as it is likeliest to be a face with.

        Shown the wrong way round, the network puts a face's points on it all the same, and often
        says that it is one; but it says so most firmly of a face that is upright.
        """
        first = self._look(image, _square_of_box(box, turn))
        mesh = self._levelled(image, first)
        if mesh.presence < _CERTAIN:
            others = [self._look(image, _square_of_box(box, turn + more)) for more in QUARTERS]
            likeliest = max(others, key=lambda each: each.presence)
            other = self._levelled(image, likeliest)
            if other.presence > mesh.presence:
                first, mesh = likeliest, other
        return self._settled(image, first, mesh)

    def fit_turned(self, image: Pixels, box: FaceBox, turn: float) -> Mesh:
        """The mesh of a face that is known to be turned so."""
        first = self._look(image, _square_of_box(box, turn))
        return self._settled(image, first, self._levelled(image, first))

    def _levelled(self, image: Pixels, mesh: Mesh) -> Mesh:
        """A look at the face as the look before has it."""
        return self._look(image, _square_of_mesh(mesh.points))

    def _settled(self, image: Pixels, before: Mesh, mesh: Mesh) -> Mesh:
        """Looked at again until it stays where it was `before`: it comes nearer to the face each
        time."""
        for _ in range(_LOOKS):
            if mesh.presence < _NOBODY or _stays(before, mesh):
                break
            before, mesh = mesh, self._levelled(image, mesh)
        return mesh

    def unrest(self, image: Pixels, mesh: Mesh) -> NDArray[np.float64]:
        """How far each point is from one tilted look to the other, in face widths: where the
        network sees what it draws, it draws it in one place."""
        square = _square_of_mesh(mesh.points)
        one, other = (
            self._look(
                image,
                replace(
                    square,
                    angle=square.angle + way * _TILT,
                    side=square.side * (1 + way * _NEARER),
                    centre_x=square.centre_x + way * _ASIDE * square.side,
                ),
            )
            for way in (-1, 1)
        )
        apart: NDArray[np.float64] = np.linalg.norm(one.flat - other.flat, axis=1)
        return apart / max(mesh.width, 1.0)

    def _look(self, image: Pixels, square: "_Square") -> Mesh:
        to_input = square.to_input()
        seen = cv2.warpAffine(image, to_input, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR)
        blob = cv2.dnn.blobFromImage(seen, 1 / 255)
        with self._lock:
            if self._net is None:
                path = str(model_files.path(self._models, MODEL))
                self._net = cv2.dnn.readNetFromTFLite(path)
            self._net.setInput(blob)
            logit, raw = (np.array(out) for out in self._net.forward(("conv2d_31", "conv2d_21")))
        found = raw.reshape(468, 3).astype(np.float64)
        back = cv2.invertAffineTransform(to_input)
        points = np.empty_like(found)
        points[:, :2] = found[:, :2] @ back[:, :2].T + back[:, 2]
        points[:, 2] = found[:, 2] * square.side / _SIDE
        return Mesh(points, 1 / (1 + math.exp(-float(logit.reshape(-1)[0]))))


@dataclass(frozen=True, slots=True)
class _Square:
    """A turned square in the image; `angle` in radians."""

    centre_x: float
    centre_y: float
    side: float
    angle: float

    def to_input(self) -> NDArray[np.float64]:
        """The affine map from image to network input, 2 x 3."""
        scale = _SIDE / self.side
        cos, sin = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        turn = np.array([[cos, sin], [-sin, cos]])
        shift = _SIDE / 2 - turn @ (self.centre_x, self.centre_y)
        return np.column_stack([turn, shift])


def _stays(before: Mesh, mesh: Mesh) -> bool:
    moved = np.linalg.norm(mesh.flat - before.flat, axis=1).mean()
    return bool(moved <= _STILL * mesh.width)


def _square_of_box(box: FaceBox, turn: float) -> _Square:
    side = max(box.width, box.height, 1) * _ROOM
    return _Square(*box.centre, side=side, angle=math.radians(turn))


def _square_of_mesh(points: Points) -> _Square:
    flat = points[:, :2]
    eyes = flat[LEFT_EYE].mean(axis=0) - flat[RIGHT_EYE].mean(axis=0)
    angle = math.atan2(eyes[1], eyes[0])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    level = flat @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    centre = (low + high) / 2 @ turn
    return _Square(centre[0], centre[1], side=float((high - low).max()) * _ROOM, angle=angle)
