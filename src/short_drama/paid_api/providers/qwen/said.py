"""What Qwen3-VL says of faces: corners in whatever units it chose, its numbers, its choice.

Shapes that have been seen in answers and are read: a list, lists in objects, JSON Lines, a single
object, the same name given twice, other names for the box or for its sides, pairs of points,
swapped corners, numbers as strings, and what `loose_json` reads.

Everything else is a fault, for which asking again is cheap. Above all it is not "no faces": only
an empty list, or null, where the list of faces should be, says so.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from short_drama.paid_api.providers.qwen.loose_json import Cut, Members, UnreadableAnswer, values

_BOXES: Final = (
    "bbox2d", "facebbox", "facebox", "bbox", "boundingbox", "box2d", "box", "rect", "rectangle",
    "bounds", "coordinates", "coords", "points", "headbbox", "headbox",
)  # fmt: skip
"""Names of a box. Of an object that has several, the first counts: its head is not another face."""
_LISTS: Final = frozenset(
    {
        "faces", "face", "boxes", "bboxes", "bbox2ds", "detections", "objects", "results",
        "persons", "people", "humanfaces", "detectedfaces", "data", "answer", "output",
    }
)  # fmt: skip
_NUMBERS: Final = ("index", "faceindex", "id", "faceid", "number", "facenumber")
_CHOICES: Final = frozenset(
    {"chosen", "chosenindex", "chosenface", "selected", "selectedindex", "selectedface"}
)
_SIDES: Final = (
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("minx", "miny", "maxx", "maxy"),
    ("left", "top", "right", "bottom"),
    ("topleft", "bottomright"),
    ("lefttop", "rightbottom"),
)
_SIZES: Final = tuple(
    (*corner, *size)
    for corner in (("x", "y"), ("left", "top"), ("x1", "y1"), ("xmin", "ymin"))
    for size in (("width", "height"), ("w", "h"))
)
_NUMBER: Final = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s*px)?", re.ASCII)
_NUMBERS_ONLY: Final = re.compile(r"(?:[\s\d.,;()\[\]eE+-]|px)+", re.ASCII)

Corners = tuple[float, float, float, float]
"""Left, top, right, bottom, in the model's units."""


@dataclass(frozen=True, slots=True)
class SaidFace:
    """`number` as the model numbers it, and `chosen` as it says beside the box, where it does."""

    corners: Corners
    number: Any = None
    chosen: bool | None = None


@dataclass(slots=True)
class Said:
    """Args:
    nothing: there is an empty list of faces.
    chosen: what the answer says of the face that is meant; more than one thing if it says it twice.
    complete: False where it breaks off or is damaged.
    """

    faces: list[SaidFace] = field(default_factory=list)
    nothing: bool = False
    chosen: list[Any] = field(default_factory=list)
    complete: bool = True


def read_said(text: str, *, broken_off: bool = False) -> Said:
    """Raises UnreadableAnswer."""
    try:
        said = _read(text)
    except UnreadableAnswer:
        if '\\"' not in text:
            raise
        said = _read(text.replace('\\"', '"'))  # JSON within a string
    said.complete = said.complete and not broken_off
    if not said.faces and not (said.nothing and said.complete):
        raise UnreadableAnswer("it names no face and does not say that there is none")
    return said


def _read(text: str) -> Said:
    said = Said()
    for value in values(text):
        said.complete = said.complete and value.whole
        _Reader(said, strict=value.whole).read_list(value.content)
    if not said.faces and not said.nothing:
        raise UnreadableAnswer("it has no list of faces")
    return said


@dataclass(frozen=True, slots=True)
class _Reader:
    """Args:
    strict: what cannot be read is a fault, and not just left out.
    """

    said: Said
    strict: bool

    def read_list(self, value: Any) -> None:
        """Where a list of faces may stand, an empty one says that there are none."""
        if value is None or (_is_list(value) and not value):
            self.said.nothing = True
        else:
            self.read(value)

    def read(self, value: Any, number: Any = None, chosen: bool | None = None) -> None:
        if isinstance(value, Members):
            self._read_object(value, number, chosen)
        elif corners := _corners(value):
            self.said.faces.append(SaidFace(corners, number, chosen))
        elif isinstance(value, Cut) or (isinstance(value, list) and value):
            for item in value:
                self.read(item, number, chosen)
        else:
            self._fault(f"{short(value)} is no box")

    def _read_object(self, members: Members, number: Any, chosen: bool | None) -> None:
        named = [(re.sub(r"[\s_-]", "", name).lower(), value) for name, value in members]
        number = next((value for name, value in named if name in _NUMBERS), number)
        choices = [value for name, value in named if name in _CHOICES]
        lists = [value for name, value in named if name in _LISTS and _may_be_list(value)]
        boxes = _boxes(named)
        if boxes:  # what it says of one face is yes or no
            chosen = next((value for value in choices if isinstance(value, bool)), chosen)
            choices = [value for value in choices if not isinstance(value, bool)]
        for box in boxes:
            self.read(box, number, chosen)
        for faces in lists:
            if isinstance(faces, str):
                for inner in values(faces):
                    self.read_list(inner.content)
            else:
                self.read_list(faces)
        self.said.chosen += choices
        if not (boxes or lists or choices):
            self._fault(f"{short(dict(members))} has no box")

    def _fault(self, words: str) -> None:
        if self.strict:
            raise UnreadableAnswer(words)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value, Members | Cut)


def _may_be_list(value: Any) -> bool:
    """A string is one when it has brackets."""
    return value is None or isinstance(value, list) or (isinstance(value, str) and "[" in value)


# --- Boxes --------------------------------------------------------------------------------


def _boxes(named: Sequence[tuple[str, Any]]) -> list[Any]:
    names = {name for name, _ in named}
    if (box := next((name for name in _BOXES if name in names), None)) is not None:
        return [value for name, value in named if name == box]
    sides = _from_sides(dict(named))
    return [] if sides is None else [sides]


def _from_sides(named: Mapping[str, Any]) -> list[float] | None:
    """Of a box that is written side by side, or as a corner and a size."""
    for names in _SIDES:
        if named.keys() >= set(names):
            return _four([named[name] for name in names])
    for names in _SIZES:
        if named.keys() >= set(names):
            x, y, width, height = (number_in(named[name]) for name in names)
            if x is None or y is None or width is None or height is None:
                return None
            return [x, y, x + width, y + height]
    return None


def _corners(value: Any) -> Corners | None:
    """None if it is something else."""
    four = _four(value)
    if four is None or not all(map(math.isfinite, four)):
        return None
    x1, y1, x2, y2 = four
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _four(value: Any) -> list[float] | None:
    """Four numbers, the points of two opposite corners, or those of all four."""
    if isinstance(value, str) and _NUMBERS_ONLY.fullmatch(value):
        value = _NUMBER.findall(value)
    if not _is_list(value) or len(value) not in (2, 4):
        return None
    numbers = [number for number in map(number_in, value) if number is not None]
    if len(numbers) == len(value) == 4:
        return numbers
    points = [point for point in map(_point, value) if point is not None]
    if len(points) != len(value):
        return None
    across, down = zip(*points, strict=True)
    return [min(across), min(down), max(across), max(down)]


def _point(value: Any) -> tuple[float, float] | None:
    if isinstance(value, Members):
        named = dict(value)
        value = [named["x"], named["y"]] if named.keys() == {"x", "y"} else []
    if not isinstance(value, list) or isinstance(value, Cut) or len(value) != 2:
        return None
    x, y = map(number_in, value)
    return None if x is None or y is None else (x, y)


def number_in(item: Any) -> float | None:
    if isinstance(item, str):
        found = _NUMBER.fullmatch(item.strip())
        return float(found[1]) if found else None
    return float(item) if isinstance(item, int | float) and not isinstance(item, bool) else None


def short(value: Any) -> str:
    """Of what may be very long."""
    return repr(value)[:60]
