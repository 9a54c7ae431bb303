"""Masks, seams and skin tone, on plain colours whose outcome is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from short_drama.images.colour import Pixels
from short_drama.paid_api.local_faces.blend import (
    Mask,
    face_mask,
    match_skin,
    multiband,
    polygon,
    skin_mask,
)
from short_drama.paid_api.local_faces.landmarks import (
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    Points,
)

SIDE = 160
SHAPE = (SIDE, SIDE)


def plain(*colour: int) -> Pixels:
    return np.full((*SHAPE, 3), colour, np.uint8)


def noisy(*colour: int, spread: float = 12, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, spread, (*SHAPE, 1))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def disc(radius: int) -> Mask:
    mask = np.zeros(SHAPE, np.uint8)
    cv2.circle(mask, (SIDE // 2, SIDE // 2), radius, 255, cv2.FILLED)
    return mask


def schematic_face() -> Points:
    """Outline, eyes, brows and lips in their places; all other points in the middle."""
    points = np.full((468, 2), SIDE / 2)

    def ring(numbers: list[int], x: float, y: float, wide: float, tall: float) -> None:
        turns = np.linspace(0, 2 * np.pi, len(numbers), endpoint=False)
        points[numbers] = np.stack([x + wide * np.sin(turns), y - tall * np.cos(turns)], axis=1)

    ring(OVAL, 80, 80, 50, 65)  # numbered from the forehead, over the person's left
    for numbers, x, y, wide, tall in (
        (RIGHT_EYE, 60, 65, 9, 4), (LEFT_EYE, 100, 65, 9, 4),
        (RIGHT_BROW, 60, 52, 12, 3), (LEFT_BROW, 100, 52, 12, 3), (LIPS, 80, 115, 15, 6),
    ):  # fmt: skip
        ring(numbers, x, y, wide, tall)
    return points


FACE = schematic_face()


# --- Masks --------------------------------------------------------------------------------


def test_the_face_mask_is_within_the_outline() -> None:
    outline, face = polygon(FACE[OVAL], SHAPE), face_mask(FACE, SHAPE)
    assert (outline[face > 0] == 255).all()
    assert 0.5 < np.count_nonzero(face) / np.count_nonzero(outline) < 0.95


def test_the_face_mask_ends_at_the_jaw_below_and_short_of_the_hairline_above() -> None:
    rows = np.flatnonzero(face_mask(FACE, SHAPE)[:, SIDE // 2])
    assert rows.max() == pytest.approx(80 + 65 * 0.95, abs=1.5)
    brow = 52
    assert 20 < rows.min() < brow  # the outline's top is at 15


def test_the_face_mask_turns_with_the_head() -> None:
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 30, 1)
    turned = face_mask(FACE @ turn[:, :2].T + turn[:, 2], SHAPE) > 0
    expected = cv2.warpAffine(face_mask(FACE, SHAPE), turn, SHAPE) > 127
    assert (turned & expected).sum() / (turned | expected).sum() > 0.98


def test_eyes_brows_and_lips_are_not_skin() -> None:
    skin = skin_mask(FACE, face_mask(FACE, SHAPE))
    for x, y in ((60, 65), (100, 65), (60, 52), (100, 52), (80, 115)):
        assert skin[y, x] == 0
    assert skin[90, 80] == 255  # the nose
    assert skin[95, 55] == 255  # a cheek


# --- Seam ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(arrays(np.uint8, (48, 64, 3)))
def test_an_empty_mask_leaves_the_scene(scene: Pixels) -> None:
    blended = multiband(scene[::-1].copy(), scene, np.zeros((48, 64), np.uint8), feather=6)
    np.testing.assert_array_equal(blended, scene)


def test_a_full_mask_gives_the_part() -> None:
    part, scene = noisy(200, 150, 120), noisy(40, 60, 90, seed=1)
    blended = multiband(part, scene, np.full(SHAPE, 255, np.uint8), feather=6)
    assert np.abs(blended.astype(int) - part).max() <= 1


@settings(deadline=None, max_examples=20)
@given(arrays(np.uint8, (*SHAPE, 3)), st.integers(10, 60), st.floats(1, 20))
def test_two_equal_pictures_have_no_seam(scene: Pixels, radius: int, feather: float) -> None:
    blended = multiband(scene, scene, disc(radius), feather=feather)
    np.testing.assert_array_equal(blended, scene)


@pytest.mark.parametrize("feather", [2, 6, 12])
def test_nothing_beyond_one_and_a_half_feathers_changes(feather: int) -> None:
    part, scene = noisy(240, 60, 60), noisy(40, 60, 200, seed=1)
    blended = multiband(part, scene, disc(35), feather=feather)
    beyond = disc(35 + round(1.5 * feather) + 3) == 0
    np.testing.assert_array_equal(blended[beyond], scene[beyond])


def test_in_the_middle_all_detail_is_the_parts() -> None:
    part, scene = noisy(190, 150, 130), noisy(190, 150, 130, seed=1)
    blended = multiband(part, scene, disc(60), feather=8)
    assert np.abs(blended.astype(int) - part)[disc(25) > 0].mean() < 1


def test_a_difference_in_colour_rises_smoothly_towards_the_middle() -> None:
    blended = multiband(plain(200, 200, 200), plain(50, 50, 50), disc(50), feather=15)
    row = blended[SIDE // 2, : SIDE // 2, 0].astype(int)
    assert (row[:6] == 50).all()
    assert row[-1] > 150  # plain colour is in the widest band, whose weight comes from afar
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() < 10  # no edge to see


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (17, 5)])
def test_small_regions_blend_too(shape: tuple[int, int]) -> None:
    part, scene = np.full((*shape, 3), 200, np.uint8), np.full((*shape, 3), 50, np.uint8)
    assert multiband(part, scene, np.zeros(shape, np.uint8), feather=3).shape == (*shape, 3)


# --- Skin ---------------------------------------------------------------------------------

SCENES = {"dark": (70, 45, 35), "lamp": (230, 170, 110), "night": (60, 70, 100)}


@pytest.mark.parametrize("colour", SCENES.values(), ids=SCENES)
def test_skin_takes_the_mean_colour_of_the_scene(colour: tuple[int, int, int]) -> None:
    part, scene, skin = noisy(200, 150, 130), noisy(*colour, seed=1), disc(60)
    matched = match_skin(part, scene, skin)
    before, after = (
        np.abs(each[skin > 0].mean(axis=0) - scene[skin > 0].mean(axis=0)).max()
        for each in (part, matched)
    )
    assert after < 4
    assert after < 0.2 * before


def test_skin_takes_the_light_that_falls_from_one_side() -> None:
    light = np.linspace(0.5, 1.2, SIDE)[None, :, None]
    scene = np.clip(plain(180, 140, 120) * light, 0, 255).astype(np.uint8)
    matched = match_skin(plain(180, 140, 120), scene, disc(60))
    for column in (40, 80, 120):
        np.testing.assert_allclose(
            matched[80, column].astype(float), scene[80, column].astype(float), rtol=0.12
        )


def test_what_matches_already_stays() -> None:
    scene = noisy(190, 150, 130)
    matched = match_skin(scene, scene, disc(60)).astype(float)
    assert np.abs(matched - scene)[disc(60) > 0].mean() < 2


def test_without_skin_there_is_nothing_to_match() -> None:
    part = noisy(200, 150, 130)
    matched = match_skin(part, plain(20, 20, 20), np.zeros(SHAPE, np.uint8))
    np.testing.assert_array_equal(matched, part)
