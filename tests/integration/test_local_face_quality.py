"""Swaps and fills with the networks themselves: what is warned of, and what stays out.

A person's face is only ever swapped with a picture of the same person.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest

from short_drama import settings
from short_drama.images.codec import decode
from short_drama.images.colour import Pixels
from short_drama.images.subject import SubjectFinder
from short_drama.paid_api.local_faces import LocalFace, LocalFaces
from short_drama.paid_api.local_faces.landmarks import LEFT_EYE, LIPS, RIGHT_EYE, Mesh
from short_drama.paid_api.masks import paint_soft
from tests.faces import photographs

pytestmark = pytest.mark.models

DARK = (22, 22, 26)


@pytest.fixture(scope="module")
def places() -> settings.Settings:
    found = settings.load()
    photographs.install(found.models_dir, found.samples_dir)
    return found


@pytest.fixture(scope="module")
def faces(places: settings.Settings) -> LocalFaces:
    return LocalFaces(places.models_dir)


def photo(samples: Path, name: str) -> Pixels:
    return decode((samples / name).read_bytes()).pixels


@pytest.fixture(scope="module")
def woman(places: settings.Settings) -> Pixels:
    return photo(places.samples_dir, "astronaut.png")


def only_face(faces: LocalFaces, image: Pixels) -> LocalFace:
    [face] = faces.find(image)
    return face


def shades(image: Pixels, mesh: Mesh) -> Pixels:
    worn, width = image.copy(), mesh.width
    left, right = (mesh.flat[group].mean(axis=0) for group in (LEFT_EYE, RIGHT_EYE))
    axes = (round(0.22 * width), round(0.16 * width))
    for x, y in (left, right):
        cv2.ellipse(worn, (round(x), round(y + 0.03 * width)), axes, 0, 0, 360, DARK, cv2.FILLED)
    ends = [np.round(each).astype(int) for each in (left, right)]
    cv2.line(worn, ends[0], ends[1], DARK, max(1, round(0.04 * width)))
    return worn


def masked_mouth(image: Pixels, mesh: Mesh) -> Pixels:
    worn = image.copy()
    corners = mesh.flat[[227, 116, 6, 345, 447, 397, 378, 152, 149, 172]]
    cv2.fillPoly(worn, [np.round(corners).astype(np.int32)], (150, 190, 220))
    return worn


def said_by(faces: LocalFaces, still: Pixels, actor: Pixels) -> str:
    return "\n".join(faces.swap(still, only_face(faces, still), actor).warnings)


PEOPLE = ("astronaut.png", "luispedro.jpg", "grace_hopper.jpg")


@pytest.mark.parametrize("name", PEOPLE)
def test_bare_faces_are_warned_of_nothing(
    faces: LocalFaces, places: settings.Settings, name: str
) -> None:
    """Grace Hopper's glasses have light rims: they are not seen, as the docs say."""
    person = photo(places.samples_dir, name)
    assert said_by(faces, person, person) == ""


@pytest.mark.parametrize("name", PEOPLE)
def test_dark_glasses_are_warned_of_in_the_still_and_on_the_actor(
    faces: LocalFaces, places: settings.Settings, name: str
) -> None:
    person = photo(places.samples_dir, name)
    worn = shades(person, only_face(faces, person).mesh)
    assert "the face in the still seems to wear dark glasses" in said_by(faces, worn, person)
    assert "the actor seems to wear dark glasses" in said_by(faces, person, worn)
    hole = only_face(faces, person).ellipse
    filled = faces.fill(paint_soft(person, hole, feather=0.0), worn, hole)
    assert any("the actor seems to wear dark glasses" in said for said in filled.warnings)


def test_a_mask_before_the_mouth_is_warned_of(faces: LocalFaces, woman: Pixels) -> None:
    worn = masked_mouth(woman, only_face(faces, woman).mesh)
    assert "in front of the mouth in the still" in said_by(faces, worn, woman)
    assert "in front of the actor's mouth" in said_by(faces, woman, worn)


def test_a_coloured_wall_behind_the_actor_stays_out_of_a_fill(
    faces: LocalFaces, places: settings.Settings, woman: Pixels
) -> None:
    matte = SubjectFinder(places.models_dir).find(woman)
    assert matte is not None
    blue = np.array((20, 60, 250), np.float32)
    actor = (woman * matte[..., None] + blue * (1 - matte[..., None])).astype(np.uint8)
    hole = only_face(faces, woman).ellipse
    filled = faces.fill(paint_soft(woman, hole, feather=0.0), actor, hole).image
    more_blue = filled[..., 2].astype(int) - filled[..., 0]
    within = np.s_[
        int(hole.centre_y - hole.axis_y) : int(hole.centre_y + hole.axis_y),
        int(hole.centre_x - hole.axis_x) : int(hole.centre_x + hole.axis_x),
    ]
    assert (more_blue[within] > 40).mean() < 0.001


def test_teeth_keep_their_white_on_yellow_skin(faces: LocalFaces, woman: Pixels) -> None:
    """As in a portrait under a lamp, or on an old painting: only skin is painted yellow."""
    face = only_face(faces, woman)
    skin = cv2.cvtColor(woman, cv2.COLOR_RGB2YCrCb)[..., 1] > 138
    still = woman.copy()
    still[skin] = (still[skin] * (1.0, 0.85, 0.45)).astype(np.uint8)
    swapped = faces.swap(still, face, woman).image

    def yellowness(image: Pixels) -> float:
        mouth = np.zeros(image.shape[:2], np.uint8)
        hull = cv2.convexHull(face.mesh.flat[LIPS].astype(np.float32))
        cv2.fillConvexPoly(mouth, np.round(hull).astype(np.int32), 1)
        teeth = (mouth > 0) & (cv2.cvtColor(woman, cv2.COLOR_RGB2HSV)[..., 1] < 50)
        lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        return float(np.median(lab[teeth][:, 2]))

    assert abs(yellowness(swapped) - yellowness(woman)) < 14
