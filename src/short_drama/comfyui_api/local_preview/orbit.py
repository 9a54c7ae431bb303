"""Which homography shows each flat layer of a still as seen by a camera that moved.

The camera is a pinhole; it orbits around a subject at distance 1, with the background a little
farther. The numbers are chosen, not measured: a turn that is seen, in a frame that cuts little.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from short_drama.comfyui_api.local_preview.framing import Frame, Matrix, largest, outline, towards
from short_drama.comfyui_api.local_preview.subject import Person
from short_drama.comfyui_api.prompts.camera import CameraMove

_STEP_DEGREES: Final = 8.0
_LIMITS: Final = (16.0, 13.0, 10.0, 8.0, 6.0, 4.0)
"""Degrees of orbit for one step, and for two: the first that keeps the head in the frame."""
_LAYERS_FOCAL: Final = 3.0
_FLAT_FOCAL: Final = 1.2
"""In lengths of the longer side. A wider lens slants the picture more, so more is cut away; but a
single flat layer has nothing else to show its turn by."""
_BACKGROUND_DEPTH: Final = 1.15
"""In distances to the person: more shows more of what the person hid."""
_FORWARD: Final = 0.25
"""Share of the distance to the subject that "forward" covers."""


@dataclass(frozen=True, slots=True)
class Shot:
    """From pixels of the still to pixels of the output; `person` is None for a single layer.

    yaw, pitch: degrees of orbit to the right and up.
    """

    background: Matrix
    person: Matrix | None
    yaw: float
    pitch: float


def plan(move: CameraMove, person: Person | None, width: int, height: int) -> Shot:
    """The shot of `move` with the widest orbit that keeps the person's head in the frame.

    "Pull away" is not among what a homography can show and is left out.
    """
    stage = _Stage(person, move.zoom > 0, width, height)
    limit = stage.limit(move.horizontal, move.vertical)
    return stage.shot(_degrees(move.horizontal, limit), _degrees(move.vertical, limit))


def _degrees(steps: int, limit: float) -> float:
    """One step stays clearly less than two, whatever two may be."""
    return float(np.sign(steps)) * (limit if abs(steps) > 1 else min(_STEP_DEGREES, 0.6 * limit))


@dataclass(frozen=True, slots=True)
class _Stage:
    """What stands before the camera, in pixels of the still, and whether the camera comes near."""

    person: Person | None
    forward: bool
    width: int
    height: int

    @property
    def middle(self) -> Matrix:
        return np.array([self.width / 2, self.height / 2])

    def limit(self, horizontal: int, vertical: int) -> float:
        """Degrees for two steps: as far as the head stays in; if it never does, the least."""
        if self.person is None:
            return _LIMITS[0]
        for limit in _LIMITS:
            shot = self.shot(float(np.sign(horizontal)) * limit, float(np.sign(vertical)) * limit)
            if self._keeps_head(self.person, shot):
                break
        return limit

    def shot(self, yaw: float, pitch: float) -> Shot:
        near = self._plane(1.0, yaw, pitch)
        if self.person is None:
            view = self._view(outline(near, self.width, self.height), self.middle, near)
            return Shot(view @ near, None, yaw, pitch)
        far = self._plane(_BACKGROUND_DEPTH, yaw, pitch)
        cut = outline(near, self.width, self.height, self.person.cut)
        inside = np.vstack([outline(far, self.width, self.height), cut])
        view = self._view(inside, np.array(self.person.head.centre), near)
        return Shot(view @ far, view @ near, yaw, pitch)

    def _plane(self, depth: float, yaw: float, pitch: float) -> Matrix:
        """Homography of the plane at `depth`, parallel to the sensor.

        A point X moves to R (X - P) + s P: turned around the pivot P, itself nearer by s.
        """
        share = _FLAT_FOCAL if self.person is None else _LAYERS_FOCAL
        focal = share * max(self.width, self.height)
        lens = np.array([[focal, 0, self.width / 2], [0, focal, self.height / 2], [0, 0, 1]])
        pivot = np.linalg.inv(lens) @ np.array([*self._pivot(), 1.0])
        turn, nearer = _rotation(yaw, pitch), 1 - _FORWARD * self.forward
        motion = depth * turn + np.outer(nearer * pivot - turn @ pivot, [0, 0, 1])
        return np.asarray(lens @ motion @ np.linalg.inv(lens), np.float64)

    def _pivot(self) -> tuple[float, float]:
        """What the camera orbits around, or walks up to: the face, the person, or the middle."""
        if self.person is None:
            return self.width / 2, self.height / 2
        return self.person.head.centre if self.forward else self.person.centre

    def _view(self, inside: Matrix, subject: Matrix, warp: Matrix) -> Matrix:
        """From warped pixels to the output's: the subject stays where it was, or, when the camera
        comes nearer, half way to the middle; as far as the border allows.
        """
        largest_frame = largest(inside, self.width, self.height)
        frame = Frame(largest_frame.x, largest_frame.y, min(1.0, largest_frame.scale))
        wanted = (subject + self.middle) / 2 if self.forward else subject
        x, y = _moved(warp, subject) - (wanted - self.middle) * frame.scale
        placed = towards(frame, (float(x), float(y)), inside, self.width, self.height)
        return placed.matrix(self.width, self.height)

    def _keeps_head(self, person: Person, shot: Shot) -> bool:
        """Whether the head's corners are in the frame, those aside that never were."""
        head = person.head
        before = np.array(
            [[x, y] for x in (head.left, head.right) for y in (head.top, head.bottom)]
        )
        after = _moved(shot.background if shot.person is None else shot.person, before)
        low, high = 0.005 * self.middle, 1.995 * self.middle
        lost = ((after < low) & (before >= low)) | ((after > high) & (before <= high))
        return not lost.any()


def _rotation(yaw: float, pitch: float) -> Matrix:
    """A camera that goes left sees what lies behind the subject move to the left."""
    (a, b), (c, d) = ((np.cos(x), np.sin(x)) for x in np.radians([yaw, pitch]))
    around, over = [[a, 0, b], [0, 1, 0], [-b, 0, a]], [[1, 0, 0], [0, c, -d], [0, d, c]]
    return np.array(over) @ np.array(around)


def _moved(warp: Matrix, points: Matrix) -> Matrix:
    """One point, or rows of them."""
    moved = cv2.perspectiveTransform(points.reshape(1, -1, 2), warp)
    return np.asarray(moved, np.float64).reshape(points.shape)
