"""Whether each result is what its kind promises: pure, on pixels and on the task's own record.

Every check gives its complaints, an empty list if there are none. Pictures are RGB, height x
width x 3, uint8; thresholds are in levels, 0 to 255.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from short_drama.images.codec import Pixels

_TILES: Final = 4
_MOVED: Final = 2.0
"""Least mean difference of a tile whose content has moved."""
_SOFTER: Final = 0.5
"""Most detail that a blurred background keeps, as a share."""
_JPEG: Final = 3.0
"""Most mean difference that re-encoding at quality 95 makes."""
_RIM: Final = 0.05
"""Left out on either side of an ellipse's edge, as a share of its axes."""
_CHANGED: Final = 2.0
"""Least mean difference inside a swapped face: the same person, in another light."""
_DARK: Final = 12
_FAR: Final = 2.2
"""In axes of the face's ellipse: beyond, a swap must not reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`account` is what the task's record says of the result; `found_again` the record of a
    face-mask task on the result, where there was one."""

    before: Pixels
    after: Pixels
    account: Mapping[str, Any]
    found_again: Mapping[str, Any] | None = None


def camera_angle(seen: Evidence) -> list[str]:
    tiles = tile_differences(seen.before, seen.after)
    return _complaints(
        (bool((tiles >= _MOVED).all()), "parts of the picture have not moved"),
        (seen.account.get("preview") is True, "the record does not say that it is a preview"),
        (bool(seen.account.get("operations")), "the record names no operation"),
    )


def image_edit(seen: Evidence) -> list[str]:
    red, green, blue = np.moveaxis(seen.after, -1, 0)
    grey = bool((red == green).all() and (green == blue).all())
    softer = _border_detail(seen.after) <= _SOFTER * _border_detail(seen.before)
    return _complaints(
        (grey, "it is not black and white"),
        (softer, "its background is not blurred"),
        (bool(seen.account.get("operations")), "the record names no operation"),
    )


def face_mask(seen: Evidence) -> list[str]:
    ellipse = seen.account["ellipse"]
    inside = within(ellipse, seen.after, 1 - _RIM)
    outside = ~within(ellipse, seen.after, 1 + _RIM)
    return _complaints(
        (not seen.after[inside].any(), "the ellipse is not black"),
        (bool((seen.after == seen.before)[outside].all()), "pixels beside the ellipse changed"),
        (seen.account.get("faces_found", 0) >= 1, "the record says that no face was found"),
    )


def face_swap(seen: Evidence) -> list[str]:
    ellipse = seen.account["ellipse"]
    hole = seen.after[within(ellipse, seen.after, 1 - _RIM)]
    outside = ~within(ellipse, seen.after, 1 + 4 * _RIM)
    return _complaints(
        (float(np.mean(hole.max(axis=1) > _DARK)) > 0.98, "the masked face is not filled"),
        (difference(seen.before, seen.after, outside) <= _JPEG, "the rest changed"),
        *_face_found_again(seen),
    )


def full_face_swap(seen: Evidence) -> list[str]:
    ellipse = seen.account["ellipse"]
    face = within(ellipse, seen.after, 0.8)
    far = ~within(ellipse, seen.after, _FAR)
    return _complaints(
        (difference(seen.before, seen.after, face) >= _CHANGED, "the face has not changed"),
        (difference(seen.before, seen.after, far) <= _JPEG, "pixels far from the face changed"),
        *_face_found_again(seen),
    )


CHECKS: Final[Mapping[str, Callable[[Evidence], list[str]]]] = {
    "camera-angle": camera_angle,
    "qwen-image-edit": image_edit,
    "face-mask": face_mask,
    "face-swap": face_swap,
    "full-face-swap": full_face_swap,
}


def check(kind: str, seen: Evidence) -> list[str]:
    """Every complaint about a result of this kind."""
    if seen.before.shape != seen.after.shape:
        return [f"its size changed: {seen.before.shape} to {seen.after.shape}"]
    if CHECKS[kind] in (face_mask, face_swap, full_face_swap) and "ellipse" not in seen.account:
        return ["the record does not say where the face is"]
    return CHECKS[kind](seen)


def within(ellipse: Mapping[str, float], picture: Pixels, scale: float) -> NDArray[np.bool_]:
    """Which pixels lie in the ellipse, its axes scaled."""
    rows, columns = np.indices(picture.shape[:2], np.float32)
    x, y = columns - ellipse["centre_x"], rows - ellipse["centre_y"]
    turn = math.radians(ellipse["angle"])
    along = (x * math.cos(turn) + y * math.sin(turn)) / (ellipse["axis_x"] * scale)
    across = (y * math.cos(turn) - x * math.sin(turn)) / (ellipse["axis_y"] * scale)
    return np.asarray(along**2 + across**2 <= 1.0)


def difference(one: Pixels, other: Pixels, where: NDArray[np.bool_]) -> float:
    """Mean absolute difference in levels."""
    return float(np.abs(one[where].astype(np.int16) - other[where]).mean())


def tile_differences(one: Pixels, other: Pixels) -> NDArray[np.float64]:
    """Mean absolute difference of each tile of a 4 x 4 grid."""
    apart = np.abs(one.astype(np.int16) - other).mean(axis=2)
    bands = np.array_split(apart, _TILES)
    return np.array([[tile.mean() for tile in np.array_split(b, _TILES, axis=1)] for b in bands])


def _border_detail(picture: Pixels) -> float:
    """How sharp the upper rim is, where the people are not: mean step between neighbours."""
    grey = picture.mean(axis=2)
    steps = np.abs(np.diff(grey, axis=1))
    height, width = steps.shape
    rim = [steps[: height // 2, : width // 6], steps[: height // 2, -width // 6 :]]
    return float(np.mean([part.mean() for part in rim]))


def _face_found_again(seen: Evidence) -> list[tuple[bool, str]]:
    """At the place where it was put, by the service itself."""
    if seen.found_again is None or "ellipse" not in seen.found_again:
        return [(False, "no face is found in the result")]
    was, now = seen.account["ellipse"], seen.found_again["ellipse"]
    apart = math.hypot(was["centre_x"] - now["centre_x"], was["centre_y"] - now["centre_y"])
    return [(apart <= was["axis_x"] / 2, "the face found in the result is elsewhere")]


def _complaints(*claims: tuple[bool, str]) -> list[str]:
    return [complaint for holds, complaint in claims if not holds]
