"""Where to put the frame so that it shows picture everywhere: the largest one that fits.

A warped picture is a convex polygon, so "the frame lies inside" is one linear inequality for each
side, n . centre + reach * scale <= d, and the largest frame solves a small linear program. Its
optimum lies where three inequalities meet; with four to eight of them, trying all is simplest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
"""3 x 3 homography, or rows of half-planes (nx, ny, d): inside where n . p <= d."""

ALL_SIDES: Final = (True, True, True, True)
_SLACK: Final = 1e-6
_PARALLEL: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Frame:
    """An upright rectangle, `scale` times the output's size, around a centre in warped pixels."""

    x: float
    y: float
    scale: float

    def matrix(self, width: int, height: int) -> Matrix:
        """From warped pixels to the output's."""
        zoom = 1 / self.scale
        return np.array(
            [
                [zoom, 0, width / 2 - self.x * zoom],
                [0, zoom, height / 2 - self.y * zoom],
                [0, 0, 1],
            ]
        )


def outline(warp: Matrix, width: int, height: int, sides: Sequence[bool] = ALL_SIDES) -> Matrix:
    """The picture's warped border as half-planes; `sides` are top, right, bottom, left."""
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    points = np.asarray(cv2.perspectiveTransform(corners, warp), np.float64)[0]
    along = np.roll(points, -1, axis=0) - points
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1)
    normals = normals / np.hypot(normals[:, :1], normals[:, 1:])
    distances = (normals * points).sum(axis=1, keepdims=True)
    planes: Matrix = np.hstack([normals, distances])
    return planes[np.flatnonzero(sides)]


def largest(inside: Matrix, width: int, height: int) -> Frame:
    """The largest frame of the output's shape within all half-planes."""
    limits = np.column_stack([inside[:, :2], _reach(inside, width, height)])
    triples = np.array(list(combinations(range(len(limits)), 3)))
    meeting = triples[np.abs(np.linalg.det(limits[triples])) > _PARALLEL]
    points = np.linalg.solve(limits[meeting], inside[meeting, 2, None])[..., 0]
    feasible = points[np.all(points @ limits.T <= inside[:, 2] + _SLACK, axis=1)]
    x, y, scale = feasible[np.argmax(feasible[:, 2])]
    return Frame(float(x), float(y), float(scale))


def towards(
    frame: Frame, goal: tuple[float, float], inside: Matrix, width: int, height: int
) -> Frame:
    """`frame`, which fits, moved to the point nearest `goal` on a straight line that still fits."""
    start, step = np.array([frame.x, frame.y]), np.array([goal[0] - frame.x, goal[1] - frame.y])
    room = inside[:, 2] - inside[:, :2] @ start - _reach(inside, width, height) * frame.scale
    speed = inside[:, :2] @ step
    blocked = speed > _SLACK
    share = float(min(1.0, *np.maximum(0, room[blocked] / speed[blocked]), 1.0))
    x, y = start + share * step
    return Frame(float(x), float(y), frame.scale)


def _reach(inside: Matrix, width: int, height: int) -> Matrix:
    """How far the unit frame extends from its centre along each normal."""
    reach: Matrix = np.abs(inside[:, :2]) @ np.array([width / 2, height / 2])
    return reach
