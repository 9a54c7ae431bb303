"""The local face engine on real photographs, with its real networks.

A face is only ever swapped with the same person's: the astronaut with her mirrored and re-lit
portrait, the author with his.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from short_drama import settings
from short_drama.domain.errors import (
    EngineNotReady,
    FaceUnclear,
    MaskNotFound,
    NoFaceFound,
    RequestUnsupported,
)
from short_drama.images.codec import decode
from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse, FaceBox
from short_drama.paid_api.local_faces import LocalFace, LocalFaces
from short_drama.paid_api.local_faces.cover import UNCLEAR
from short_drama.paid_api.local_faces.ellipse import region
from short_drama.paid_api.local_faces.landmarks import LEFT_EYE, RIGHT_EYE
from short_drama.paid_api.masks import paint_soft
from tests.faces import photographs
from tests.faces.catalogue import Scene, scenes
from tests.faces.scoring import hits

pytestmark = pytest.mark.models

Photo = Callable[[str], Pixels]


@pytest.fixture(scope="module")
def folder() -> Path:
    """The cache folder, with every file that is needed; the first run downloads them."""
    found = settings.load()
    photographs.install(found.models_dir, found.samples_dir)
    return found.cache_dir


@pytest.fixture(scope="module")
def faces(folder: Path) -> LocalFaces:
    return LocalFaces(folder / "models")


@pytest.fixture(scope="module")
def photo(folder: Path) -> Photo:
    return lambda name: decode((folder / "samples" / name).read_bytes()).pixels


@pytest.fixture(scope="module")
def woman(photo: Photo) -> Pixels:
    return photo("astronaut.png")


@pytest.fixture(scope="module")
def actor(woman: Pixels) -> Pixels:
    """The same woman, mirrored, lit from one side."""
    light = np.linspace(0.6, 1.2, woman.shape[1])[None, :, None]
    return np.clip(woman[:, ::-1] * light, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> list[Scene]:
    return list(scenes(folder / "samples"))


def only_face(faces: LocalFaces, image: Pixels) -> LocalFace:
    [face] = faces.find(image)
    return face


def jpeg(image: Pixels, quality: int) -> Pixels:
    data = BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=quality)
    return decode(data.getvalue()).pixels


def inside(ellipse: Ellipse, image: Pixels, *, scale: float = 1.0) -> NDArray[Any]:
    return region(ellipse, (image.shape[0], image.shape[1]), scale=scale) > 0


def overlap(one: Ellipse, other: Ellipse, image: Pixels) -> float:
    a, b = inside(one, image), inside(other, image)
    return float((a & b).sum() / (a | b).sum())


def difference(one: Pixels, other: Pixels) -> NDArray[Any]:
    return np.asarray(np.abs(one.astype(int) - other).max(axis=2))


# --- Find ---------------------------------------------------------------------------------


def test_recall_and_false_boxes_on_the_catalogue(faces: LocalFaces, catalogue: list[Scene]) -> None:
    seen = [(scene, [face.box for face in faces.find(scene.pixels)]) for scene in catalogue]
    missed = {
        scene.name: len(scene.faces) - hits(scene.faces, boxes)
        for scene, boxes in seen
        if hits(scene.faces, boxes) < len(scene.faces)
    }
    false = {scene.name: boxes for scene, boxes in seen if len(boxes) > hits(scene.faces, boxes)}
    assert sum(len(scene.faces) for scene in catalogue) == 46
    assert sum(missed.values()) <= 1, missed
    assert not false


def test_faces_come_from_the_left(faces: LocalFaces, catalogue: list[Scene]) -> None:
    row = next(scene for scene in catalogue if scene.name == "four in a row")
    found = [face.box.centre[0] for face in faces.find(row.pixels)]
    assert found == sorted(found)
    assert len(found) == 4


def test_the_ellipse_follows_the_tilt_of_the_head(
    faces: LocalFaces, catalogue: list[Scene]
) -> None:
    upright = only_face(faces, catalogue[0].pixels).ellipse.angle
    turned = next(each for each in catalogue if "turned by 25" in each.name)
    tilt = only_face(faces, turned.pixels).ellipse.angle - upright
    assert tilt == pytest.approx(-25, abs=12)  # counter-clockwise as seen


def test_a_large_picture_is_looked_at_closer_when_nobody_is_seen(
    faces: LocalFaces, catalogue: list[Scene]
) -> None:
    far = next(scene for scene in catalogue if scene.name == "far away in (1920, 1281)")
    assert hits(far.faces, [only_face(faces, far.pixels).box]) == 1


@pytest.mark.parametrize(("score", "kept"), [(0.4, 0), (0.9, 1)])
def test_a_doubtful_box_counts_only_if_landmarks_confirm_it(
    faces: LocalFaces, photo: Photo, score: float, kept: int
) -> None:
    assert (
        len(faces._search.confirmed(photo("coffee.png"), [FaceBox(200, 100, 300, 220, score)]))
        == kept
    )


def test_a_face_without_sure_landmarks_is_masked_around_its_box_and_warned_of(
    faces: LocalFaces, photo: Photo
) -> None:
    [unsure] = faces._search.confirmed(photo("coffee.png"), [FaceBox(200, 100, 300, 220, 0.9)])
    assert unsure.ellipse.to_json() == {
        "centre_x": 250.0, "centre_y": 160.0, "axis_x": 70.71, "axis_y": 84.85, "angle": 0.0
    }  # fmt: skip
    assert unsure.warnings == (UNCLEAR,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (37, 5), (3000, 20)])
def test_any_shape_of_picture_may_be_searched(faces: LocalFaces, shape: tuple[int, int]) -> None:
    assert faces.find(np.full((*shape, 3), 90, np.uint8)) == []


def test_without_model_files_the_error_says_how_to_get_them(tmp_path: Path, woman: Pixels) -> None:
    with pytest.raises(EngineNotReady, match=r"centerface\.onnx is not installed") as error:
        LocalFaces(tmp_path).find(woman)
    assert error.value.fix == "Run: short-drama models install"


# --- Mask ---------------------------------------------------------------------------------


def test_the_mask_is_black_on_the_face_and_changes_nothing_else(
    faces: LocalFaces, woman: Pixels
) -> None:
    face, before = only_face(faces, woman), woman.copy()
    masked = paint_soft(woman, face.ellipse, feather=0.0)
    on_the_face = inside(face.ellipse, woman)
    assert not masked[on_the_face].any()
    np.testing.assert_array_equal(masked[~on_the_face], woman[~on_the_face])
    np.testing.assert_array_equal(woman, before)


def test_the_mask_covers_the_face(faces: LocalFaces, woman: Pixels) -> None:
    face = only_face(faces, woman)
    covered = inside(face.ellipse, woman)
    x, y = face.mesh.flat.round().astype(int).T
    assert covered[y, x].mean() > 0.99
    assert faces.find(paint_soft(woman, face.ellipse, feather=0.0)) == []


# --- Swap ---------------------------------------------------------------------------------


def test_a_swap_changes_the_face_and_nothing_away_from_it(
    faces: LocalFaces, woman: Pixels, actor: Pixels
) -> None:
    face, before = only_face(faces, woman), woman.copy()
    swapped = faces.swap(woman, face, actor)
    changed = difference(swapped.image, woman)
    assert changed[inside(face.ellipse, woman, scale=0.5)].mean() > 2
    assert not changed[~inside(face.ellipse, woman, scale=1.25)].any()
    assert swapped.warnings == ()
    np.testing.assert_array_equal(woman, before)


def test_a_swap_keeps_the_pose_of_the_scene(
    faces: LocalFaces, woman: Pixels, actor: Pixels
) -> None:
    turn = cv2.getRotationMatrix2D((225, 120), 18, 1)
    turned = cv2.warpAffine(woman, turn, (512, 512), borderMode=cv2.BORDER_REFLECT)
    tilted = np.asarray(turned, np.uint8)
    before = only_face(faces, tilted)
    after = only_face(faces, faces.swap(tilted, before, actor).image)
    apart = np.linalg.norm(after.mesh.flat - before.mesh.flat, axis=1)
    assert apart.mean() < 0.03 * before.mesh.width
    assert after.mesh.yaw == pytest.approx(before.mesh.yaw, abs=5)


def test_a_face_swapped_with_itself_stays_as_it_is(faces: LocalFaces, woman: Pixels) -> None:
    face = only_face(faces, woman)
    swapped = faces.swap(woman, face, woman)
    assert difference(swapped.image, woman)[inside(face.ellipse, woman)].mean() < 6


def test_a_still_without_colour_stays_without(
    faces: LocalFaces, woman: Pixels, actor: Pixels
) -> None:
    still = woman.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    face = only_face(faces, still)
    for image in (faces.swap(still, face, actor).image,
                  faces.fill(still, actor, face.ellipse).image):  # fmt: skip
        assert np.ptp(image, axis=2).max() <= 3


LIGHTS = {"dark": (0.3, 0.3, 0.3), "lamp": (1.1, 0.9, 0.6), "night": (0.35, 0.5, 0.65)}


@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
def test_the_face_takes_the_light_of_the_scene(
    faces: LocalFaces, woman: Pixels, actor: Pixels, light: tuple[float, float, float]
) -> None:
    still = np.clip(woman * np.array(light), 0, 255).astype(np.uint8)
    face = only_face(faces, still)
    centre = inside(face.ellipse, still, scale=0.6)
    goal = still[centre].mean(axis=0)
    swapped = faces.swap(still, face, actor).image[centre].mean(axis=0)
    filled = faces.fill(still, actor, face.ellipse).image[centre].mean(axis=0)
    np.testing.assert_allclose(swapped, goal, rtol=0.06)
    np.testing.assert_allclose(filled, goal, rtol=0.35)  # judged from the neck, not the face


def test_an_actor_who_looks_the_other_way_is_mirrored(faces: LocalFaces, photo: Photo) -> None:
    man = photo("luispedro.jpg")
    face = only_face(faces, man)
    swapped = faces.swap(man, face, np.ascontiguousarray(man[:, ::-1]))
    assert [said for said in swapped.warnings if "was mirrored" in said]
    assert difference(swapped.image, man)[inside(face.ellipse, man)].mean() < 8


def test_faces_turned_too_far_apart_are_refused(
    faces: LocalFaces, photo: Photo, woman: Pixels
) -> None:
    """The profile is a man's; nothing is made of it, which is what is tested."""
    profile = photo("camera.png")
    with pytest.raises(RequestUnsupported, match=r"turned 5\d degrees apart") as error:
        faces.swap(profile, only_face(faces, profile), woman)
    assert error.value.field == "target_face_url"


def test_an_actor_without_a_face_is_refused(faces: LocalFaces, woman: Pixels, photo: Photo) -> None:
    face = only_face(faces, woman)
    with pytest.raises(NoFaceFound) as error:
        faces.swap(woman, face, photo("coffee.png"))
    assert error.value.field == "target_face_url"


def test_a_face_whose_landmarks_are_unsure_is_not_swapped(
    faces: LocalFaces, woman: Pixels, actor: Pixels
) -> None:
    face = only_face(faces, woman)
    unsure = replace(face, mesh=replace(face.mesh, presence=0.4))
    with pytest.raises(FaceUnclear, match=f"the face at {face.box.left},{face.box.top}") as error:
        faces.swap(woman, unsure, actor)
    assert error.value.field == "source_image_url"


def test_the_largest_of_several_actors_comes_in(
    faces: LocalFaces, woman: Pixels, actor: Pixels
) -> None:
    small = cv2.resize(actor[20:220, 180:400], None, fx=0.7, fy=0.7)
    crowd = actor.copy()
    crowd[350:490, 10:164] = small
    assert len(faces.find(crowd)) == 2
    face = only_face(faces, woman)
    alone, with_company = (faces.swap(woman, face, each).image for each in (actor, crowd))
    assert difference(alone, with_company)[inside(face.ellipse, woman)].mean() < 1


# --- Fill ---------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [None, 92, 75])
@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg", "luispedro.jpg"])
def test_the_mask_is_found_again(
    faces: LocalFaces, photo: Photo, name: str, quality: int | None
) -> None:
    person = photo(name)
    face = only_face(faces, person)
    masked = paint_soft(person, face.ellipse, feather=0.0)
    if quality is not None:
        masked = jpeg(masked, quality)
    filled = faces.fill(masked, person)
    assert overlap(filled.ellipse, face.ellipse, person) >= 0.97


def test_a_fill_puts_a_face_into_the_hole_and_changes_nothing_else(
    faces: LocalFaces, woman: Pixels, actor: Pixels
) -> None:
    face = only_face(faces, woman)
    masked = paint_soft(woman, face.ellipse, feather=0.0)
    filled = faces.fill(masked, actor)
    outside = ~inside(filled.ellipse, woman, scale=1.04)
    np.testing.assert_array_equal(filled.image[outside], masked[outside])
    again = only_face(faces, filled.image)
    assert overlap(again.ellipse, face.ellipse, woman) > 0.85
    assert any("full-face-swap keeps that" in said for said in filled.warnings)


def test_an_ellipse_that_is_given_is_used(faces: LocalFaces, woman: Pixels, actor: Pixels) -> None:
    place = Ellipse(130, 330, 60, 75, 10)
    filled = faces.fill(woman, actor, place)
    assert filled.ellipse == place
    assert len(faces.find(filled.image)) == 2


@pytest.mark.parametrize("angle", [-25.0, 25.0])
def test_the_face_is_tilted_with_the_ellipse(
    faces: LocalFaces, woman: Pixels, actor: Pixels, angle: float
) -> None:
    filled = faces.fill(woman, actor, Ellipse(130, 330, 90, 106, angle))
    there = next(face for face in faces.find(filled.image) if face.box.centre[1] > 200)
    eyes = there.mesh.flat[LEFT_EYE].mean(axis=0) - there.mesh.flat[RIGHT_EYE].mean(axis=0)
    assert np.degrees(np.arctan2(eyes[1], eyes[0])) == pytest.approx(angle, abs=10)


def test_no_mask_is_seen_where_there_is_none(
    faces: LocalFaces, catalogue: list[Scene], actor: Pixels
) -> None:
    for scene in catalogue[:: 1 if "ALL_SCENES" in os.environ else 3]:  # all with `make faces`
        with pytest.raises(MaskNotFound) as error:
            faces.fill(scene.pixels, actor)
        assert error.value.field == "masked_image_url"


@pytest.mark.parametrize(("brightness", "is_mask"), [(0, True), (25, False)])
def test_a_dark_round_thing_is_no_mask(
    faces: LocalFaces, actor: Pixels, brightness: int, is_mask: bool
) -> None:
    still, place = np.full((400, 600, 3), 180, np.uint8), Ellipse(300, 200, 70, 90)
    still[inside(place, still)] = brightness
    with nullcontext() if is_mask else pytest.raises(MaskNotFound):
        assert overlap(faces.fill(still, actor).ellipse, place, still) > 0.97


# --- Threads ------------------------------------------------------------------------------


def test_threads_share_one_engine(folder: Path, woman: Pixels, actor: Pixels) -> None:
    """Pictures of several shapes at once, from the first, loading call on."""
    stills = [woman, woman[:300], woman[:, 100:340], woman[:360, :480]]
    alone = LocalFaces(folder / "models")
    goal = [alone.swap(each, alone.find(each)[0], actor).image for each in stills]
    shared = LocalFaces(folder / "models")
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(
            lambda each: shared.swap(each, shared.find(each)[0], actor).image, stills * 3
        )
        for one, other in zip(found, goal * 3, strict=True):
            np.testing.assert_array_equal(one, other)
