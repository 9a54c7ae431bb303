"""The face pipeline's words and its pure steps: no pixels, no network.

Boxes and ellipses are in pixels of the upright image. Faces are numbered from the left, from 0.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Face:
    box: FaceBox
    ellipse: Ellipse


def left_to_right(faces: Sequence[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: (face.box.centre, face.box.width))


def choose_face(faces: Sequence[Face], index: int) -> int:
    """The index itself, once it is known to exist. Raises NoFaceFound, FaceIndexOutOfRange."""
    _require_faces(faces)
    if index >= len(faces):
        number = "1 face was" if len(faces) == 1 else f"{len(faces)} faces were"
        raise FaceIndexOutOfRange(
            f"face_index is {index}, but {number} found",
            field="face_index",
            fix=f"Give a number from 0, the leftmost, to {len(faces) - 1}.",
        )
    return index


_ORDINALS: Final = {
    "first": 0, "1st": 0, "one": 0, "第一": 0, "second": 1, "2nd": 1, "第二": 1,
    "third": 2, "3rd": 2, "第三": 2, "fourth": 3, "4th": 3, "第四": 3, "fifth": 4, "5th": 4,
    "第五": 4,
}  # fmt: skip
_LEFT: Final = re.compile(r"\bleft(most)?\b|左")
_RIGHT: Final = re.compile(r"\bright(most)?\b|右")
_MIDDLE: Final = re.compile(r"\b(middle|cent(re|er)|central)\b|中间|中央|正中")
_LARGEST: Final = re.compile(r"\b(largest|biggest|closest|nearest)\b|最大|最近")
_SMALLEST: Final = re.compile(r"\b(smallest|furthest|farthest)\b|最小|最远")
_UNDERSTOOD: Final = (
    "left, right, middle, largest, smallest, 'second from the left', 'third from the right', "
    "or in Chinese 左, 右, 中间, 最大, 最小, 左边第二个"
)


def choose_face_by_words(faces: Sequence[Face], words: str) -> int:
    """The index of the face that a short description means.

    Raises NoFaceFound, FaceIndexOutOfRange, and RequestUnsupported for a wording that is not
    understood: guessing would mask the wrong person.
    """
    _require_faces(faces)
    text = words.lower()
    meanings = [
        name
        for name, pattern in (
            ("left", _LEFT), ("right", _RIGHT), ("middle", _MIDDLE),
            ("largest", _LARGEST), ("smallest", _SMALLEST),
        )
        if pattern.search(text)
    ]  # fmt: skip
    place = next((at for word, at in _ORDINALS.items() if _says(text, word)), None)
    if place is not None and meanings in ([], ["left"], ["right"]):
        choose_face(faces, place)
        return len(faces) - 1 - place if meanings == ["right"] else place
    if place is not None or len(meanings) != 1:
        raise RequestUnsupported(
            f"{words!r} does not say which face is meant in words the local engine knows",
            field="face_position_prompt",
            fix=f"Use one of: {_UNDERSTOOD}; or face_index.",
        )
    return _by_meaning(faces, meanings[0])


def _by_meaning(faces: Sequence[Face], meaning: str) -> int:
    sizes = [face.box.width * face.box.height for face in faces]
    return {
        "left": 0,
        "right": len(faces) - 1,
        "middle": (len(faces) - 1) // 2,
        "largest": sizes.index(max(sizes)),
        "smallest": sizes.index(min(sizes)),
    }[meaning]


def _says(text: str, word: str) -> bool:
    return word in text if not word.isascii() else bool(re.search(rf"\b{word}\b", text))


def _require_faces(faces: Sequence[Face]) -> None:
    if not faces:
        raise NoFaceFound(
            "no face was found in the image",
            fix="Use a picture with a face at least 20 pixels wide, not covered or turned away.",
        )
