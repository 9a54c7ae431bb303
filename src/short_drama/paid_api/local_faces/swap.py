"""Put the actor's face into the scene, from landmarks of both."""

from typing import Final

import numpy as np

from short_drama.domain.errors import RequestUnsupported
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces.blend import face_mask, match_skin, multiband, skin_mask
from short_drama.paid_api.local_faces.landmarks import Mesh
from short_drama.paid_api.local_faces.warp import posed, region_around, warp

_YAW_WARNING: Final = 20.0
_YAW_LIMIT: Final = 40.0
"""Degrees; beyond it the far cheek is torn."""
_YAW_GAIN: Final = 10.0
_MIRRORED: Final = (
    "the actor's picture was mirrored, to face the same way: what is on one side of the face, "
    "such as a mole or a parting, is on the other"
)
_ROOM: Final = 0.3
_FEATHER: Final = 0.12


def swap_face(scene: Pixels, scene_mesh: Mesh, actor: Pixels, actor_mesh: Mesh) -> Pixels:
    """The scene with the actor's face; pixels away from the face are the scene's own."""
    goal = posed(actor_mesh, scene_mesh)
    region = region_around(goal, scene, room=_ROOM)
    background = region.of(scene)
    points = region.local(goal)
    warped = warp(actor, actor_mesh, goal, region)
    face = face_mask(points, background.shape[:2])
    part = match_skin(warped, background, skin_mask(points, face))
    blended = multiband(part, background, face, feather=_FEATHER * scene_mesh.width)
    result = scene.copy()
    region.of(result)[:] = blended
    return result


def looks_the_other_way(scene: Mesh, actor: Mesh) -> bool:
    """Whether the actor, mirrored, would be turned much more like the face in the scene."""
    as_is, in_a_mirror = abs(scene.yaw - actor.yaw), abs(scene.yaw + actor.yaw)
    return as_is > _YAW_WARNING and in_a_mirror < as_is - _YAW_GAIN


def mirrored(image: Pixels, box: FaceBox) -> tuple[Pixels, FaceBox]:
    width = image.shape[1]
    there = FaceBox(width - box.right, box.top, width - box.left, box.bottom, box.score)
    return np.ascontiguousarray(image[:, ::-1]), there


def warnings(scene: Mesh, actor: Mesh, *, mirror: bool) -> tuple[str, ...]:
    """What the person who looks at the result should know.

    Raises RequestUnsupported when the faces are turned too far apart for a result worth seeing.
    """
    apart = abs(scene.yaw - actor.yaw)
    if apart > _YAW_LIMIT:
        raise RequestUnsupported(
            f"the two faces are turned {apart:.0f} degrees apart; the local engine bridges "
            f"{_YAW_LIMIT:.0f} at most",
            field="target_face_url",
            fix="Use a picture of the actor turned like the face in the still.",
        )
    stretched = (
        f"the two faces are turned {apart:.0f} degrees apart; above {_YAW_WARNING:.0f} the far "
        "side of the face is stretched"
    )
    return (_MIRRORED,) * mirror + (stretched,) * (apart > _YAW_WARNING)
