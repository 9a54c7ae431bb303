"""Faces without a provider: find them, mask them, swap them, on the CPU.

Synchronous, meant for worker threads, safe to share between them. Images are RGB, height x width
x 3, uint8, and are not written to. The networks are loaded when first needed; without their files
every method raises EngineNotReady.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from short_drama.domain.errors import FaceUnclear, NoFaceFound
from short_drama.images.colour import Pixels
from short_drama.images.subject import SubjectFinder
from short_drama.paid_api.face_swap import Ellipse, left_to_right
from short_drama.paid_api.local_faces import advice, mask_search
from short_drama.paid_api.local_faces.actor import Actor, cut_out, mirrored
from short_drama.paid_api.local_faces.cover import LocalFace
from short_drama.paid_api.local_faces.detect import PORTRAIT, CenterFace
from short_drama.paid_api.local_faces.fill import fill_mask
from short_drama.paid_api.local_faces.landmarks import Landmarks, Mesh
from short_drama.paid_api.local_faces.occlusion import Covering, coverings
from short_drama.paid_api.local_faces.search import Search, smallest
from short_drama.paid_api.local_faces.swap import swap_face

__all__ = ["LocalFace", "LocalFaces", "Swapped", "smallest"]

_LYING: Final = 60.0
"""Degrees by which an actor's face may be tilted."""
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
        self._detector = CenterFace(models)
        self._landmarks = Landmarks(models)
        self._search = Search(self._detector, self._landmarks)
        self._subjects = SubjectFinder(models)

    def check(self) -> None:
        """Raises EngineNotReady when a network's file is not installed."""
        self._detector.check()
        self._landmarks.check()
        self._subjects.check()

    def find(self, image: Pixels) -> list[LocalFace]:
        """Every face, from the left, with the ellipse that would mask it."""
        return left_to_right(self._search.faces(image))

    def swap(self, scene: Pixels, face: LocalFace, actor: Pixels) -> Swapped:
        """The scene with the actor's face in place of `face`, which `find` found in it.

        An actor who looks the other way is mirrored, and a warning says so. Raises NoFaceFound,
        FaceUnclear or RequestUnsupported, naming the field of the picture at fault.
        """
        _require_clear(face, "source_image_url")
        found = self._actor(actor)
        mirror = advice.looks_the_other_way(face.mesh, found.mesh)
        if mirror:
            found = self._mirrored(found)
        said = advice.on_poses(face.mesh, found.mesh, mirror=mirror) + advice.on_coverings(
            still=self._coverings(scene, face.mesh),
            actor=self._coverings(found.picture, found.mesh),
        )
        return Swapped(swap_face(scene, face.mesh, found), face.ellipse, said)

    def fill(self, masked: Pixels, actor: Pixels, hole: Ellipse | None = None) -> Swapped:
        """The masked picture with the actor's face in the hole, found if not given.

        Raises MaskNotFound, NoFaceFound or FaceUnclear, naming the field.
        """
        ellipse = hole or mask_search.find(masked)
        found = self._actor(actor)
        image = fill_mask(masked, ellipse, found)
        said = advice.on_coverings(actor=self._coverings(found.picture, found.mesh))
        return Swapped(image, ellipse, (advice.FILLED, *said))

    def _actor(self, image: Pixels) -> Actor:
        """The largest face: a portrait may have others behind it."""
        found = self._search.confirmed(image, self._detector.find(image, canvas=PORTRAIT))
        found = found or self._search.confirmed(image, self._detector.find(image))
        if not found:
            raise NoFaceFound(
                "no face was found in the actor's picture", field="target_face_url", fix=_CLEAR
            )
        largest = max(found, key=lambda face: face.box.width * face.box.height)
        _require_clear(largest, "target_face_url")
        _require_upright(largest)
        return cut_out(image, largest.box, largest.mesh, self._subjects.find)

    def _mirrored(self, actor: Actor) -> Actor:
        cutout, box = mirrored(actor)
        picture = np.ascontiguousarray(cutout[..., :3])
        return Actor(cutout, box, self._landmarks.fit(picture, box))

    def _coverings(self, image: Pixels, mesh: Mesh) -> tuple[Covering, ...]:
        return coverings(image, mesh, self._landmarks.unrest(image, mesh))


def _require_clear(face: LocalFace, field: str) -> None:
    if not face.present:
        raise FaceUnclear(
            f"the face at {face.box.left},{face.box.top} is turned away, covered or blurred",
            field=field,
            fix=_CLEAR,
        )


def _require_upright(actor: LocalFace) -> None:
    """A still's face is followed however it is turned; an actor's says how a hole is filled."""
    if abs(actor.mesh.roll) > _LYING:
        raise FaceUnclear(
            "the actor's face lies on its side or stands upside down",
            field="target_face_url",
            fix="Turn the actor's picture, so that the face in it is upright.",
        )
