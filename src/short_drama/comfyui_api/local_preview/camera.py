"""A framing preview of a moved camera: the still re-projected, never a new angle.

The still is taken as one flat picture or, where a person is found, as two: the cut-out person
before the background. Each layer moves by its homography (see `orbit`), and the frame is laid so
that no border shows and the head stays in.

What the still does not show stays unknown. Behind the person a soft fill stands in, and "pull
away" puts the picture, smaller, on a dimmed blur of itself: visibly a placeholder.
"""

from typing import Final

import cv2
import numpy as np

from short_drama.comfyui_api.local_preview.framing import Matrix
from short_drama.comfyui_api.local_preview.orbit import Shot, plan
from short_drama.comfyui_api.local_preview.previewed import Previewed
from short_drama.comfyui_api.local_preview.subject import describe
from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.domain.errors import InvalidRequest
from short_drama.images.colour import Pixels
from short_drama.images.subject import FindSubject, Matte

_AWAY: Final = 0.75
"""Size of the picture within its placeholder."""
_FILL_SIDE: Final = 192

_NOT_NEW: Final = (
    "Framing preview, not a new angle: the still is re-projected and shows nothing new."
)
_PLACEHOLDER: Final = (
    "The dim, blurred rim is a placeholder: the still does not show what is there."
)


def move_camera(image: Pixels, move: CameraMove, find: FindSubject) -> Previewed:
    """`image` as the moved camera would roughly frame it, at the same size.

    `find` is asked for the people unless the camera only pulls away.
    """
    if move.is_still:
        raise InvalidRequest(
            "the camera is not moved: vertical, horizontal and zoom are all 0",
            field="prompt",
            fix="Give a prompt, or at least one of vertical, horizontal and zoom.",
        )
    if (move.vertical, move.horizontal, move.zoom) == (0, 0, -1):
        return Previewed(_pull_away(image), ("pull_away",), f"{_NOT_NEW} {_PLACEHOLDER}")
    matte = find(image)
    person = None if matte is None else describe(matte)
    shot = plan(move, person, image.shape[1], image.shape[0])
    result = _render(image, matte, shot)
    if move.zoom < 0:
        result = _pull_away(result)
    return Previewed(result, _operations(move, shot), _note(move, shot))


def _render(image: Pixels, matte: Matte | None, shot: Shot) -> Pixels:
    if matte is None or shot.person is None:
        return _warp(image, shot.background, cv2.INTER_CUBIC)
    far = _warp(_without_person(image, matte), shot.background, cv2.INTER_LINEAR)
    near = _warp(image, shot.person, cv2.INTER_CUBIC)
    cover = _warp((255 * matte).astype(np.uint8), shot.person, cv2.INTER_LINEAR)
    alpha = np.multiply(cover, np.float32(1 / 255), dtype=np.float32)
    return np.asarray(cv2.blendLinear(near, far, alpha, 1 - alpha), np.uint8)


def _warp(image: Pixels, matrix: Matrix, interpolation: int) -> Pixels:
    """The frame lies inside the picture, so its border pixels go on for less than one more.

    A matte does reach beyond, at sides that do not cut the person: there the border is 0.
    """
    height, width = image.shape[:2]
    warped = cv2.warpPerspective(
        image, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_REPLICATE
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


def _operations(move: CameraMove, shot: Shot) -> tuple[str, ...]:
    named = {
        "orbit_left": move.horizontal < 0,
        "orbit_right": move.horizontal > 0,
        "rise": move.vertical > 0,
        "sink": move.vertical < 0,
        "forward": move.zoom > 0,
        "parallax": shot.person is not None,
        "pull_away": move.zoom < 0,
    }
    return tuple(name for name, applies in named.items() if applies)


def _note(move: CameraMove, shot: Shot) -> str:
    sentences = {
        _NOT_NEW: True,
        _turned(shot): bool(shot.yaw or shot.pitch),
        "What the person hid is a soft fill.": shot.person is not None,
        "No person was found, so all moves as one flat picture.": shot.person is None,
        _PLACEHOLDER: move.zoom < 0,
    }
    return " ".join(sentence for sentence, applies in sentences.items() if applies)


def _turned(shot: Shot) -> str:
    ways = (
        (shot.yaw, "to the right" if shot.yaw > 0 else "to the left"),
        (shot.pitch, "up" if shot.pitch > 0 else "down"),
    )
    turns = [f"{abs(degrees):.0f} degrees {way}" for degrees, way in ways if degrees]
    return f"The camera orbits {' and '.join(turns)} only: a still bears no more."
