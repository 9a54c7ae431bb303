"""Carry one face's pixels onto the place and pose of another.

In the names here `scene` is the still whose face is replaced and `actor` the face that comes in.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.landmarks import (
    CHEEKS,
    CHIN,
    FOREHEAD,
    LIPS,
    OVAL,
    Mesh,
    Points,
)

_FALLOFF: Final = 0.28
"""Within this many face widths of the outline, points move over to the scene's own outline."""
_RING: Final = 1.35
"""The mesh is extended outwards by a ring, so that the outline itself is inside of it."""
_MAP_SIDE: Final = 384
"""The map of where pixels come from is smooth: it is made this small and enlarged."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the scene, in its pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def of(self, image: Pixels) -> Pixels:
        return image[self.top : self.bottom, self.left : self.right]

    def local(self, points: Points) -> Points:
        return points - (self.left, self.top)


def region_around(points: Points, image: Pixels, *, room: float) -> Region:
    """The box around the points, with `room` of its size added on each side, in the image."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = (high - low) * room
    height, width = image.shape[:2]
    left, top = np.maximum(np.floor(low - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + margin), (width, height)).astype(int)
    return Region(int(left), int(top), int(right), int(bottom))


def posed(actor: Mesh, scene: Mesh) -> Points:
    """Where each of the actor's points belongs in the scene, 468 x 2.

    The actor's own face, expression included, turned into the scene's pose (one rotation, scale
    and shift in three dimensions); near the outline the points follow the scene's.
    """
    fixed = np.setdiff1d(np.arange(len(actor.points)), LIPS)
    turned = _similarity(actor.points[fixed], scene.points[fixed], actor.points)[:, :2]
    outline = scene.flat[OVAL].astype(np.float32)
    inside = np.array(
        [cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in turned]
    )
    weight = np.clip(1 - inside / (_FALLOFF * scene.width), 0, 1)[:, None]
    weight = weight * weight * (3 - 2 * weight)
    return turned * (1 - weight) + scene.flat * weight


def warp(actor_image: Pixels, actor: Mesh, goal: Points, region: Region) -> Pixels:
    """The region of the scene as the actor's pixels fill it: piecewise affine, one remap."""
    image, scale = _not_larger_than_needed(actor_image, actor, goal)
    come_from = _with_ring(actor.flat * scale)
    go_to = _with_ring(region.local(goal))
    width, height = region.size
    shrink = min(1.0, _MAP_SIDE / max(width, height))
    small = (max(2, round(width * shrink)), max(2, round(height * shrink)))
    where = _source_map(go_to * (small[0] / width, small[1] / height), come_from, actor, small)
    x, y = (cv2.resize(axis, (width, height)) for axis in where)
    warped = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def _similarity(moving: Points, fixed: Points, applied_to: Points) -> Points:
    """Umeyama's least-squares rotation, scale and shift of `moving` onto `fixed`."""
    centre, goal = moving.mean(axis=0), fixed.mean(axis=0)
    a, b = moving - centre, fixed - goal
    u, strengths, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ flip @ vt
    scale = (strengths * np.diag(flip)).sum() / (a * a).sum()
    moved: Points = (applied_to - centre) @ turn.T * scale + goal
    return moved


def _not_larger_than_needed(image: Pixels, mesh: Mesh, goal: Points) -> tuple[Pixels, float]:
    """Shrink the actor's picture where its face is larger than the scene's: no aliasing."""
    goal_width = float(np.linalg.norm(goal[CHEEKS[1]] - goal[CHEEKS[0]]))
    scale = goal_width / max(mesh.width, 1.0)
    if scale > 0.8:
        return image, 1.0
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _with_ring(flat: Points) -> Points:
    outline = flat[OVAL]
    centre = outline.mean(axis=0)
    return np.vstack([flat, centre + (outline - centre) * _RING])


def _source_map(
    go_to: Points, come_from: Points, actor: Mesh, size: tuple[int, int]
) -> NDArray[np.float32]:
    """For each pixel of the goal, the x and the y it comes from: 2 x height x width."""
    triangles = _triangles(actor)
    corners = go_to[triangles]
    sides = corners[:, 1:] - corners[:, :1]
    area = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    triangles, corners = triangles[np.abs(area) > 1e-3], corners[np.abs(area) > 1e-3]
    which = np.zeros((size[1], size[0]), np.int32)
    for number, corner in enumerate(np.round(corners * 16).astype(np.int32)):
        cv2.fillConvexPoly(which, corner, number, shift=4)
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2)
    affine = np.linalg.solve(homogeneous, come_from[triangles]).astype(np.float32)
    y, x = np.indices(which.shape, dtype=np.float32)
    chosen = affine[which]
    return np.stack(
        [chosen[..., 0, i] * x + chosen[..., 1, i] * y + chosen[..., 2, i] for i in (0, 1)]
    )


def _triangles(actor: Mesh) -> NDArray[np.int64]:
    """Delaunay over the face seen from the front, far triangles first: near ones cover them."""
    front = _with_ring(_frontal(actor))
    low, high = front.min(axis=0) - 1, front.max(axis=0) + 1
    plane = cv2.Subdiv2D((int(low[0]), int(low[1]), *(int(v) + 2 for v in high - low)))
    places = front.astype(np.float32).tolist()  # as the plane stores them, to find them again
    plane.insert(places)
    index = {tuple(place): number for number, place in enumerate(places)}
    corners = np.asarray(plane.getTriangleList()).reshape(-1, 3, 2).tolist()
    found = [[index.get(tuple(corner)) for corner in triangle] for triangle in corners]
    triangles = np.array([each for each in found if None not in each], dtype=np.int64)
    depth = np.concatenate([actor.points[:, 2], np.full(len(OVAL), actor.points[:, 2].max())])
    order: NDArray[np.int64] = triangles[np.argsort(-depth[triangles].mean(axis=1), kind="stable")]
    return order


def _frontal(mesh: Mesh) -> Points:
    """The points as seen from straight in front of the face, about 500 wide."""
    across = mesh.points[CHEEKS[1]] - mesh.points[CHEEKS[0]]
    down = mesh.points[CHIN] - mesh.points[FOREHEAD]
    across /= np.linalg.norm(across)
    down -= across * (down @ across)
    down /= np.linalg.norm(down)
    flat: Points = mesh.points @ np.column_stack([across, down])
    centred: Points = (flat - flat.mean(axis=0)) * (500 / mesh.width)
    return centred
