"""A framing preview of a moved camera: the still re-projected, never a new angle.

The still is taken as one flat picture (or, where a person is found, as two: the cut-out person
and the background behind) before a pinhole camera that orbits around the subject. Each flat layer
moves by a homography; that the background lies farther away gives the parallax. The result is
framed so that no border shows, and with the person's head inside.

What the still does not show stays unknown. Behind the person a soft fill stands in, and "pull
away" puts the picture, smaller, on a dimmed blur of itself: visibly a placeholder.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from short_drama.comfyui_api.camera_prompt import CameraMove
from short_drama.comfyui_api.preview.framing import Frame, Matrix, largest, outline, towards
from short_drama.comfyui_api.preview.previewed import Previewed
from short_drama.comfyui_api.preview.subject import Box, Matte, head
from short_drama.images.colour import Pixels

STEP_DEGREES: Final = 8.0
"""Orbit for one step; more than two of these crops away what the move is about."""
_FOCAL: Final = 1.2
"""In picture widths: a 45 degree lens."""
_BACKGROUND_DEPTH: Final = 1.4
"""In distances to the person: more shows more of the fill."""
_FORWARD: Final = 0.25
"""Share of the distance to the subject that "forward" covers."""
_AWAY: Final = 0.75
"""Size of the picture within its placeholder."""
_FILL_SIDE: Final = 256
_SHARES: Final = (1.0, 0.8, 0.6, 0.45, 0.3)
"""Of the orbit, tried in turn until the head stays in the frame."""


@dataclass(frozen=True, slots=True)
class _Shot:
    """How the layers are warped into the output; `person` is None for a single layer."""

    background: Matrix
    person: Matrix | None
    share: float


def move_camera(image: Pixels, move: CameraMove, matte: Matte | None) -> Previewed:
    """`image` as the moved camera would roughly frame it, at the same size."""
    shot = _shoot(image, move, matte)
    result = _render(image, matte, shot)
    if move.zoom < 0:
        result = _pull_away(result)
    return Previewed(result, _operations(move, matte), _note(move, matte, shot.share))


def _shoot(image: Pixels, move: CameraMove, matte: Matte | None) -> _Shot:
    """The widest orbit that keeps the head in; if none does, the smallest."""
    if not (move.horizontal or move.vertical or move.zoom > 0):
        return _Shot(np.eye(3), None, 1.0)
    for share in _SHARES:
        shot = _orbit(image, move, matte, share)
        if matte is None or _keeps(head(matte), shot, image):
            break
    return shot


def _orbit(image: Pixels, move: CameraMove, matte: Matte | None, share: float) -> _Shot:
    height, width = image.shape[:2]
    goal = _goal(matte, move, width, height)
    turn = _rotation(move, share)
    if matte is None:
        warp = _homography(1.0, turn, goal, move, (width, height))
        frame = _framed(outline(warp, width, height), goal, width, height)
        return _Shot(frame.matrix(width, height) @ warp, None, share)
    far = _homography(_BACKGROUND_DEPTH, turn, goal, move, (width, height))
    near = _homography(1.0, turn, goal, move, (width, height))
    inside = np.vstack(
        [outline(far, width, height), outline(near, width, height, _cut_sides(matte))]
    )
    view = _framed(inside, goal, width, height).matrix(width, height)
    return _Shot(view @ far, view @ near, share)


def _framed(inside: Matrix, goal: tuple[float, float], width: int, height: int) -> Frame:
    frame = largest(inside, width, height)
    fitting = Frame(frame.x, frame.y, min(1.0, frame.scale))
    return towards(fitting, goal, inside, width, height)


def _goal(matte: Matte | None, move: CameraMove, width: int, height: int) -> tuple[float, float]:
    """What the camera orbits around and walks up to: the face, the person, or the centre."""
    if matte is None:
        return width / 2, height / 2
    if move.zoom > 0:
        return head(matte).centre
    rows, columns = np.nonzero(cv2.resize(matte, (64, 64)) > 0.5)
    return (float(columns.mean()) + 0.5) * width / 64, (float(rows.mean()) + 0.5) * height / 64


def _rotation(move: CameraMove, share: float) -> Matrix:
    """A camera that goes left sees what lies behind the subject move to the left."""
    yaw, pitch = (np.radians(STEP_DEGREES * share * s) for s in (move.horizontal, move.vertical))
    around = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    over = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    return np.array(over) @ np.array(around)


def _homography(
    depth: float,
    turn: Matrix,
    goal: tuple[float, float],
    move: CameraMove,
    size: tuple[int, int],
) -> Matrix:
    """Of the plane at `depth`, parallel to the sensor; depth 1 is the subject's, and the pivot's.

    A point X moves to R (X - P) + s P: turned around the pivot P, which comes nearer by 1 - s.
    """
    focal = _FOCAL * max(size)
    lens = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    pivot = np.linalg.inv(lens) @ np.array([*goal, 1.0])
    nearer = 1 - _FORWARD * max(0, move.zoom)
    shift = np.outer(nearer * pivot - turn @ pivot, [0, 0, 1])
    return np.asarray(lens @ (depth * turn + shift) @ np.linalg.inv(lens), np.float64)


def _cut_sides(matte: Matte) -> tuple[bool, bool, bool, bool]:
    """Where the picture's border cuts the person: top, right, bottom, left."""
    borders = (matte[:2], matte[:, -2:], matte[-2:], matte[:, :2])
    top, right, bottom, left = (bool((border > 0.5).any()) for border in borders)
    return top, right, bottom, left


def _keeps(box: Box, shot: _Shot, image: Pixels) -> bool:
    """Whether the corners of `box` are in the frame, those aside that never were."""
    height, width = image.shape[:2]
    corners = np.array(
        [[[x, y] for x in (box.left, box.right) for y in (box.top, box.bottom)]], np.float64
    )
    warp = shot.background if shot.person is None else shot.person
    after = np.asarray(cv2.perspectiveTransform(corners, warp))[0]
    edge = 0.005 * max(width, height)
    low, high = np.array([edge, edge]), np.array([width - edge, height - edge])
    lost = ((after < low) & (corners[0] >= low)) | ((after > high) & (corners[0] <= high))
    return not lost.any()


def _render(image: Pixels, matte: Matte | None, shot: _Shot) -> Pixels:
    if matte is None or shot.person is None:
        return _warp(image, shot.background)
    far = _warp(_without_person(image, matte), shot.background)
    near = _warp(image, shot.person)
    height, width = image.shape[:2]
    alpha = np.asarray(cv2.warpPerspective(matte, shot.person, (width, height)), np.float32)
    return np.asarray(cv2.blendLinear(near, far, alpha, 1 - alpha), np.uint8)


def _warp(image: Pixels, matrix: Matrix) -> Pixels:
    """The frame lies inside the picture, so the border mode only meets rounding at the rim."""
    height, width = image.shape[:2]
    warped = cv2.warpPerspective(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.uint8)


def _without_person(image: Pixels, matte: Matte) -> Pixels:
    """The background, softly filled where the person stood. Worked out small: it is a blur."""
    height, width = image.shape[:2]
    scale = _FILL_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    hole = cv2.dilate((cover > 0.02).astype(np.uint8), np.ones((5, 5), np.uint8))
    filled = cv2.resize(cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA), (width, height))
    weight = np.asarray(cv2.resize(hole.astype(np.float32), (width, height)), np.float32)
    return np.asarray(cv2.blendLinear(filled, image, weight, 1 - weight), np.uint8)


def _pull_away(image: Pixels) -> Pixels:
    """The picture, smaller, on a dimmed blur of itself: nobody takes that for scenery."""
    height, width = image.shape[:2]
    tiny = cv2.resize(image, (48, max(1, 48 * height // width)), interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(cv2.GaussianBlur(tiny, (0, 0), 2), (width, height))
    result = np.asarray(cv2.convertScaleAbs(blurred, alpha=0.4), np.uint8)
    inner = (max(1, round(width * _AWAY)), max(1, round(height * _AWAY)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    small = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    result[top : top + inner[1], left : left + inner[0]] = small
    return result


def _operations(move: CameraMove, matte: Matte | None) -> tuple[str, ...]:
    named = {
        "orbit_left": move.horizontal < 0,
        "orbit_right": move.horizontal > 0,
        "rise": move.vertical > 0,
        "sink": move.vertical < 0,
        "forward": move.zoom > 0,
        "pull_away": move.zoom < 0,
        "parallax": matte is not None and bool(move.horizontal or move.vertical or move.zoom > 0),
    }
    return tuple(name for name, applies in named.items() if applies)


def _note(move: CameraMove, matte: Matte | None, share: float) -> str:
    parts = ["Framing preview, not a new angle: the still is re-projected, nothing new is seen."]
    turned = STEP_DEGREES * share
    sides = [
        f"{abs(step) * turned:.0f} degrees {name}"
        for step, name in (
            (move.horizontal, "left" if move.horizontal < 0 else "right"),
            (move.vertical, "up" if move.vertical > 0 else "down"),
        )
        if step
    ]
    if sides:
        kept = " (less than usual, to keep the head in frame)" if share < 1 else ""
        parts.append(f"The camera orbits only {' and '.join(sides)}{kept}.")
    if matte is None:
        parts.append("No person was found, so everything moves as one flat picture.")
    elif sides:
        parts.append("What the person hid is a soft fill.")
    if move.zoom < 0:
        parts.append("The dim blurred rim is a placeholder: the still does not show what is there.")
    return " ".join(parts)
