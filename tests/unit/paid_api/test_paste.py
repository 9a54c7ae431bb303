"""Faces pasted into stills: nothing outside of the hole changes, and nobody sees where it was."""

import io
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from short_drama.images.codec import decode, encode
from short_drama.images.colour import Pixels
from short_drama.images.structure import JPEG
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces.ellipse import region
from short_drama.paid_api.local_faces.warp import Region
from short_drama.paid_api.masks import paint_soft
from short_drama.paid_api.paste import CHANGED, Hole, fitted, paste, shown

WIDE, TALL = 480, 360
FACE = Ellipse(250, 170, 60, 80, 12)
ALL = Region(0, 0, WIDE, TALL)


def scene(wide: int = WIDE, tall: int = TALL) -> Pixels:
    """Light and dark, warm and cold, with edges to hold on to; nowhere black."""
    across, down = np.meshgrid(np.linspace(0, 9, wide), np.linspace(0, 7, tall))
    waves = np.stack([np.sin(across + down), np.cos(down * 2), np.sin(across * 1.5)], axis=-1)
    checks = ((np.sin(across * 4) * np.sin(down * 4)) > 0)[..., None] * 30
    return np.asarray(np.clip(waves * 45 + 110 + checks, 0, 255), np.uint8)


def swapped(still: Pixels, face: Ellipse = FACE) -> Pixels:
    """The still with another face, and not a pixel else changed."""
    other = still.copy()
    spots = np.roll(still, 37, axis=1)
    inside = region(face, (still.shape[0], still.shape[1]), scale=0.9) > 0
    other[inside] = spots[inside]
    return other


def recoloured(frame: Pixels, gain: float = 1.0, shift: tuple[float, ...] = (0, 0, 0)) -> Pixels:
    return np.asarray(np.clip(frame * gain + np.array(shift), 0, 255), np.uint8)


def moved(frame: Pixels, right: float, down: float) -> Pixels:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float64)
    size = (frame.shape[1], frame.shape[0])
    return np.asarray(
        cv2.warpAffine(frame, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def resized(frame: Pixels, wide: int, tall: int) -> Pixels:
    return np.asarray(cv2.resize(frame, (wide, tall), interpolation=cv2.INTER_CUBIC), np.uint8)


def jpeg(image: Pixels, quality: int) -> Pixels:
    return decode(encode(image, JPEG, label=None, jpeg_quality=quality)).pixels


def hole(still: Pixels, face: Ellipse = FACE) -> NDArray[np.bool_]:
    return region(face, (still.shape[0], still.shape[1])) > 0


def off(one: Pixels, other: Pixels, where: NDArray[np.bool_]) -> float:
    """Mean difference there, without what is finer than a seam."""
    soft = [cv2.GaussianBlur(each, (0, 0), 2).astype(int) for each in (one, other)]
    return float(np.abs(soft[0] - soft[1])[where].mean())


def step(image: Pixels, still: Pixels, face: Ellipse = FACE) -> float:
    """How much more the picture jumps from just outside of the hole to just inside than the still
    does."""
    inner = hole(still, face.grown(-3))
    rim = hole(still, face) & ~inner
    beyond = hole(still, face.grown(3))
    beyond &= ~hole(still, face)
    jumps = [each[rim].mean(axis=0) - each[beyond].mean(axis=0) for each in (image, still)]
    return float(np.abs(jumps[0] - jumps[1]).max())


FRAMES: dict[str, Callable[[Pixels], Pixels]] = {
    "agrees": lambda frame: frame,
    "another size": lambda frame: resized(frame, 1184, 880),
    "warmer": lambda frame: recoloured(frame, 1.0, (25, 5, -20)),
    "darker and flatter": lambda frame: recoloured(frame, 0.8, (5, 5, 5)),
    "moved": lambda frame: moved(frame, 5, -3),
    "moved and warmer": lambda frame: recoloured(moved(frame, -4, 2), 1.0, (20, 0, -15)),
}


@pytest.mark.parametrize("made", FRAMES)
@pytest.mark.parametrize("known", [True, False])
def test_outside_of_the_hole_is_the_still_and_inside_the_face(made: str, known: bool) -> None:
    still = scene()
    base = still if known else paint_soft(still, FACE, feather=0.0)
    wanted = swapped(still)
    pasted = paste(base, FRAMES[made](wanted), ALL, Hole(FACE, known=known))
    outside = ~hole(still)
    np.testing.assert_array_equal(pasted.image[outside], base[outside])
    core = region(FACE, (TALL, WIDE), scale=0.8) > 0
    assert off(pasted.image, wanted, core) < 7
    assert step(pasted.image, still) < 4
    assert pasted.warnings == ()
    assert not np.shares_memory(pasted.image, base)


def test_colours_that_agree_are_left_alone() -> None:
    still = scene()
    wanted = swapped(still)
    core = region(FACE, (TALL, WIDE), scale=0.8) > 0
    exactly = paste(still, wanted, ALL, Hole(FACE, known=True)).image
    np.testing.assert_array_equal(exactly[core], wanted[core])
    as_files = paste(still, jpeg(wanted, 90), ALL, Hole(FACE, known=True)).image
    assert off(as_files, wanted, core) < 1.5


def test_without_its_colours_matched_a_face_would_show() -> None:
    """The measure itself: a plain cut-out has a step of what the colours are off."""
    still = scene()
    cut_out = np.where(hole(still)[..., None], recoloured(swapped(still), 1.0, (25, 5, -20)), still)
    assert step(np.asarray(cut_out, np.uint8), still) > 15


def test_a_frame_that_was_stretched_is_not_taken_for_one_that_was_cut() -> None:
    still = scene()
    wanted = swapped(still)
    core = region(FACE, (TALL, WIDE), scale=0.8) > 0
    taller = resized(wanted, WIDE, TALL * 5 // 4)
    extended = np.vstack([wanted[:45][::-1], wanted, wanted[-45:][::-1]])  # 45 more on both sides
    for frame in (taller, extended):
        pasted = paste(still, frame, ALL, Hole(FACE, known=True))
        assert off(pasted.image, wanted, core) < 5
        assert pasted.warnings == ()


@pytest.mark.parametrize(
    "frame",
    [255 - scene(), np.roll(scene(), 150, axis=1), np.full((TALL, WIDE, 3), 200, np.uint8)],
    ids=["inverted", "another place", "blank"],
)
def test_a_frame_of_something_else_is_told(frame: Pixels) -> None:
    still = scene()
    pasted = paste(still, frame, ALL, Hole(FACE, known=True))
    assert pasted.warnings == (CHANGED,)
    np.testing.assert_array_equal(pasted.image[~hole(still)], still[~hole(still)])


@pytest.mark.parametrize("quality", [75, 50])
def test_the_rim_that_a_jpeg_has_smeared_is_replaced_too(quality: int) -> None:
    still, file = scene(), io.BytesIO()
    whole = paint_soft(still, FACE, feather=0.0)
    Image.fromarray(whole).save(file, "JPEG", quality=quality)  # a quarter of the colours
    masked = decode(file.getvalue()).pixels
    pasted = paste(masked, swapped(still), ALL, Hole(FACE)).image
    rim = hole(still, FACE.grown(2)) & ~hole(still)
    left, smeared = ((still.astype(int) - each)[rim].mean() for each in (pasted, masked))
    assert left < 1.2 < smeared - 0.8
    far = ~hole(still, FACE.grown(7))
    np.testing.assert_array_equal(pasted[far], masked[far])


def test_where_the_still_is_known_the_face_fades_into_it() -> None:
    still = scene()
    frame = np.where(hole(still)[..., None], recoloured(still, 1.0, (60, 0, -60)), still)
    pasted = paste(still, np.asarray(frame, np.uint8), ALL, Hole(FACE, known=True)).image
    assert step(np.asarray(frame, np.uint8), still) > 40
    assert step(pasted, still) < 12


def test_no_black_is_left_of_an_ellipse_told_in_hundredths() -> None:
    still = scene()
    for turn in range(12):
        face = Ellipse(250.0 + turn / 7, 170.0 - turn / 3, 60.004 + turn / 9, 80.006, turn * 7.3)
        told = Ellipse(**face.to_json())
        pasted = paste(paint_soft(still, face, feather=0.0), swapped(still), ALL, Hole(told)).image
        assert pasted.any(axis=-1).all()


def test_an_ellipse_that_is_not_black_is_replaced_all_the_same() -> None:
    still = scene()
    pasted = paste(still, swapped(still), ALL, Hole(FACE)).image
    np.testing.assert_array_equal(pasted[~hole(still)], still[~hole(still)])
    assert step(pasted, still) < 4


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Ellipse,
        st.floats(-40, WIDE + 40),
        st.floats(-40, TALL + 40),
        st.floats(1, 300),
        st.floats(1, 300),
        st.floats(-90, 90),
    ),
    st.booleans(),
)
def test_no_ellipse_is_too_odd(face: Ellipse, known: bool) -> None:
    still, part = scene(), shown(face, WIDE, TALL)
    pasted = paste(still, part.of(swapped(still)), part, Hole(face, known=known)).image
    np.testing.assert_array_equal(pasted[~hole(still, face)], still[~hole(still, face)])


# --- What a generator is shown ------------------------------------------------------------


def test_of_a_large_still_the_face_with_its_surroundings_is_shown() -> None:
    assert shown(FACE, WIDE, TALL) == ALL
    assert shown(FACE, 1920, 1080).size == (1920, 1080)
    large = shown(Ellipse(3000, 2000, 300, 400, 5), 6000, 4000)
    assert large.size == (2240, 2240)
    assert (large.left + large.right, large.top + large.bottom) == (6000, 4000)
    assert shown(Ellipse(3000, 2000, 9, 12), 6000, 4000).size == (384, 384)


@given(
    st.floats(0, 8000), st.floats(0, 5000), st.floats(5, 3000), st.floats(5, 3000),
    st.sampled_from([(8000, 5000), (8192, 600), (2400, 4000)]),
)  # fmt: skip
def test_what_is_shown_is_in_the_picture_and_has_the_face_in_it(
    x: float, y: float, wide: float, tall: float, size: tuple[int, int]
) -> None:
    width, height = size
    x, y = min(x, width), min(y, height)
    part = shown(Ellipse(x, y, wide, tall), width, height)
    assert 0 <= part.left <= max(0.0, x - wide) <= min(width, x + wide) <= part.right <= width
    assert 0 <= part.top <= max(0.0, y - tall) <= min(height, y + tall) <= part.bottom <= height


def test_a_part_is_pasted_where_it_belongs() -> None:
    still = scene(2400, 1800)
    face = Ellipse(1900, 1300, 120, 160, -8)
    wanted, part = swapped(still, face), shown(face, 2400, 1800)
    frame = resized(part.of(wanted), 960, 960)
    pasted = paste(still, frame, part, Hole(face, known=True))
    np.testing.assert_array_equal(pasted.image[~hole(still, face)], still[~hole(still, face)])
    assert off(pasted.image, wanted, hole(still, replace(face, axis_x=96, axis_y=128))) < 4
    assert pasted.warnings == ()


@pytest.mark.parametrize("size", [(480, 360), (200, 360), (1000, 100)])
def test_a_frame_is_cut_and_never_stretched_to_a_size(size: tuple[int, int]) -> None:
    frame = np.zeros((400, 600, 3), np.uint8)
    cv2.circle(frame, (300, 200), 40, (255, 255, 255), -1)
    seen = fitted(frame, size)
    assert seen.shape[1::-1] == size
    lit = np.argwhere(seen[..., 0] > 127)
    across, down = np.ptp(lit[:, 1]) + 1, np.ptp(lit[:, 0]) + 1
    if size != (1000, 100):  # there the disc is cut
        assert abs(across - down) <= 2
