"""Mask ellipses: painted, found again, and what must not be taken for one."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from short_drama.domain.errors import MaskNotFound
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces import ellipse as ellipses
from short_drama.paid_api.local_faces import mask_search

WIDE, TALL = 480, 360


def grey(width: int = WIDE, height: int = TALL, value: int = 150) -> Pixels:
    return np.full((height, width, 3), value, np.uint8)


def inside(ellipse: Ellipse, image: Pixels) -> NDArray[np.bool_]:
    return ellipses.region(ellipse, (image.shape[0], image.shape[1])) > 0


def overlap(one: Ellipse, other: Ellipse, image: Pixels) -> float:
    a, b = inside(one, image), inside(other, image)
    return float((a & b).sum() / (a | b).sum())


@st.composite
def masks(draw: st.DrawFn) -> Ellipse:
    """As faces make them: taller than wide by up to three quarters, tilted, not cut off."""
    wide = draw(st.floats(22, 80))
    tall = wide * draw(st.floats(1.15, 1.75))
    tilt = draw(st.floats(-44, 44))
    return Ellipse(
        draw(st.floats(tall + 4, WIDE - tall - 4)),
        draw(st.floats(tall + 4, TALL - tall - 4)),
        wide,
        tall,
        tilt,
    )


@settings(deadline=None, max_examples=60)
@given(masks(), st.integers(60, 255))
def test_a_painted_ellipse_is_found_again(mask: Ellipse, brightness: int) -> None:
    image = grey(value=brightness)
    assert overlap(mask_search.find(ellipses.paint(image, mask)), mask, image) >= 0.97


def test_the_tilt_is_told_as_it_was_given() -> None:
    mask = Ellipse(240, 180, 60, 90, 17)
    found = mask_search.find(ellipses.paint(grey(), mask))
    assert found.angle == pytest.approx(17, abs=1.5)
    assert (found.axis_x, found.axis_y) == pytest.approx((60, 90), abs=1.5)


def test_a_large_picture_is_searched_small_and_told_in_its_own_pixels() -> None:
    image, mask = grey(2600, 1800), Ellipse(1400, 800, 260, 370, -12)
    assert overlap(mask_search.find(ellipses.paint(image, mask)), mask, image) >= 0.97


@pytest.mark.parametrize("quality", [92, 75])
def test_jpeg_does_not_hide_it(quality: int) -> None:
    noise = np.random.default_rng(1).integers(70, 230, (TALL, WIDE, 3)).astype(np.uint8)
    image, mask = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8), Ellipse(
        200, 170, 60, 85, 8
    )  # fmt: skip
    _, data = cv2.imencode(
        ".jpg", ellipses.paint(image, mask)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    seen = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)
    assert overlap(mask_search.find(seen), mask, image) >= 0.95


def square(image: Pixels) -> Pixels:
    image[100:220, 150:330] = 0
    return image


def speckled(image: Pixels) -> Pixels:
    """Dark like hair: an ellipse with lights in it."""
    image = ellipses.paint(image, Ellipse(240, 180, 60, 90))
    image[::5, ::5] = 150
    return image


NO_MASKS = {
    "nothing": grey(),
    "all black": grey(value=0),
    "square": square(grey()),
    "too small": ellipses.paint(grey(), Ellipse(200, 200, 8, 10)),
    "lights in it": speckled(grey()),
    "dark, not black": np.where(inside(Ellipse(240, 180, 60, 90), grey())[..., None], 60, grey()),
    "small and dark, not black": ellipses.paint(grey(), Ellipse(200, 200, 10, 14)) + np.uint8(3),
    "a black disc that fades": 255
    - np.asarray(
        cv2.GaussianBlur(255 - ellipses.paint(grey(), Ellipse(200, 200, 12, 15)), (0, 0), 5)
    ),
    "two black squares": square(square(grey())[:, ::-1].copy()),
    "noise": np.random.default_rng(0).integers(0, 256, (TALL, WIDE, 3)),
    "one pixel": grey(1, 1),
}


@pytest.mark.parametrize("image", NO_MASKS.values(), ids=NO_MASKS)
def test_nothing_else_is_taken_for_a_mask(image: Pixels) -> None:
    with pytest.raises(MaskNotFound) as error:
        mask_search.find(image.astype(np.uint8))
    assert error.value.field == "masked_image_url"
    assert "face-mask" in str(error.value.fix)


@pytest.mark.parametrize("share", [0.0004, 0.001, 0.002])
@pytest.mark.parametrize("quality", [None, 92])
def test_a_small_mask_in_a_large_still_is_found(share: float, quality: int | None) -> None:
    wide, high = 3000, 1700
    noise = np.random.default_rng(1).integers(70, 230, (high // 4, wide // 4, 3)).astype(np.uint8)
    image = np.asarray(cv2.resize(noise, (wide, high)), np.uint8)
    axis = math.sqrt(share * wide * high / math.pi / 1.4)
    mask = Ellipse(900, 700, axis, 1.4 * axis, 12)
    masked = ellipses.paint(image, mask)
    assert overlap(mask_search.find(as_jpeg(masked, quality)), mask, image) >= 0.85


TOUCHING = {
    "hair beside it": ((0.6, -0.7), (2.0, 0.3)),
    "clothes below": ((-9.0, 0.8), (9.0, 9.0)),
    "a bar above": ((-9.0, -9.0), (9.0, -0.85)),
}


@pytest.mark.parametrize("quality", [None, 92])
@pytest.mark.parametrize("corners", TOUCHING.values(), ids=TOUCHING)
def test_something_black_may_touch_it(
    corners: tuple[tuple[float, float], tuple[float, float]], quality: int | None
) -> None:
    mask, image = Ellipse(450, 300, 70, 95, 11), grey(900, 600)
    masked = ellipses.paint(image, mask)
    (left, top), (right, bottom) = [(450 + 70 * x, 300 + 95 * y) for x, y in corners]
    cv2.rectangle(masked, (int(left), int(top)), (int(right), int(bottom)), (0, 0, 0), cv2.FILLED)
    assert overlap(mask_search.find(as_jpeg(masked, quality)), mask, image) >= 0.93


def as_jpeg(image: Pixels, quality: int | None) -> Pixels:
    if quality is None:
        return image
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


@given(masks())
def test_paint_is_black_inside_and_changes_nothing_outside(mask: Ellipse) -> None:
    image = grey()
    painted = ellipses.paint(image, mask)
    covered = inside(mask, image)
    assert not painted[covered].any()
    assert (painted[~covered] == 150).all()
    assert (image == 150).all()


@given(masks())
def test_the_region_has_the_area_and_centre_of_its_ellipse(mask: Ellipse) -> None:
    rows, columns = np.nonzero(inside(mask, grey()))
    assert len(rows) == pytest.approx(math.pi * mask.axis_x * mask.axis_y, rel=0.06)
    assert (columns.mean(), rows.mean()) == pytest.approx((mask.centre_x, mask.centre_y), abs=0.5)


def test_a_positive_angle_turns_clockwise_as_seen() -> None:
    turned = inside(Ellipse(240, 180, 100, 30, 30), grey())
    assert turned[180 + 45, 240 + 80]  # right and down
    assert not turned[180 - 45, 240 + 80]


@given(masks(), st.floats(0.5, 0.99))
def test_a_smaller_scale_is_within_a_larger_one(mask: Ellipse, scale: float) -> None:
    whole, part = (ellipses.region(mask, (TALL, WIDE), scale=each) for each in (1.0, scale))
    assert (whole[part > 0] == 255).all()
    assert np.count_nonzero(part) < np.count_nonzero(whole)


def test_an_ellipse_may_leave_the_picture() -> None:
    image = grey()
    painted = ellipses.paint(image, Ellipse(0, 0, 50, 60))
    assert not painted[0, :50].any()
    assert (ellipses.paint(image, Ellipse(-500, -500, 50, 60)) == image).all()


@pytest.mark.parametrize("angle", [-30, 0, 30])
def test_axis_x_is_the_axis_nearer_to_horizontal_even_if_it_is_the_longer(angle: float) -> None:
    found = mask_search.find(ellipses.paint(grey(), Ellipse(240, 180, 110, 70, angle)))
    assert (found.axis_x, found.axis_y) == pytest.approx((110, 70), abs=1.5)
    assert found.angle == pytest.approx(angle, abs=1.5)
