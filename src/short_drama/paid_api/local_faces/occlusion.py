"""What is in front of a face: dark glasses, rims, a hand or a mask at the mouth.

Landmarks do not tell: the network draws eyes behind sunglasses and lips behind a hand, as sure as
ever. So the picture itself is asked. Dark glasses cover lids, the skin under the eyes and the
bridge of the nose, and none of it has the cheeks' colour. Rims are edges where a cheek is smooth.
What hides the mouth makes the network guess, and two looks at one face guess differently.

Measured on 33 photographed faces and 7 drawn ones, bare, and the photographed ones with dark
glasses, rims, fingers and a mask drawn on. No bare face was taken for a covered one; found were 65
of 66 dark glasses, 32 of 33 dark rims, 20 of 33 hands and every mask, 11 of these because the
landmarks themselves gave up. The thresholds were chosen on the same faces. Not seen are light or
rimless glasses, and most of what covers a cheek or the forehead alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.landmarks import (
    CHEEKS,
    CHIN,
    FOREHEAD,
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    Mesh,
    Points,
)

Mask = NDArray[np.uint8]


class Covering(StrEnum):
    SHADES = "dark glasses"
    RIMS = "glasses"
    MOUTH = "something in front of the mouth"


_SIDE: Final = 96
"""Of the upright little picture in which eyes are looked at; the face is 80 high or wide."""
_FACE: Final = 80.0
_BRIDGE: Final = (193, 417)
"""Points of the mesh on either side of the nose's bridge."""
_SOCKET: Final = (0.17, 0.13)
"""Half axes of the ellipse around an eye, in face widths."""
_DARK, _BRIGHT, _OTHER_COLOUR = 0.55, 1.8, 18.0
"""Not like the cheeks: brightness in parts of theirs, and distance in Cr and Cb, of 255."""
_SHADED, _SHADED_BRIDGE = 0.5, 0.3
"""Least share of each socket, and of the bridge, that is not like the cheeks behind dark glasses:
large drawn eyes fill their sockets, but leave the bridge bare."""
_EDGE, _EDGE_BRIDGE = 1.8, 2.0
"""Sobel's gradient in brightnesses of the cheeks, at the steepest tenth of sockets and bridge."""
_UNREST: Final = 0.032
"""Mean movement of the lips between two looks, in face widths."""


def coverings(image: Pixels, mesh: Mesh, unrest: NDArray[np.float64]) -> tuple[Covering, ...]:
    """What the face wears or has in front of it, as far as it can be seen.

    `unrest` is how far each point moves between two looks, in face widths.
    """
    found: list[Covering] = []
    eyes = _look_at_eyes(image, mesh)
    if eyes.unlike >= _SHADED and eyes.unlike_bridge >= _SHADED_BRIDGE:
        found.append(Covering.SHADES)
    elif eyes.edges >= _EDGE and eyes.edges_bridge >= _EDGE_BRIDGE:
        found.append(Covering.RIMS)
    lips, brows = float(unrest[LIPS].mean()), float(unrest[LEFT_BROW + RIGHT_BROW].mean())
    if lips >= _UNREST and lips >= brows:  # in drawings the brows are the unruly ones
        found.append(Covering.MOUTH)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Eyes:
    """The lesser of both sockets, and the bridge between them: what share of it is not like the
    cheeks, and how steep its edges are."""

    unlike: float
    edges: float
    unlike_bridge: float
    edges_bridge: float


def _look_at_eyes(image: Pixels, mesh: Mesh) -> _Eyes:
    face, seen, points = _upright(image, mesh)
    planes = cv2.cvtColor(face, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    outline = _hull(points[OVAL]) & seen
    sockets = [
        _socket(points, eye, brow, outline)
        for eye, brow in ((LEFT_EYE, LEFT_BROW), (RIGHT_EYE, RIGHT_BROW))
    ]
    cheeks = planes[_cheeks(points, outline, sockets)]
    bright, red, blue = np.median(cheeks, axis=0).tolist() if len(cheeks) else (0.0, 0.0, 0.0)
    share = planes[..., 0] / max(bright, 1.0)
    apart = np.hypot(planes[..., 1] - red, planes[..., 2] - blue)
    unlike = (share < _DARK) | ((apart > _OTHER_COLOUR) & (share < 1)) | (share > _BRIGHT)
    edges = cv2.magnitude(cv2.Sobel(share, cv2.CV_32F, 1, 0), cv2.Sobel(share, cv2.CV_32F, 0, 1))
    bridge = np.zeros((_SIDE, _SIDE), np.uint8)
    left, right = (tuple(np.round(points[i]).astype(int)) for i in _BRIDGE)
    cv2.line(bridge, left, right, 1, max(1, round(0.08 * _width(points))))
    bridge &= outline
    return _Eyes(
        min(_share(unlike, each) for each in sockets),
        min(_steepest(edges, each) for each in sockets),
        _share(unlike, bridge),
        _steepest(edges, bridge),
    )


def _upright(image: Pixels, mesh: Mesh) -> tuple[Pixels, Mask, Points]:
    """The face level and small, what of it is in the picture, and its points there."""
    flat = mesh.flat
    low, high = flat[OVAL].min(axis=0), flat[OVAL].max(axis=0)
    eyes = flat[LEFT_EYE].mean(axis=0) - flat[RIGHT_EYE].mean(axis=0)
    across = eyes / max(float(np.linalg.norm(eyes)), 1e-6)
    tall, wide = (float(np.linalg.norm(flat[a] - flat[b])) for a, b in ((FOREHEAD, CHIN), CHEEKS))
    scale = _FACE / max(tall, wide, 1.0)
    left, top = np.maximum(np.floor(low - (high - low) * 0.2), 0).astype(int)
    right, bottom = np.ceil(high + (high - low) * 0.2).astype(int)
    shrink = min(1.0, 1.5 * scale)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    size = [max(1, round(side * shrink)) for side in part.shape[1::-1]]
    part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    turn = np.array([across, (-across[1], across[0])]) * scale
    shift = _SIDE / 2 - turn @ ((low + high) / 2)
    affine = np.column_stack([turn / shrink, turn @ (left, top) + shift])
    face, within = (
        np.asarray(cv2.warpAffine(each, affine, (_SIDE, _SIDE)), np.uint8)
        for each in (part, np.ones(part.shape[:2], np.uint8))
    )
    return face, within, flat @ turn.T + shift


def _socket(points: Points, eye: list[int], brow: list[int], outline: Mask) -> Mask:
    """Lids and the skin around an eye, without the eye and the brow."""
    width = _width(points)
    x, y = points[eye].mean(axis=0)
    axes = (max(1, int(_SOCKET[0] * width)), max(1, int(_SOCKET[1] * width)))
    socket = np.zeros((_SIDE, _SIDE), np.uint8)
    cv2.ellipse(socket, (round(x), round(y + 0.04 * width)), axes, 0, 0, 360, 1, cv2.FILLED)
    socket &= outline
    socket[_hull(points[eye], grown=3) > 0] = 0
    socket[_hull(points[brow], grown=5) > 0] = 0
    return socket


def _cheeks(points: Points, outline: Mask, sockets: list[Mask]) -> NDArray[np.bool_]:
    """Between eyes and mouth, nose included."""
    width = _width(points)
    rows = np.arange(_SIDE)[:, None]
    eyes = points[LEFT_EYE + RIGHT_EYE, 1].mean() + 0.16 * width
    mouth = points[LIPS, 1].mean() - 0.05 * width
    cheeks = (outline > 0) & (rows >= eyes) & (rows <= mouth)
    for each in (*sockets, _hull(points[LIPS])):
        cheeks &= cv2.dilate(each, np.ones((3, 3))) == 0
    return np.asarray(cheeks)


def _hull(points: Points, *, grown: int = 1) -> Mask:
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    hull = cv2.convexHull(np.round(points).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    return np.asarray(cv2.dilate(mask, np.ones((grown, grown))), np.uint8)


def _width(points: Points) -> float:
    return float(np.linalg.norm(points[CHEEKS[1]] - points[CHEEKS[0]]))


def _share(what: NDArray[np.bool_], where: Mask) -> float:
    return float(what[where > 0].mean()) if where.any() else 0.0


def _steepest(edges: cv2.typing.MatLike, where: Mask) -> float:
    return float(np.percentile(edges[where > 0], 90)) if where.any() else 0.0
