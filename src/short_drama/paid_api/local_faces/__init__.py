"""Faces without a provider: find them, mask them, swap them, on the CPU.

Synchronous, meant for worker threads, safe to share between them. Images are RGB, height x width
x 3, uint8, and are not written to. The networks are loaded when first needed; without their files
every method raises EngineNotReady.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from short_drama.domain.errors import FaceUnclear, NoFaceFound
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse, Face, FaceBox, left_to_right
from short_drama.paid_api.local_faces import ellipse as ellipses
from short_drama.paid_api.local_faces.detect import PORTRAIT, Detector
from short_drama.paid_api.local_faces.fill import WARNING, fill_mask
from short_drama.paid_api.local_faces.landmarks import Landmarks, Mesh
from short_drama.paid_api.local_faces.swap import swap_face, warnings

__all__ = ["LocalFace", "LocalFaces", "Swapped"]

_PRESENT: Final = 0.5
"""Below this, the landmarks are not to be trusted: mask from the box, refuse to swap."""
_CLEAR: Final = "Use a picture in which the face is sharp, uncovered and seen from the front."


@dataclass(frozen=True, slots=True, eq=False)
class LocalFace(Face):
    """A face with its landmarks, so that a swap need not fit them again."""

    mesh: Mesh


@dataclass(frozen=True, slots=True)
class Swapped:
    image: Pixels
    ellipse: Ellipse
    """Where the face was replaced."""
    warnings: tuple[str, ...] = ()


class LocalFaces:
    """`models` is the folder of installed model files."""

    def __init__(self, models: Path) -> None:
        self._detector = Detector(models)
        self._landmarks = Landmarks(models)

    def find(self, image: Pixels) -> list[LocalFace]:
        """Every face, from the left, with the ellipse that would mask it."""
        return left_to_right([self._face(image, box) for box in self._detector.find(image)])

    def mask(self, image: Pixels, face: Face) -> Pixels:
        """The picture with the face painted over."""
        return ellipses.paint(image, face.ellipse)

    def swap(self, scene: Pixels, face: LocalFace, actor: Pixels) -> Swapped:
        """The scene with the actor's face in place of `face`, which `find` found in it.

        Raises NoFaceFound or FaceUnclear, naming the field of the picture at fault.
        """
        _require_clear(face.box, face.mesh, "source_image_url")
        actor_mesh = self._actor_mesh(actor)
        image = swap_face(scene, face.mesh, actor, actor_mesh)
        return Swapped(image, face.ellipse, warnings(face.mesh, actor_mesh))

    def fill(self, masked: Pixels, actor: Pixels, hole: Ellipse | None = None) -> Swapped:
        """The masked picture with the actor's face in the hole, found if not given.

        Raises MaskNotFound, NoFaceFound or FaceUnclear, naming the field.
        """
        ellipse = hole or ellipses.find(masked)
        image = fill_mask(masked, ellipse, actor, self._actor_mesh(actor))
        return Swapped(image, ellipse, (WARNING,))

    def _face(self, image: Pixels, box: FaceBox) -> LocalFace:
        mesh = self._landmarks.fit(image, box)
        clear = mesh.presence >= _PRESENT
        return LocalFace(box, ellipses.of_mesh(mesh) if clear else ellipses.of_box(box), mesh)

    def _actor_mesh(self, actor: Pixels) -> Mesh:
        """Of the largest face: a portrait may have others behind it."""
        boxes = self._detector.find(actor, side=PORTRAIT) or self._detector.find(actor)
        if not boxes:
            raise NoFaceFound("no face was found", field="target_face_url", fix=_CLEAR)
        largest = max(boxes, key=lambda box: box.width * box.height)
        mesh = self._landmarks.fit(actor, largest)
        _require_clear(largest, mesh, "target_face_url")
        return mesh


def _require_clear(box: FaceBox, mesh: Mesh, field: str) -> None:
    if mesh.presence < _PRESENT:
        raise FaceUnclear(
            f"the face at {box.left},{box.top} is turned away, covered or blurred",
            field=field,
            fix=_CLEAR,
        )
