"""Put the actor's face into the scene, from landmarks of both."""

from typing import Final

import numpy as np

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.actor import PERSON, Actor
from short_drama.paid_api.local_faces.blend import face_mask, match_skin, multiband, skin_mask
from short_drama.paid_api.local_faces.forehead import covered
from short_drama.paid_api.local_faces.landmarks import Mesh
from short_drama.paid_api.local_faces.warp import posed, region_around, warp
from short_drama.paid_api.local_faces.whites import whites

_ROOM: Final = 0.3
_FEATHER: Final = 0.12


def swap_face(scene: Pixels, scene_mesh: Mesh, actor: Actor) -> Pixels:
    """The scene with the actor's face; pixels away from the face are the scene's own."""
    goal = posed(actor.mesh, scene_mesh)
    region = region_around(goal, scene, room=_ROOM)
    background = region.of(scene)
    points = region.local(goal)
    warped = warp(actor.cutout, actor.mesh, scene_mesh, goal, region)
    part, person = np.ascontiguousarray(warped[..., :3]), warped[..., 3]
    face = face_mask(points, background.shape[:2])
    face[person < PERSON] = 0
    face[covered(part, points, face) > 0] = 0
    skin = skin_mask(points, face)
    lit = match_skin(part, background, skin, whites(part, points, skin))
    blended = multiband(lit, background, face, feather=_FEATHER * scene_mesh.width)
    result = scene.copy()
    region.of(result)[:] = blended
    return result
