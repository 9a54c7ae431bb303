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

__all__ = ["LocalFaces", "Swapped"]

_PRESENT: Final = 0.5
"""Below this, the landmarks are not to be trusted: mask from the box, refuse to swap."""
_CLEAR: Final = "Use a picture in which the face is sharp, uncovered and seen from the front."


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

    def find(self, image: Pixels) -> list[Face]:
        """Every face, from the left, with the ellipse that would mask it."""
        return left_to_right(
            [Face(box, self._ellipse(image, box)) for box in self._detector.find(image)]
        )

    def mask(self, image: Pixels, face: Face) -> Pixels:
        """The picture with the face painted over."""
        return ellipses.paint(image, face.ellipse)

    def swap(self, scene: Pixels, face: Face, actor: Pixels) -> Swapped:
        """The scene with the actor's face in place of `face`.

        Raises NoFaceFound or FaceUnclear, naming the field of the picture at fault.
        """
        mesh = self._clear_mesh(scene, face.box, "source_image_url")
        actor_mesh = self._actor_mesh(actor)
        image = swap_face(scene, mesh, actor, actor_mesh)
        return Swapped(image, face.ellipse, warnings(mesh, actor_mesh))

    def fill(self, masked: Pixels, actor: Pixels, hole: Ellipse | None = None) -> Swapped:
        """The masked picture with the actor's face in the hole, found if not given.

        Raises MaskNotFound, NoFaceFound or FaceUnclear, naming the field.
        """
        ellipse = hole or ellipses.find(masked)
        image = fill_mask(masked, ellipse, actor, self._actor_mesh(actor))
        return Swapped(image, ellipse, (WARNING,))

    def _ellipse(self, image: Pixels, box: FaceBox) -> Ellipse:
        mesh = self._landmarks.fit(image, box)
        return ellipses.of_mesh(mesh) if mesh.presence >= _PRESENT else ellipses.of_box(box)

    def _actor_mesh(self, actor: Pixels) -> Mesh:
        """Of the largest face: a portrait may have others behind it."""
        boxes = self._detector.find(actor, side=PORTRAIT) or self._detector.find(actor)
        if not boxes:
            raise NoFaceFound("no face was found", field="target_face_url", fix=_CLEAR)
        largest = max(boxes, key=lambda box: box.width * box.height)
        return self._clear_mesh(actor, largest, "target_face_url")

    def _clear_mesh(self, image: Pixels, box: FaceBox, field: str) -> Mesh:
        mesh = self._landmarks.fit(image, box)
        if mesh.presence < _PRESENT:
            raise FaceUnclear(
                f"the face at {box.left},{box.top} is turned away, covered or blurred",
                field=field,
                fix=_CLEAR,
            )
        return mesh
