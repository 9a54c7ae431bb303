"""Put the actor's face into the scene, from landmarks of both."""

from typing import Final

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.blend import face_mask, match_skin, multiband, skin_mask
from short_drama.paid_api.local_faces.landmarks import Mesh
from short_drama.paid_api.local_faces.warp import posed, region_around, warp

_YAW_LIMIT: Final = 20.0
_ROOM: Final = 0.3
_FEATHER: Final = 0.12


def swap_face(scene: Pixels, scene_mesh: Mesh, actor: Pixels, actor_mesh: Mesh) -> Pixels:
    """The scene with the actor's face; pixels away from the face are the scene's own."""
    goal = posed(actor_mesh, scene_mesh)
    region = region_around(goal, scene, room=_ROOM)
    background = region.of(scene)
    points = region.local(goal)
    part = warp(actor, actor_mesh, goal, region)
    face = face_mask(points, background.shape[:2])
    part = match_skin(part, background, skin_mask(points, face))
    blended = multiband(part, background, face, feather=_FEATHER * scene_mesh.width)
    result = scene.copy()
    region.of(result)[:] = blended
    return result


def warnings(scene: Mesh, actor: Mesh) -> tuple[str, ...]:
    """What the person who looks at the result should know."""
    turned = abs(scene.yaw - actor.yaw)
    if turned <= _YAW_LIMIT:
        return ()
    advice = f"above {_YAW_LIMIT:.0f} the far side of the face is stretched"
    return (f"the two faces are turned {turned:.0f} degrees apart; {advice}",)
