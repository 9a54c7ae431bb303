"""Masks around boxes that were set by eye on photographs: several faces, a profile, tiny ones,
tilted and lying pictures, and faces that a picture's edge cuts."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from short_drama.cli.configuration import read_settings
from short_drama.paid_api.face_swap import FaceBox, around
from short_drama.paid_api.masks import paint_soft
from tests.faces import photographs
from tests.faces.catalogue import Box, Scene, scenes

FIVE_PERCENT = 0.05


@pytest.fixture(scope="module")
def pictures() -> Sequence[Scene]:
    found = read_settings()
    photographs.install(found.models_dir, found.samples_dir)
    return [scene for scene in scenes(found.samples_dir) if scene.faces]


def as_the_provider_says(box: Box, scene: Scene) -> FaceBox:
    """Through the whole numbers from 0 to 1000 in which Qwen3-VL gives a box."""
    height, width = scene.pixels.shape[:2]
    sides = (width, height, width, height)
    left, top, right, bottom = (
        round(min(max(value, 0), side) / side * 1000) / 1000 * side
        for value, side in zip(box, sides, strict=True)
    )
    return FaceBox(round(left), round(top), round(right), round(bottom))


def test_every_face_is_covered_and_little_more(pictures: Sequence[Scene]) -> None:
    faces = [(scene, box) for scene in pictures for box in scene.faces]
    assert len(faces) >= 40
    for scene, box in faces:
        height, width = scene.pixels.shape[:2]
        face = as_the_provider_says(box, scene)
        bright = np.full_like(scene.pixels, 255)
        mask = (paint_soft(bright, around(face), feather=0.0) == 0).all(axis=-1)
        # A corner of the box lies on the ellipse itself: rounding may leave a pixel of it.
        inner = mask[face.top + 1 : face.bottom - 1, face.left + 1 : face.right - 1]
        assert inner.all(), (scene.name, box)
        reach_x, reach_y = face.width * math.sqrt(0.5), face.height * math.sqrt(0.5)
        x, y = face.centre
        inside = x - reach_x >= 0 and y - reach_y >= 0
        if inside and x + reach_x < width and y + reach_y < height:
            wanted = math.pi / 2 * face.width * face.height
            tolerance = FIVE_PERCENT * wanted + 2 * (reach_x + reach_y)  # of a pixel at the rim
            assert abs(mask.sum() - wanted) <= tolerance, (scene.name, box)


def test_an_expanded_mask_grows_by_its_factor() -> None:
    face = FaceBox(100, 100, 180, 220)
    bright = np.full((400, 400, 3), 255, np.uint8)
    areas = [
        int((paint_soft(bright, around(face, expand=expand), feather=0.0) == 0).all(axis=-1).sum())
        for expand in (1.0, 1.2)
    ]
    assert areas[1] / areas[0] == pytest.approx(1.44, rel=0.02)


def test_a_feathered_mask_is_black_inside_and_fades_outside() -> None:
    face = FaceBox(100, 100, 180, 220)
    bright = np.full((400, 400, 3), 200, np.uint8)
    hard = paint_soft(bright, around(face), feather=0.0)
    soft = paint_soft(bright, around(face), feather=0.25)
    assert (soft[hard == 0] == 0).all()
    row = soft[160, :, 0].astype(int)
    fading = row[(row > 0) & (row < 200)]
    assert 20 <= len(fading) <= 40  # two rims of a quarter of 56 pixels
    assert (np.diff(row[:140]) <= 0).all()
    assert soft[0, 0, 0] == 200
