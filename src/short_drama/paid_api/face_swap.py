"""The face pipeline's words and its pure steps: no pixels, no network.

Boxes and ellipses are in pixels of the upright image. Faces are numbered from the left, from 0.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeVar

from short_drama.domain.errors import FaceIndexOutOfRange, NoFaceFound, RequestUnsupported


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where a face is; `score` is the detector's confidence, 0 to 1."""

    left: int
    top: int
    right: int
    bottom: int
    score: float = 1.0

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Semi-axes in pixels; angle in degrees, clockwise as seen, of the `axis_x` direction."""

    centre_x: float
    centre_y: float
    axis_x: float
    axis_y: float
    angle: float = 0.0

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 2) for name, value in asdict(self).items()}

    def grown(self, pixels: float) -> "Ellipse":
        """By that much on all sides, or shrunk, to a pixel at least."""
        axis_x, axis_y = (max(axis + pixels, 1.0) for axis in (self.axis_x, self.axis_y))
        return replace(self, axis_x=axis_x, axis_y=axis_y)


def around(box: FaceBox, *, expand: float = 1.0) -> Ellipse:
    """The smallest upright ellipse of the box's proportions that covers it, `expand` times as
    large: half axes of the square root of 1/2 times the box's sides."""
    x, y = box.centre
    reach = math.sqrt(0.5) * expand
    return Ellipse(x, y, box.width * reach, box.height * reach)


@dataclass(frozen=True, slots=True)
class Face:
    """`warnings`: what is to be known of its ellipse."""

    box: FaceBox
    ellipse: Ellipse
    warnings: tuple[str, ...] = ()


AnyFace = TypeVar("AnyFace", bound=Face)


def left_to_right(faces: Sequence[AnyFace]) -> list[AnyFace]:
    return sorted(faces, key=lambda face: (face.box.centre, face.box.width))


def choose_face(
    faces: Sequence[Face], index: int, *, picture: str = "image_url", smallest: int | None = None
) -> int:
    """The index itself, once it is known to exist; of the rest see `require_faces`.

    Raises NoFaceFound, FaceIndexOutOfRange.
    """
    require_faces(faces, picture, smallest=smallest)
    if not 0 <= index < len(faces):
        raise FaceIndexOutOfRange(
            f"face_index is {index}, but {_number(faces)} found",
            field="face_index",
            fix=f"Give a number from 0, the leftmost, to {len(faces) - 1}.",
        )
    return index


_FROM: Final = {"left": "the left", "right": "the right", "largest": "size", "smallest": "size"}
_DIGITS: Final = "一二三四五六七八九十"
_ORDINALS: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip


def _english(words: str) -> str:
    """Whole words: `right` is not in `bright`, but may stand beside a Chinese sign."""
    return rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])"


# Every word must be known. To overlook one ("not the left one", "the left man's friend") would be
# to mask the wrong person.
_WORDS: Final = re.compile(
    "|".join(
        f"(?P<{meaning}>{_english(english)}|{chinese})"
        for meaning, english, chinese in (
            ("left", r"left[ -]to[ -]right|left(?:[ -]?most)?", "从?左(?:往|到|向|至)右|左"),
            ("right", r"right[ -]to[ -]left|right(?:[ -]?most)?", "从?右(?:往|到|向|至)左|右"),
            ("middle", "middle|cent(?:re|er)|central", "中间|中央|正中"),
            ("largest", "largest|biggest|closest|nearest", "最大|最近"),
            ("smallest", "smallest|furthest|farthest", "最小|最远"),
            ("last", "last", "最后|倒数第一"),
            (
                "nth",
                rf"{'|'.join(_ORDINALS)}|\d+(?:st|nd|rd|th)",
                r"(?:第|(?<=[左右]))(?:[一二三四五六七八九十](?![一二三四五六七八九十])|\d+)",
            ),
            (
                "filler",
                "the|face|person|one|in|on|at|of|from|by|side|counted|counting",
                "一?[个张位]|[边侧面数起从的人脸在最那]",
            ),
            ("unknown", "[a-z0-9']+", r"[^\W_]"),
        )
    )
)
_UNDERSTOOD: Final = (
    "left, right, middle, largest, smallest, 'second from the left', 'third from the right', "
    "or in Chinese 左, 右, 中间, 最大, 最小, 左边第二个"
)


def choose_face_by_words(
    faces: Sequence[Face], words: str, *, picture: str = "image_url", smallest: int | None = None
) -> int:
    """The index of the face that a short description means.

    Raises NoFaceFound, FaceIndexOutOfRange, and RequestUnsupported for a wording that is not
    understood in full: guessing would mask the wrong person.
    """
    require_faces(faces, picture, smallest=smallest)
    said = [(m.lastgroup or "", m.group()) for m in _WORDS.finditer(words.lower())]
    if unknown := [word for meaning, word in said if meaning == "unknown"]:
        named = ", ".join(map(repr, unknown[:5]))
        raise _not_understood(f"the local engine does not know {named}")
    places = [_place(word) for meaning, word in said if meaning == "nth"]
    orders = {meaning for meaning, _ in said} - {"filler", "nth"}
    order = "+".join(orders) or "left"
    known = _FROM if places else [*_FROM, "middle", "last"]
    if order not in known or len(places) > 1 or not (orders or places):
        raise _not_understood(f"{words!r} does not say which one face is meant")
    if order == "middle":
        return _middle(faces)
    if order == "last":
        return len(faces) - 1
    return _nth(faces, order, places[0] if places else 0)


def _place(word: str) -> int:
    """Counted from 0: `second`, `2nd`, `第二`, `第2` and `二` are all 1."""
    if word in _ORDINALS:
        return _ORDINALS.index(word)
    if digits := re.search(r"\d+", word):
        return int(digits.group()) - 1
    return _DIGITS.index(word[-1])


def _middle(faces: Sequence[Face]) -> int:
    if len(faces) % 2 == 0:
        raise _not_understood(f"of {len(faces)} faces none is in the middle")
    return len(faces) // 2


def _nth(faces: Sequence[Face], order: str, place: int) -> int:
    """`faces` go from the left; of equally large ones the left one counts first."""
    if not 0 <= place < len(faces):
        raise FaceIndexOutOfRange(
            f"number {place + 1} from {_FROM[order]} was asked for, but {_number(faces)} found",
            field="face_position_prompt",
        )
    indices = range(len(faces))
    areas = [face.box.width * face.box.height for face in faces]
    return {
        "left": lambda: indices[place],
        "right": lambda: indices[-1 - place],
        "largest": lambda: sorted(indices, key=lambda i: -areas[i])[place],
        "smallest": lambda: sorted(indices, key=lambda i: areas[i])[place],
    }[order]()


def _not_understood(why: str) -> RequestUnsupported:
    return RequestUnsupported(
        why, field="face_position_prompt", fix=f"Use one of: {_UNDERSTOOD}; or face_index."
    )


def _number(faces: Sequence[Face]) -> str:
    return "1 face was" if len(faces) == 1 else f"{len(faces)} faces were"


def require_faces(faces: Sequence[Face], picture: str, *, smallest: int | None = None) -> None:
    """`picture` is the field to blame for no faces; `smallest` the height in pixels that a face in
    a picture of its size must have to be found, where that is known.

    Raises NoFaceFound.
    """
    if faces:
        return
    large = "a large face" if smallest is None else f"a face at least {smallest} pixels high"
    raise NoFaceFound(
        "no face was found in the image",
        field=picture,
        fix=f"Use a picture of this size with {large}, sharp, not covered and not turned away.",
    )
