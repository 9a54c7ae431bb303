"""What Qwen3-VL says of faces, as boxes in the picture, or as an answer that cannot be meant.

A model keeps to one kind of units in one answer, so they are settled once for all of its boxes: by
what was asked for, unless the numbers themselves say otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.providers.qwen.choice import choose
from short_drama.paid_api.providers.qwen.loose_json import UnreadableAnswer
from short_drama.paid_api.providers.qwen.models import Units
from short_drama.paid_api.providers.qwen.said import Corners, Said, read_said

OUTSIDE: Final = 0.05
"""Of a side: a little outside is clamped; more means other units, or a model that has lost its
way."""
SAME_FACE: Final = 0.7
"""Intersection over union from which two boxes are one face: two people's faces never overlap so
far, and a repeated box hardly moves."""
LONGEST: Final = 8
"""Times the shorter side: a face cut off by the picture's edge, and nothing longer."""
SMALLEST: Final = 1 / 200
"""Of the picture's longer side, for the longer side of a face. The model sees at most some 2000
pixels a side, so that this is 10 of them, a third of one of its patches: it can tell nothing so
small from a spot, and what it calls so is a number misread."""
FEWEST: Final = 6
"""Pixels of the longer side, in a picture however small."""
WHOLE: Final = 0.95
"""Of both sides: what covers more is the picture and not a face. Even were it one, a mask over it
would leave nothing of the still to keep."""
MAX_FACES: Final = 200


@dataclass(frozen=True, slots=True)
class Detection:
    """The faces, from the left.

    Args:
        chosen: an index into `boxes`; None where it was not asked, or no one face fits.
        complete: False where the answer breaks off or is damaged: there may be more faces.
    """

    boxes: Sequence[FaceBox]
    chosen: int | None = None
    complete: bool = True


def read_faces(
    text: str,
    width: int,
    height: int,
    *,
    asked_which: bool = False,
    broken_off: bool = False,
    units: Units = Units.THOUSANDTHS,
    seen: tuple[int, int] | None = None,
) -> Detection:
    """Boxes in pixels of a picture of this size.

    Args:
        asked_which: the answer must say which face is `chosen`.
        broken_off: the provider says that the answer is not whole.
        units: in which the model was asked for boxes.
        seen: the size of the picture that was sent, where it is another.

    Raises UnreadableAnswer.
    """
    said = read_said(text, broken_off=broken_off)
    space = _space(said, units, seen or (width, height))
    boxes = [_box(face.corners, space, width, height) for face in said.faces]
    kept, face_of = _without_repeats(boxes)
    order = sorted(range(len(kept)), key=lambda face: (kept[face].centre, kept[face].width))
    chosen = choose(said, face_of) if asked_which else None
    return Detection(
        boxes=[kept[face] for face in order],
        chosen=None if chosen is None else order.index(chosen),
        complete=said.complete,
    )


# --- Coordinates to boxes -----------------------------------------------------------------

_Space = tuple[float, float]
"""What the right and the bottom edge are in the model's units."""


def _space(said: Said, units: Units, seen: tuple[int, int]) -> _Space:
    values = [value for face in said.faces for value in face.corners]
    most = max(values, default=0.0)
    if most <= 1 + OUTSIDE and any(value % 1 for value in values):
        return 1.0, 1.0
    if units is Units.PIXELS or (units is Units.UNKNOWN and most > 1000 * (1 + OUTSIDE)):
        return seen
    return 1000.0, 1000.0


def _box(corners: Corners, space: _Space, width: int, height: int) -> FaceBox:
    left, right = (_inside(x, space[0], width) for x in corners[0::2])
    top, bottom = (_inside(y, space[1], height) for y in corners[1::2])
    box = FaceBox(left, top, right, bottom)
    short, long = sorted((box.width, box.height))
    size = f"{box.width} x {box.height} pixels of {width} x {height}"
    if not 0 < long <= LONGEST * short or long < max(FEWEST, SMALLEST * max(width, height)):
        raise UnreadableAnswer(f"the box {_told(corners)} is no face: {size}")
    if box.width > WHOLE * width and box.height > WHOLE * height:
        raise UnreadableAnswer(f"the box {_told(corners)} is the whole picture and no face")
    return box


def _inside(value: float, edge: float, pixels: int) -> int:
    if not -OUTSIDE <= value / edge <= 1 + OUTSIDE:
        raise UnreadableAnswer(f"the coordinate {value:.6g} is outside 0 to {edge:g}")
    return round(min(max(value / edge, 0.0), 1.0) * pixels)


def _told(corners: Corners) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in corners) + "]"


def _without_repeats(boxes: Sequence[FaceBox]) -> tuple[list[FaceBox], list[int]]:
    """The faces, and which of them each box is."""
    kept: list[FaceBox] = []
    face_of: list[int] = []
    for box in boxes:
        same = next(
            (face for face, one in enumerate(kept) if _overlap(box, one) >= SAME_FACE), None
        )
        if same is None:
            kept.append(box)
        if len(kept) > MAX_FACES:
            raise UnreadableAnswer(f"the answer has more than {MAX_FACES} faces")
        face_of.append(len(kept) - 1 if same is None else same)
    return kept, face_of


def _overlap(one: FaceBox, other: FaceBox) -> float:
    """Intersection over union."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)
