"""The demo's checks accept good results and refuse each way of being bad."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from short_drama.cli.showcase import checks, pictures, sheet
from short_drama.cli.showcase.checks import Evidence, check
from short_drama.cli.showcase.scenes import Scene
from short_drama.domain.kinds import KINDS
from short_drama.images import labels
from short_drama.images.codec import Pixels
from tests.unit.cli.test_display import a_task

ELLIPSE = {"centre_x": 70.0, "centre_y": 50.0, "axis_x": 20.0, "axis_y": 30.0, "angle": 20.0}
FOUND: dict[str, Any] = {"ellipse": ELLIPSE, "faces_found": 1}


def photograph() -> Pixels:
    return np.random.default_rng(7).integers(30, 226, (120, 160, 3), np.uint8)


def half_moved() -> Pixels:
    picture = photograph()
    picture[:, :80] = np.roll(picture, 5, axis=1)[:, :80]
    return picture


def masked() -> Pixels:
    picture = photograph()
    picture[checks.within(ELLIPSE, picture, 1.0)] = 0
    return picture


def swapped(scene: Pixels) -> Pixels:
    picture = scene.copy()
    picture[checks.within(ELLIPSE, picture, 1.0)] = 120
    return picture


def grey_and_soft() -> Pixels:
    small = Image.fromarray(photograph()).convert("L").resize((16, 12))
    return np.asarray(small.resize((160, 120)).convert("RGB"))


PREVIEW = {"preview": True, "operations": ["orbit_left"]}
GOOD = {
    "camera-angle": Evidence(
        before=photograph(), after=np.roll(photograph(), 5, axis=1), account=PREVIEW
    ),
    "qwen-image-edit": Evidence(before=photograph(), after=grey_and_soft(), account=PREVIEW),
    "face-mask": Evidence(before=photograph(), after=masked(), account=FOUND),
    "face-swap": Evidence(
        before=masked(), after=swapped(masked()), account=FOUND, found_again=FOUND
    ),
    "full-face-swap": Evidence(
        before=photograph(), after=swapped(photograph()), account=FOUND, found_again=FOUND
    ),
}


def spoilt(picture: Pixels, where: tuple[slice, slice], level: int | tuple[int, ...]) -> Pixels:
    other = picture.copy()
    other[where] = level
    return other


def grey(picture: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))


CORNER = (slice(0, 30), slice(0, 30))
FACE = (slice(40, 60), slice(60, 80))
ELSEWHERE: dict[str, Any] = {"ellipse": {**ELLIPSE, "centre_x": 120.0}}

BAD: dict[str, dict[str, dict[str, Any]]] = {
    "camera-angle": {
        "parts of the picture have not moved": {"after": half_moved()},
        "the record does not say that it is a preview": {"account": {"operations": ["x"]}},
        "the record names no operation": {"account": {"preview": True}},
    },
    "qwen-image-edit": {
        "it is not black and white": {"after": spoilt(grey_and_soft(), CORNER, (1, 0, 0))},
        "its background is not blurred": {"after": grey(photograph())},
        "the record names no operation": {"account": {}},
    },
    "face-mask": {
        "the ellipse is not black": {"after": spoilt(masked(), FACE, 1)},
        "pixels beside the ellipse changed": {"after": spoilt(masked(), CORNER, 1)},
        "the record says that no face was found": {"account": {"ellipse": ELLIPSE}},
        "the record does not say where the face is": {"account": {}},
    },
    "face-swap": {
        "the masked face is not filled": {"after": spoilt(swapped(masked()), FACE, 0)},
        "the rest changed": {"after": spoilt(swapped(masked()), CORNER, 0)},
        "no face is found in the result": {"found_again": None},
        "the face found in the result is elsewhere": {"found_again": ELSEWHERE},
    },
    "full-face-swap": {
        "the face has not changed": {"after": photograph()},
        "pixels far from the face changed": {"after": spoilt(swapped(photograph()), CORNER, 0)},
        "no face is found in the result": {"found_again": None},
    },
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_result_passes(kind: str) -> None:
    assert check(kind, GOOD[kind]) == []


@pytest.mark.parametrize(
    ("kind", "complaint"), [(kind, complaint) for kind in BAD for complaint in BAD[kind]]
)
def test_a_bad_result_is_named(kind: str, complaint: str) -> None:
    assert complaint in check(kind, replace(GOOD[kind], **BAD[kind][complaint]))


@pytest.mark.parametrize("kind", GOOD)
def test_another_size_is_named(kind: str) -> None:
    seen = replace(GOOD[kind], after=GOOD[kind].after[:-1])
    assert "its size changed" in check(kind, seen)[0]


def test_the_ellipse_is_where_others_draw_it() -> None:
    # Pillow draws upright ellipses only, so the angle is tried by turning the axes.
    drawn = Image.new("L", (160, 120))
    ImageDraw.Draw(drawn).ellipse((50, 20, 90, 80), 255)
    picture = photograph()
    for axes, angle in (((20.0, 30.0), 0.0), ((30.0, 20.0), 90.0)):
        ellipse = {**ELLIPSE, "axis_x": axes[0], "axis_y": axes[1], "angle": angle}
        apart = checks.within(ellipse, picture, 1.0) ^ (np.asarray(drawn) > 0)
        assert apart.sum() < 100
    leaning = checks.within({**ELLIPSE, "angle": 45.0}, picture, 1.0)
    assert leaning[50 + 18, 70 - 18]  # its long axis leans to the lower left,
    assert not leaning[50 + 18, 70 + 18]  # clockwise from pointing down


def test_the_actor_is_the_still_in_another_light() -> None:
    still = np.random.default_rng(7).integers(0, 256, (512, 512, 3), np.uint8)
    actor = pictures.actor(still)
    assert actor.shape == (512, 512, 3)
    left, right = actor[:, :100].mean(), actor[:, -100:].mean()
    assert left > 1.2 * right


def test_the_sheet_shows_every_scene_and_is_labelled() -> None:
    scenes = [
        Scene(
            kind=kind,
            asked="something " * 20,
            task=a_task(kind=kind, status="completed", engine="local-faces"),
            before=seen.before,
            after=None if kind == "face-swap" else seen.after,
            complaints=["the masked face is not filled"] if kind == "face-swap" else [],
            face=seen.before if "swap" in kind else None,
        )
        for kind, seen in GOOD.items()
    ]
    data = sheet.draw(scenes)
    label = labels.read(data)
    assert label is not None
    assert label.engine == "local-faces"


def test_every_kind_is_checked() -> None:
    assert set(checks.CHECKS) == set(KINDS) == set(GOOD) == set(BAD)
