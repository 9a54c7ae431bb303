"""Carry one face's pixels onto the place and pose of another.

In the names here `scene` is the still whose face is replaced and `actor` the face that comes in.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.actor import Cutout
from short_drama.paid_api.local_faces.hidden import Shares, Triangles, frontal, sides
from short_drama.paid_api.local_faces.landmarks import CHEEKS, LIPS, OVAL, Mesh, Points

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


def warp(cutout: Cutout, actor: Mesh, scene: Mesh, goal: Points, region: Region) -> Cutout:
    """The region of the scene as the actor's pixels fill it: piecewise affine, in one remap.

    Where the actor's picture hides a side that the scene shows, the other side stands in; what it
    does not show at all is no person's.
    """
    image, scale = _not_larger_than_needed(cutout, actor, goal)
    triangles = _triangles(actor)
    both = sides(actor, scene, triangles[(triangles < len(goal)).all(axis=1)])
    flat = actor.flat * scale
    brought = [_with_ring(flat)]
    if both is not None:
        brought += [_with_ring(flat[both.twins]), _outwards(both.own), _outwards(both.seen)]
    width, height = region.size
    shrink = min(1.0, _MAP_SIDE / max(width, height))
    small = (max(2, round(width * shrink)), max(2, round(height * shrink)))
    go_to = _with_ring(region.local(goal)) * (small[0] / width, small[1] / height)
    planes = _carried(np.column_stack(brought), go_to, triangles, small)
    x, y, *more = (cv2.resize(plane, (width, height)) for plane in planes)
    warped = _fetched(image, x, y)
    if both is not None:
        twin_x, twin_y, own, seen = more
        own = np.clip(own, 0, 1)
        warped = cv2.blendLinear(warped, _fetched(image, twin_x, twin_y), own, 1 - own)
        warped[..., 3] = warped[..., 3] * np.clip(seen, 0, 1)
    return np.asarray(warped, np.uint8)


def _fetched(image: Cutout, x: cv2.typing.MatLike, y: cv2.typing.MatLike) -> cv2.typing.MatLike:
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


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


def _not_larger_than_needed(image: Cutout, mesh: Mesh, goal: Points) -> tuple[Cutout, float]:
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


def _outwards(shares: Shares) -> Points:
    """A column with a number for each point of the ring, too: that of the outline's next to it."""
    return np.concatenate([shares, shares[OVAL]])[:, None]


def _carried(
    values: NDArray[np.float64], go_to: Points, triangles: Triangles, size: tuple[int, int]
) -> NDArray[np.float32]:
    """What each point brings along, spread over the triangles: one plane for each column."""
    corners = go_to[triangles]
    sides = corners[:, 1:] - corners[:, :1]
    area = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    triangles, corners = triangles[np.abs(area) > 1e-3], corners[np.abs(area) > 1e-3]
    which = np.zeros((size[1], size[0]), np.int32)
    for number, corner in enumerate(np.round(corners * 16).astype(np.int32)):
        cv2.fillConvexPoly(which, corner, number, shift=4)
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=2)
    affine = np.linalg.solve(homogeneous, values[triangles]).astype(np.float32)
    y, x = np.indices(which.shape, dtype=np.float32)
    slope_x, slope_y, start = affine.transpose(1, 2, 0)
    return np.stack(
        [slope_x[i][which] * x + slope_y[i][which] * y + start[i][which] for i in range(len(start))]
    )


def _triangles(actor: Mesh) -> Triangles:
    """Delaunay over the face seen from the front, far triangles first: near ones cover them."""
    front = _with_ring(frontal(actor))
    low, high = front.min(axis=0) - 1, front.max(axis=0) + 1
    plane = cv2.Subdiv2D((int(low[0]), int(low[1]), *(int(v) + 2 for v in high - low)))
    places = front.astype(np.float32).tolist()  # as the plane stores them, to find them again
    plane.insert(places)
    index = {tuple(place): number for number, place in enumerate(places)}
    corners = np.asarray(plane.getTriangleList()).reshape(-1, 3, 2).tolist()
    found = [[index.get(tuple(corner)) for corner in triangle] for triangle in corners]
    triangles = np.array([each for each in found if None not in each], dtype=np.int64)
    depth = np.concatenate([actor.points[:, 2], np.full(len(OVAL), actor.points[:, 2].max())])
    order: Triangles = triangles[np.argsort(-depth[triangles].mean(axis=1), kind="stable")]
    return order
