"""33 faces in 14 photographs: as they are, turned, and small. `python -m tests.faces.hard_set`
prints how many are found, how many other things are, and what it takes.

The boxes are those that the detector gave on the upright pictures, each looked at by eye: they
tell whether a turned or a small face is found again, not how well a box fits.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from short_drama import settings
from short_drama.images.codec import decode
from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces import LocalFaces
from tests.faces import packages, photographs
from tests.faces.catalogue import Box, Scene
from tests.faces.scoring import hits

Affine = NDArray[np.float64]
"""From the photograph to the picture made of it, 2 x 3."""

FACES: Final[dict[str, Sequence[Box]]] = {
    "sample1.jpg": [(420, 372, 597, 599), (827, 430, 1034, 662), (1483, 233, 1673, 424)],
    "sample2.jpg": [(365, 158, 534, 430), (906, 236, 1072, 449), (1444, 173, 1641, 388)],
    "sample3.jpg": [(586, 340, 796, 606), (1078, 205, 1311, 527), (1491, 292, 1688, 582)],
    "sample4.jpg": [
        (259, 198, 427, 441), (657, 78, 849, 318), (990, 193, 1166, 420), (1277, 152, 1436, 393),
    ],
    "sample5.jpg": [
        (369, 871, 576, 1179), (601, 425, 778, 668), (787, 114, 949, 331), (1123, 207, 1285, 430),
        (1409, 400, 1606, 669),
    ],
    "sample6.jpg": [
        (254, 484, 473, 759), (677, 335, 871, 649), (1174, 317, 1376, 591), (1487, 269, 1700, 563),
    ],
    "zidane.jpg": [(554, 245, 669, 434), (916, 97, 1058, 280)],
    "faces.jpg": [(52, 75, 138, 191), (230, 130, 321, 249), (460, 46, 547, 168)],
    "audrey.jpg": [(155, 160, 416, 465)],
    "cage.jpg": [(88, 93, 391, 495)],
    "joconde.jpg": [(260, 156, 455, 413)],
    "SeanConnery.jpg": [(105, 54, 265, 270)],
    "bieber_small.jpg": [(113, 191, 374, 513)],
    "franck_02159.jpg": [(281, 138, 550, 500)],
}  # fmt: skip
SAME: Final = 0.4
"""Intersection over union: a face's box is another one when it is turned."""
STILL: Final = (1920, 1080)
ANGLES: Final = (0, 30, 45, 60, 90, 135, 180, 225, 270, 315)
HEIGHTS: Final = (40, 24)
_GREY: Final = (110, 110, 110)


@dataclass(frozen=True, slots=True, eq=False)
class Turned(Scene):
    """A picture made of a photograph, and how."""

    affine: Affine

    def moved(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points of the photograph, n x 2, are."""
        there: NDArray[np.float64] = points @ self.affine[:, :2].T + self.affine[:, 2]
        return there


def photos(samples: Path) -> Iterator[Scene]:
    for name, boxes in FACES.items():
        yield Scene(name, decode((samples / name).read_bytes()).pixels, boxes)


def turned(photo: Scene, degrees: int) -> Turned:
    """Clockwise, on as much grey as that takes."""
    height, width = photo.pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    affine = np.asarray(matrix, np.float64)
    cos, sin = abs(affine[0, 0]), abs(affine[0, 1])
    size = (round(cos * width + sin * height), round(sin * width + cos * height))
    affine[:, 2] += (np.array(size) - (width, height)) / 2
    if degrees % 90 == 0:
        pixels = np.ascontiguousarray(np.rot90(photo.pixels, -degrees // 90))
    else:
        pixels = np.asarray(cv2.warpAffine(photo.pixels, affine, size, borderValue=_GREY), np.uint8)
    boxes = [_around(box, affine) for box in photo.faces]
    return Turned(f"{photo.name}, {degrees} degrees", pixels, boxes, affine)


def small(photo: Scene, background: Pixels, height: int) -> Turned:
    """Pasted into a still, so small that half of the faces are at least `height` pixels high."""
    scale = height / float(np.median([bottom - top for _, top, _, bottom in photo.faces]))
    part = np.asarray(
        cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
    pixels = np.asarray(cv2.resize(background, STILL, interpolation=cv2.INTER_CUBIC), np.uint8)
    x, y = (STILL[0] - part.shape[1]) * 3 // 4, (STILL[1] - part.shape[0]) * 2 // 3
    pixels[y : y + part.shape[0], x : x + part.shape[1]] = part
    affine = np.array([[scale, 0, x], [0, scale, y]])
    boxes = [_around(box, affine) for box in photo.faces]
    return Turned(f"{photo.name}, {height} pixels", pixels, boxes, affine)


def beside(photo: Scene, still: Scene, height: int) -> Scene:
    """Pasted small into the photograph `still`, with those who are in it."""
    scene = small(photo, still.pixels, height)
    wide, tall = STILL[0] / still.pixels.shape[1], STILL[1] / still.pixels.shape[0]
    large = [(a * wide, b * tall, c * wide, d * tall) for a, b, c, d in still.faces]
    return Scene(f"{scene.name}, in {still.name}", scene.pixels, [*large, *scene.faces])


def _around(box: Box, affine: Affine) -> Box:
    """The box around the ellipse in the box, moved."""
    left, top, right, bottom = box
    x, y = affine[:, :2] @ ((left + right) / 2, (top + bottom) / 2) + affine[:, 2]
    wide, tall = (right - left) / 2, (bottom - top) / 2
    reach_x = math.hypot(affine[0, 0] * wide, affine[0, 1] * tall)
    reach_y = math.hypot(affine[1, 0] * wide, affine[1, 1] * tall)
    return (x - reach_x, y - reach_y, x + reach_x, y + reach_y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.parse_args()
    places = settings.load()
    photographs.install(places.models_dir, places.samples_dir)
    packages.install(places.samples_dir)
    rocket = decode((places.samples_dir / "rocket.jpg").read_bytes()).pixels
    cv2.setNumThreads(1)  # so that CPU time is the work's
    faces = LocalFaces(places.models_dir)
    print("                                found  false  CPU ms a picture")
    for degrees in ANGLES:
        scenes = [turned(photo, degrees) for photo in photos(places.samples_dir)]
        _print_row(f"turned by {degrees}", scenes, faces)
    for height in HEIGHTS:
        scenes = [small(photo, rocket, height) for photo in photos(places.samples_dir)]
        _print_row(f"{height} pixels in {STILL[0]} x {STILL[1]}", scenes, faces)
    still = next(photo for photo in photos(places.samples_dir) if photo.name == "sample3.jpg")
    groups = [beside(photo, still, 24) for photo in photos(places.samples_dir)]
    _print_row("24 pixels, and three large", groups, faces)


def _print_row(way: str, scenes: Sequence[Scene], faces: LocalFaces) -> None:
    found = false = total = 0
    start = time.process_time()
    for scene in scenes:
        boxes = [face.box for face in faces.find(scene.pixels)]
        right = hits(scene.faces, boxes, same=SAME)
        found, false, total = found + right, false + len(boxes) - right, total + len(scene.faces)
    took = (time.process_time() - start) * 1000 / len(scenes)
    print(f"{way:30} {found:3} of {total}  {false:3}  {took:10.0f}", flush=True)


if __name__ == "__main__":
    main()
