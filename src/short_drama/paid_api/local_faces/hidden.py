"""What of the actor's face the actor's picture does not show, and where else it can be seen.

A face that is turned hides its far side, and shows what is near its outline flatly: the mesh goes
on there, but the pixels under it are those of an ear, an earring or the wall. A face has two sides,
so what is hidden is taken from the other one, mirrored, where that is seen better. What is seen on
neither is not to be used.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from short_drama.paid_api.local_faces.landmarks import CHEEKS, CHIN, FOREHEAD, Mesh, Points

Shares = NDArray[np.float64]
"""One number for each of the 468 points, 0 to 1."""
Triangles = NDArray[np.int64]

_GRAZING: Final = 0.15
"""Cosine to the camera that is lost in the landmarks' own error: at the outline all are small."""
_STRETCHED: Final = (0.6, 0.8)
"""How squarely the actor's point faces the camera, in parts of how squarely the scene's does: at
the first it is not to be used, from the second on it is as good as any."""

_SMOOTHINGS: Final = 4


@dataclass(frozen=True, slots=True)
class Sides:
    """For each point: its twin on the other side, how much to take of the point itself rather than
    of the twin, and how well the better of the two is seen."""

    twins: NDArray[np.int64]
    own: Shares
    seen: Shares


def sides(actor: Mesh, scene: Mesh, triangles: Triangles) -> Sides | None:
    """None where the actor's picture shows all that is to be seen in the scene.

    `triangles` go the same way round when the face is seen from the front.
    """
    has, needs = (
        np.maximum(_facing(mesh.points, triangles), 0) + _GRAZING for mesh in (actor, scene)
    )
    own = _good_enough(has / needs)
    if own.min() == 1:
        return None
    others = twins(actor)
    twin = _good_enough(has[others] / needs)
    return Sides(others, 1 - np.clip(2 * (twin - own), 0, 1), np.maximum(own, twin))


def _good_enough(share: Shares) -> Shares:
    low, high = _STRETCHED
    linear = np.clip((share - low) / (high - low), 0, 1)
    smooth: Shares = linear * linear * (3 - 2 * linear)
    return smooth


def frontal(mesh: Mesh) -> Points:
    """The points as seen from straight in front of the face, about 500 wide."""
    across = mesh.points[CHEEKS[1]] - mesh.points[CHEEKS[0]]
    down = mesh.points[CHIN] - mesh.points[FOREHEAD]
    across /= np.linalg.norm(across)
    down -= across * (down @ across)
    down /= np.linalg.norm(down)
    flat: Points = mesh.points @ np.column_stack([across, down])
    centred: Points = (flat - flat.mean(axis=0)) * (500 / mesh.width)
    return centred


def twins(mesh: Mesh) -> NDArray[np.int64]:
    """For each point, the number of the one at its place on the other side of the face."""
    front = frontal(mesh).astype(np.float32)
    middle = front[[FOREHEAD, CHIN, *CHEEKS], 0].mean()
    mirrored = front * (-1, 1) + (2 * middle, 0)
    # The nearest: the distances' squares without each mirrored point's own, which is constant.
    apart = (front * front).sum(axis=1) - 2 * mirrored @ front.T
    nearest: NDArray[np.int64] = apart.argmin(axis=1)
    return nearest


def _facing(points: Points, triangles: Triangles) -> Shares:
    """The cosine between the face at each point and the way to the camera; negative from behind.

    Of the face as a whole: a nostril or the rim of a lip faces wherever it likes.
    """
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    for _ in range(_SMOOTHINGS):
        normals = _spread(normals, triangles, len(points))[triangles].sum(axis=1)
    across = _spread(normals, triangles, len(points))
    cosine: Shares = across[:, 2] / np.maximum(np.linalg.norm(across, axis=1), 1e-9)
    return cosine


def _spread(values: Points, triangles: Triangles, count: int) -> Points:
    """Each point's sum over the triangles that it is a corner of."""
    corners = triangles.T.ravel()
    columns = [np.bincount(corners, np.tile(column, 3), count) for column in values.T]
    return np.column_stack(columns)
