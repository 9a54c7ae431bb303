"""Which of the boxes found are faces: matched one to one by overlap."""

from collections.abc import Sequence
from typing import Final

from short_drama.paid_api.face_swap import FaceBox
from tests.faces.catalogue import Box

_SAME: Final = 0.5
"""Intersection over union from which a box is the face's."""


def overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(one) + _area(other) - both)


def hits(truth: Sequence[Box], found: Sequence[FaceBox], *, same: float = _SAME) -> int:
    """How many faces were found. Each box counts for one face at most, best pairs first."""
    boxes = [(box.left, box.top, box.right, box.bottom) for box in found]
    pairs = sorted(
        ((overlap(face, box), i, j) for i, face in enumerate(truth) for j, box in enumerate(boxes)),
        reverse=True,
    )
    faces: set[int] = set()
    used: set[int] = set()
    for value, i, j in pairs:
        if value >= same and i not in faces and j not in used:
            faces.add(i)
            used.add(j)
    return len(faces)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
