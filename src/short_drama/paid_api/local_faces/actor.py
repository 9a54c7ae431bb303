"""The face that comes in: its head cut out of the picture, and its landmarks."""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.images.subject import FindSubject
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces.landmarks import Mesh, Points

Cutout = NDArray[np.uint8]
"""Height x width x 4: red, green, blue, and how much of a person each pixel is."""

PERSON: Final = 128
"""Of 255: what is less of a person is the wall behind the actor."""
_ROOM: Final = 1.0
"""Kept around the face's box on each side, in its larger side: hair, neck, and a strip of wall, for
the network knows people by their shoulders."""
_MATTE_SIDE: Final = 320
"""The network sees 256 pixels; more of them only make its matte slow to refine."""
_RIM: Final = (0.7, 0.95)
"""Through the matte's soft rim the wall shines: from nobody to somebody within these."""
_CERTAIN: Final = 0.9
"""Of the face: a matte that takes less of it for a person is mistaken."""


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """`box` and `mesh` are in pixels of the cutout."""

    cutout: Cutout
    box: FaceBox
    mesh: Mesh

    @property
    def set_apart(self) -> bool:
        """Whether it is known where the person ends and the wall begins."""
        return bool(self.cutout[..., 3].min() < PERSON)

    @property
    def picture(self) -> Pixels:
        return np.ascontiguousarray(self.cutout[..., :3])


def cut_out(image: Pixels, box: FaceBox, mesh: Mesh, find_subject: FindSubject) -> Actor:
    """The head in `box`; all of it counts as a person where no matte is to be relied upon."""
    room = round(max(box.width, box.height) * _ROOM)
    left, top = max(0, box.left - room), max(0, box.top - room)
    head = np.ascontiguousarray(image[top : box.bottom + room, left : box.right + room])
    here = replace(
        box, left=box.left - left, top=box.top - top, right=box.right - left,
        bottom=box.bottom - top,
    )  # fmt: skip
    moved = replace(mesh, points=mesh.points - (left, top, 0))
    return Actor(np.dstack([head, _matte(head, moved.flat, find_subject)]), here, moved)


def mirrored(actor: Actor) -> tuple[Cutout, FaceBox]:
    """To be fitted anew: landmarks have no mirror image."""
    width, box = actor.cutout.shape[1], actor.box
    there = replace(box, left=width - box.right, right=width - box.left)
    return np.ascontiguousarray(actor.cutout[:, ::-1]), there


def _matte(head: Pixels, points: Points, find_subject: FindSubject) -> NDArray[np.uint8]:
    height, width = head.shape[:2]
    scale = min(1.0, _MATTE_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(head, size, interpolation=cv2.INTER_AREA), np.uint8)
    matte = find_subject(small)
    if matte is not None:
        face = np.zeros(matte.shape, np.uint8)
        outline = cv2.convexHull((points * scale).astype(np.float32))
        cv2.fillConvexPoly(face, np.round(outline).astype(np.int32), 1)
        if cv2.mean(matte, mask=face)[0] >= _CERTAIN:
            firm = np.clip((matte - _RIM[0]) / (_RIM[1] - _RIM[0]), 0, 1) * 255
            large = cv2.resize(np.round(firm).astype(np.uint8), (width, height))
            return np.asarray(large, np.uint8)
    return np.full((height, width), 255, np.uint8)
