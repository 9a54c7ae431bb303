"""Where a face is, and which ellipse covers it, as far as its landmarks can be trusted."""

from dataclasses import dataclass, replace
from typing import Final

from short_drama.paid_api.face_swap import Face, FaceBox, around
from short_drama.paid_api.local_faces import ellipse as ellipses
from short_drama.paid_api.local_faces.landmarks import Mesh

PRESENT: Final = 0.5
"""Of a mesh; below this, there is no face where it says."""
_FIRM: Final = 0.999
"""And from here on it is the right way round: none of 372 turned faces had more otherwise."""
_APART: Final = 0.5
"""Intersection over union below which box and landmarks are not of the same thing."""
UNCLEAR: Final = (
    "how the face is turned is not clear: its mask is the ellipse around the box in which it was "
    "seen, and may leave out some of it; look at the mask, or give a picture in which the face is "
    "upright, sharp and uncovered"
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LocalFace(Face):
    """A face with its landmarks, so that a swap need not fit them again."""

    mesh: Mesh

    @property
    def present(self) -> bool:
        """Whether there is something in the landmarks."""
        return self.mesh.presence >= PRESENT

    @property
    def places(self) -> tuple[FaceBox, ...]:
        """Where it is: by the detector, and by the landmarks if they see a face."""
        return (self.box, self.mesh.box) if self.present else (self.box,)


def covered(box: FaceBox, mesh: Mesh) -> LocalFace:
    """The face with its ellipse: around the landmarks if these are firm; otherwise around the
    corners of the box and of what the landmarks saw, which covers it however it is turned."""
    if mesh.presence >= _FIRM:
        if _overlap(box, mesh.box) < _APART:
            box = replace(mesh.box, score=box.score)
        return LocalFace(box, ellipses.of_mesh(mesh), mesh=mesh)
    whole = _both(box, mesh.box) if mesh.presence >= PRESENT else box
    return LocalFace(box, around(whole), warnings=(UNCLEAR,), mesh=mesh)


def shared(one: FaceBox, other: FaceBox) -> float:
    """What two boxes have in common, as a share of the smaller one's area."""
    return _common(one, other) / max(min(_area(one), _area(other)), 1)


def _overlap(one: FaceBox, other: FaceBox) -> float:
    """Intersection over union."""
    common = _common(one, other)
    return common / max(_area(one) + _area(other) - common, 1)


def _common(one: FaceBox, other: FaceBox) -> int:
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    return max(width, 0) * max(height, 0)


def _area(box: FaceBox) -> int:
    return box.width * box.height


def _both(one: FaceBox, other: FaceBox) -> FaceBox:
    return FaceBox(
        min(one.left, other.left), min(one.top, other.top),
        max(one.right, other.right), max(one.bottom, other.bottom),
    )  # fmt: skip
