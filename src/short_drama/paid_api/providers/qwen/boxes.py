"""What Qwen3-VL says of faces, as boxes; its answers are often not quite JSON.

Coordinates come relative to 0..1000, corner to corner, whatever the picture's size. Shapes that
have been seen in answers and are read: Markdown fences (or only the closing one), prose, JSON
Lines, stray closing brackets, a single object, a list inside an object, an answer that breaks off,
the same box over and over, floats, numbers as strings, pairs of points, swapped corners, other
names for the box, a name given twice, and the model's own box tokens.

Everything else is a fault, for which asking again is cheap. Above all it is not "no faces": only
an empty list, where the list of faces should be, says so.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.providers.qwen.loose_json import UnreadableAnswer, values

SPACE: Final = 1000.0
"""The right and bottom edges in the model's coordinates."""
TOLERANCE: Final = 50.0
"""A little outside is clamped; more means pixels, or a model that has lost its way."""
SAME_FACE: Final = 0.7
"""Intersection over union from which two boxes are one face: two people's faces never overlap so
far, and a repeated box hardly moves."""
LONGEST: Final = 8
"""Times the shorter side: a face cut off by the picture's edge, and nothing longer."""
MAX_FACES: Final = 200

_BOX_NAMES: Final = ("bbox_2d", "face_bbox", "bbox", "bounding_box", "box", "head_bbox")
"""Of an object that has several, the first counts: its head is not another face."""
_LIST_NAMES: Final = frozenset(("faces", "boxes", "bboxes", "detections", "objects", "results"))
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", re.ASCII)
_NUMBERS_ONLY: Final = re.compile(r"[\s\d.,;()\[\]eE+-]+", re.ASCII)

Corners = tuple[float, float, float, float]


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
    text: str, width: int, height: int, *, asked_which: bool = False, broken_off: bool = False
) -> Detection:
    """Boxes in pixels of a picture of this size.

    Args:
        asked_which: the answer must say which face is `chosen`.
        broken_off: the provider says that the answer is not whole.

    Raises UnreadableAnswer.
    """
    said = _read(text, broken_off=broken_off)
    boxes = [_pixels(face.corners, width, height) for face in said.faces]
    kept, face_of = _without_repeats(boxes)
    order = sorted(range(len(kept)), key=lambda face: (kept[face].centre, kept[face].width))
    chosen = _chosen(said, face_of) if asked_which else None
    return Detection(
        boxes=[kept[face] for face in order],
        chosen=None if chosen is None else order.index(chosen),
        complete=said.complete,
    )


# --- Text to coordinates ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Face:
    corners: Corners
    number: Any = None
    """As the model numbers it, where it does."""


@dataclass(slots=True)
class _Said:
    faces: list[_Face] = field(default_factory=list)
    nothing: bool = False
    """There is an empty list of faces."""
    chosen: list[Any] = field(default_factory=list)
    complete: bool = True

    def add(self, more: "_Said") -> None:
        self.faces += more.faces
        self.chosen += more.chosen
        self.nothing |= more.nothing


class _Object(list[tuple[str, Any]]):
    """A JSON object's members, where a name may occur twice."""


def _read(text: str, *, broken_off: bool) -> _Said:
    said = _Said(complete=not broken_off)
    for value in values(text):
        said.complete = said.complete and value.whole
        try:
            said.add(_first_readable(value.readings))
        except UnreadableAnswer:
            if value.whole:
                raise
    if not said.faces and not (said.nothing and said.complete):
        raise UnreadableAnswer("the answer names no face and does not say that there is none")
    return said


def _first_readable(readings: Sequence[str]) -> _Said:
    fault = UnreadableAnswer("the answer breaks off before the first face")
    for reading in readings:
        said = _Said()
        try:
            _collect_list(_parse(reading), said)
        except UnreadableAnswer as error:
            fault = error
        else:
            return said
    raise fault


def _parse(value: str) -> Any:
    try:
        return json.loads(value, object_pairs_hook=_Object)
    except ValueError as error:
        raise UnreadableAnswer(f"the answer is not JSON: {error}") from error


def _collect_list(value: Any, said: _Said) -> None:
    """Where a list of faces may stand, an empty one says that there are none."""
    if isinstance(value, list) and not isinstance(value, _Object) and not value:
        said.nothing = True
    else:
        _collect(value, said)


def _collect(value: Any, said: _Said, number: Any = None) -> None:
    if isinstance(value, _Object):
        _collect_object(value, said)
    elif corners := _corners(value):
        said.faces.append(_Face(corners, number))
    elif isinstance(value, list) and value:
        for item in value:
            _collect(item, said, number)
    else:
        raise UnreadableAnswer(f"{_short(value)} is no box")


def _collect_object(members: _Object, said: _Said) -> None:
    names = [name for name, _ in members]
    box_name = next((name for name in _BOX_NAMES if name in names), None)
    number = next((value for name, value in members if name == "index"), None)
    for name, value in members:
        if name == box_name:
            _collect(value, said, number)
        elif name in _LIST_NAMES:
            _collect_list(value, said)
        elif name == "chosen":
            said.chosen.append(value)
    if not {box_name, "chosen", *_LIST_NAMES}.intersection(names):
        raise UnreadableAnswer(f"{_short(dict(members))} has no box")


def _corners(value: Any) -> Corners | None:
    """None if it is something else; four scalars, or two points, are a box."""
    if isinstance(value, str) and _NUMBERS_ONLY.fullmatch(value):
        value = _NUMBER.findall(value)
    if not isinstance(value, list):
        return None
    if len(value) == 2 and all(isinstance(point, list) and len(point) == 2 for point in value):
        value = [*value[0], *value[1]]
    if len(value) != 4 or not all(_is_number(item) for item in value):
        return None
    x1, y1, x2, y2 = (_coordinate(item) for item in value)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _is_number(item: Any) -> bool:
    if isinstance(item, str):
        return _NUMBER.fullmatch(item.strip()) is not None
    return isinstance(item, int | float) and not isinstance(item, bool)


def _coordinate(item: str | float) -> float:
    try:
        value = float(item)
    except OverflowError:
        value = math.inf
    if not -TOLERANCE <= value <= SPACE + TOLERANCE:
        raise UnreadableAnswer(f"the coordinate {_short(item)} is outside 0 to {SPACE:.0f}")
    return min(max(value, 0.0), SPACE)


def _short(value: Any) -> str:
    """Of what may be very long."""
    return repr(value)[:60]


# --- Coordinates to boxes -----------------------------------------------------------------


def _pixels(corners: Corners, width: int, height: int) -> FaceBox:
    left, right = (round(x / SPACE * width) for x in corners[0::2])
    top, bottom = (round(y / SPACE * height) for y in corners[1::2])
    box = FaceBox(left, top, right, bottom)
    short, long = sorted((box.width, box.height))
    if not 0 < long <= LONGEST * short:
        raise UnreadableAnswer(f"{corners} would be a face of {box.width} x {box.height} pixels")
    return box


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


def _chosen(said: _Said, face_of: Sequence[int]) -> int | None:
    """Which face the model means, by its own numbers, else by the order of its answer."""
    if not said.chosen:
        raise UnreadableAnswer("the answer does not say which face is meant")
    first = said.chosen[0]
    if any(type(other) is not type(first) or other != first for other in said.chosen):
        raise UnreadableAnswer("the answer says twice, and differently, which face is meant")
    if first is None:
        return None
    numbers = [
        place if face.number is None else face.number for place, face in enumerate(said.faces)
    ]
    meant = {
        face
        for number, face in zip(numbers, face_of, strict=True)
        if type(first) is type(number) is int and number == first
    }
    if len(meant) != 1:
        raise UnreadableAnswer(f"the face that is meant, {_short(first)}, is none of the list")
    return meant.pop()
