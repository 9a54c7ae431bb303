"""What the person who looks at a swapped face should know, and what to do about it."""

from collections.abc import Mapping, Sequence
from typing import Final

from short_drama.domain.errors import RequestUnsupported
from short_drama.paid_api.local_faces.landmarks import Mesh
from short_drama.paid_api.local_faces.occlusion import Covering

FILLED: Final = (
    "the face is turned as in the actor's picture: the masked picture no longer tells how it was; "
    "full-face-swap keeps that"
)

_YAW_WARNING: Final = 20.0
_YAW_GAIN: Final = 10.0
_PITCH_WARNING: Final = 18.0
_LIMIT: Final = 40.0
"""Degrees, either way; beyond it the face is torn."""
_MIRRORED: Final = (
    "the actor's picture was mirrored, to face the same way: what is on one side of the face, "
    "such as a mole or a parting, is on the other"
)
_IN_THE_STILL: Final[Mapping[Covering, str]] = {
    Covering.SHADES: (
        "the face in the still seems to wear dark glasses, of which parts stay around the new "
        "eyes; choose a still without them, or use face-mask and face-swap, which keep less"
    ),
    Covering.RIMS: (
        "the face in the still seems to wear glasses, whose rims end where the new face begins; "
        "choose a still without them, or an actor's picture with the like"
    ),
    Covering.MOUTH: (
        "something seems to be in front of the mouth in the still, such as a hand; the new mouth "
        "is drawn over it; choose a still in which the face is free"
    ),
}
_ON_THE_ACTOR: Final[Mapping[Covering, str]] = {
    Covering.SHADES: (
        "the actor seems to wear dark glasses, which come along without their temples; use a "
        "picture of the actor without them"
    ),
    Covering.RIMS: (
        "the actor seems to wear glasses, which come along without their temples; use a picture "
        "of the actor without them"
    ),
    Covering.MOUTH: (
        "something seems to be in front of the actor's mouth, such as a hand, and comes along; "
        "use a picture of the actor in which the face is free"
    ),
}


def looks_the_other_way(scene: Mesh, actor: Mesh) -> bool:
    """Whether the actor, mirrored, would be turned much more like the face in the scene."""
    as_is, in_a_mirror = abs(scene.yaw - actor.yaw), abs(scene.yaw + actor.yaw)
    return as_is > _YAW_WARNING and in_a_mirror < as_is - _YAW_GAIN


def on_poses(scene: Mesh, actor: Mesh, *, mirror: bool) -> tuple[str, ...]:
    """Raises RequestUnsupported when the faces look too far apart for a result worth seeing."""
    aside, down = abs(scene.yaw - actor.yaw), scene.pitch - actor.pitch
    for apart, way in ((aside, "turned"), (abs(down), "tilted")):
        if apart > _LIMIT:
            raise RequestUnsupported(
                f"the two faces are {way} {apart:.0f} degrees apart; the local engine bridges "
                f"{_LIMIT:.0f} at most",
                field="target_face_url",
                fix=f"Use a picture of the actor {way} like the face in the still.",
            )
    said = [_MIRRORED] * mirror
    if aside > _YAW_WARNING:
        said.append(
            f"the two faces are turned {aside:.0f} degrees apart; above {_YAW_WARNING:.0f} the far "
            "side of the face is stretched, or mirrored from the near one; use a picture of the "
            "actor turned like the face in the still"
        )
    if abs(down) > _PITCH_WARNING:
        said.append(
            f"the face in the still looks {abs(down):.0f} degrees further "
            f"{'down' if down > 0 else 'up'} than the actor's; above {_PITCH_WARNING:.0f} eyes and "
            "jaw do not follow; use a picture of the actor with the head held like that"
        )
    return tuple(said)


def on_coverings(
    *, still: Sequence[Covering] = (), actor: Sequence[Covering] = ()
) -> tuple[str, ...]:
    return (*(_IN_THE_STILL[each] for each in still), *(_ON_THE_ACTOR[each] for each in actor))
