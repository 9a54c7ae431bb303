"""What of the actor comes into a still and what does not, on a schematic face."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import Ellipse, FaceBox
from short_drama.paid_api.local_faces.actor import Actor, cut_out, mirrored
from short_drama.paid_api.local_faces.fill import fill_mask
from short_drama.paid_api.local_faces.forehead import covered
from short_drama.paid_api.local_faces.hidden import sides
from short_drama.paid_api.local_faces.landmarks import LEFT_EYE, LIPS, OVAL, RIGHT_EYE, Mesh, Points
from short_drama.paid_api.local_faces.ring import lighting
from short_drama.paid_api.local_faces.swap import swap_face
from tests.unit.paid_api.schematic import SIDE, SKIN, hull, mesh, picture

BLUE = (30, 60, 240)
BOX = FaceBox(45, 25, 195, 215)
HOLE = Ellipse(SIDE / 2, SIDE / 2, 79, 100)


def actor(face: Mesh, image: Pixels, *, matte: bool = False) -> Actor:
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    if matte:
        alpha[:] = 0
        cv2.fillConvexPoly(alpha, hull(face.flat[OVAL]), 255)
    return Actor(np.dstack([image, alpha]), BOX, face)


def with_teeth(face: Mesh, image: Pixels, colour: tuple[int, int, int]) -> Pixels:
    x, y = face.flat[LIPS].mean(axis=0).round().astype(int)
    shown = image.copy()
    shown[y - 4 : y + 5, x - 14 : x + 15] = colour
    return shown


def blueness(image: Pixels) -> int:
    """By how much the bluest pixel has more blue than red."""
    return int((image[..., 2].astype(int) - image[..., 0]).max())


def yellowness(image: Pixels, points: Points) -> float:
    """b* of CIELAB where the teeth are."""
    x, y = points[LIPS].mean(axis=0).round().astype(int)
    patch = image[y - 2 : y + 3, x - 10 : x + 11].astype(np.float32) / 255
    return float(cv2.cvtColor(patch, cv2.COLOR_RGB2LAB)[..., 2].mean())


# --- White --------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [(235, 180, 70), (70, 50, 15)], ids=["yellow", "brown"])
@pytest.mark.parametrize("teeth", [(235, 232, 228), (226, 205, 165)], ids=["white", "yellowish"])
def test_teeth_keep_their_own_white(
    colour: tuple[int, int, int], teeth: tuple[int, int, int]
) -> None:
    face = mesh()
    smiling = with_teeth(face, picture(face), teeth)
    still = picture(face)
    still[(still == SKIN).all(axis=2)] = colour
    swapped = swap_face(still, face, actor(face, smiling))
    assert -15 < yellowness(swapped, face.flat) - yellowness(smiling, face.flat) < 14
    cheek = tuple(face.flat[[205, 425]].mean(axis=0).round().astype(int))
    np.testing.assert_allclose(swapped[cheek[1], cheek[0]], colour, atol=12)


def test_the_white_of_eyes_keeps_it_too() -> None:
    face = mesh()
    still = picture(face)
    still[(still == SKIN).all(axis=2)] = (235, 180, 70)
    swapped = swap_face(still, face, actor(face, picture(face)))
    for group in (LEFT_EYE, RIGHT_EYE):
        x, y = face.flat[group].mean(axis=0).round().astype(int)
        assert np.ptp(swapped[y, x].astype(int)) < 25


def test_teeth_follow_the_still_in_brightness() -> None:
    face = mesh()
    smiling = with_teeth(face, picture(face), (230, 228, 225))
    dark = (picture(face) * 0.4).astype(np.uint8)
    x, y = face.flat[LIPS].mean(axis=0).round().astype(int)
    assert swap_face(dark, face, actor(face, smiling))[y, x].max() < 0.5 * 230


def test_in_a_still_without_colour_teeth_have_none() -> None:
    face = mesh()
    smiling = with_teeth(face, picture(face), (226, 205, 165))
    grey = picture(face).mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    assert np.ptp(swap_face(grey, face, actor(face, smiling)), axis=2).max() <= 3


# --- Sides --------------------------------------------------------------------------------


def triangles(face: Mesh) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Any that cover the face, all the same way round."""
    plane = cv2.Subdiv2D((0, 0, SIDE, SIDE))
    places = face.flat.astype(np.float32).tolist()
    plane.insert(places)
    number = {tuple(place): i for i, place in enumerate(places)}
    corners = np.asarray(plane.getTriangleList()).reshape(-1, 3, 2).tolist()
    found = [[number.get(tuple(corner), -1) for corner in each] for each in corners]
    return np.array([each for each in found if min(each) >= 0], np.int64)


@pytest.mark.parametrize("yaw", [0, 15, -15])
def test_at_the_same_pose_nothing_is_hidden(yaw: float) -> None:
    face = mesh(yaw=yaw)
    assert sides(face, face, triangles(mesh())) is None


@pytest.mark.parametrize("yaw", [28, -28])
def test_the_far_side_of_a_turned_actor_comes_from_the_near_one(yaw: float) -> None:
    turned, front = mesh(yaw=yaw), mesh()
    found = sides(turned, front, triangles(front))
    assert found is not None
    taken = found.own < 0.5
    assert taken.sum() > 20
    away = np.sign(front.flat[taken, 0] - SIDE / 2)
    assert len(set(away)) == 1
    there = front.flat[found.twins[taken], 0] - SIDE / 2
    assert (np.sign(there) == -away).mean() > 0.95
    assert found.seen[taken].min() > 0.5


@pytest.mark.parametrize("yaw", [25, -25, 35])
@pytest.mark.parametrize("who", ["actor", "still"])
def test_a_turn_brings_nothing_of_the_wall_onto_the_cheek(yaw: float, who: str) -> None:
    """Without any matte, and with landmarks that are a little too wide, as they often are."""
    front, turned = mesh(), mesh(yaw=yaw)
    at, of = (front, turned) if who == "actor" else (turned, front)
    photographed = picture(of, wall=BLUE)
    wide = replace(of, points=of.points + (of.points - of.points.mean(axis=0)) * (0.04, 0, 0))
    assert blueness(swap_face(picture(at), at, actor(wide, photographed))) < 30


@pytest.mark.parametrize("yaw", [25, -25, 35])
def test_an_earring_is_not_stretched_over_the_near_cheek(yaw: float) -> None:
    """A frontal actor shows the far end of the cheek, where it hangs, very flatly."""
    front, turned = mesh(), mesh(yaw=yaw)
    photographed = picture(front)
    for x in (48, SIDE - 49):
        cv2.rectangle(photographed, (x - 7, 115), (x + 7, 165), (255, 255, 255), cv2.FILLED)
    swapped = swap_face(picture(turned), turned, actor(front, photographed))
    assert swapped[112:170].max() < 225


def test_what_the_matte_calls_wall_stays_out_of_a_swap() -> None:
    face = mesh()
    image, held = picture(face), actor(face, picture(face), matte=True)
    held.cutout[130:160:4, 60:90] = (0, 0, 0, 0)
    held.cutout[132:160:4, 60:90] = (255, 255, 255, 0)
    held.cutout[130:160, 60:90, 3] = 0
    patch = swap_face(image, face, held)[132:158, 62:88]
    assert np.abs(patch.astype(int) - SKIN).max() < 30


# --- Forehead -----------------------------------------------------------------------------


def with_fringe(image: Pixels) -> Pixels:
    fringed = image.copy()
    fringed[22:68, 40:200] = (60, 40, 30)
    return fringed


def outline(face: Mesh) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(mask, hull(face.flat[OVAL]), 255)
    return mask


def test_a_fringe_is_seen_and_the_brows_are_not_taken_for_one() -> None:
    face = mesh()
    inside = cv2.erode(outline(face), np.ones((17, 17))) > 0
    assert not covered(picture(face), face.flat, outline(face))[inside].any()
    found = covered(with_fringe(picture(face)), face.flat, outline(face)) > 0
    assert found[30:58, 90:150].all()
    assert not found[74:][inside[74:]].any()


def test_the_actors_fringe_stays_out_of_a_fill() -> None:
    face = mesh()
    filled = fill_mask(picture(face), HOLE, actor(face, with_fringe(picture(face))))
    assert filled[50:66, 95:145].min(axis=2).mean() > 80


def test_the_actors_fringe_stays_out_of_a_swap() -> None:
    face = mesh()
    still = picture(face)
    bare, fringed = (
        swap_face(still, face, actor(face, photographed))
        for photographed in (still, with_fringe(still))
    )
    assert np.abs(bare.astype(int) - fringed)[55:72, 100:140].max() < 12


# --- Fill ---------------------------------------------------------------------------------


def test_a_fill_has_no_rim_of_the_actors_wall() -> None:
    face = mesh()
    held = actor(face, picture(face, wall=BLUE), matte=True)
    assert blueness(fill_mask(picture(face), HOLE, held)) < 40
    assert held.set_apart


def test_without_a_matte_a_fill_ends_at_the_face() -> None:
    face = mesh()
    held = actor(face, picture(face, wall=BLUE))
    assert blueness(fill_mask(picture(face), HOLE, held)) < 60
    assert not held.set_apart


RINGS = {
    "beard": (45, 30, 20),
    "coat": (20, 22, 30),
    "snow": (250, 250, 252),
    "grass": (60, 120, 50),
}


@pytest.mark.parametrize("colour", RINGS.values(), ids=RINGS)
def test_a_ring_that_is_not_skin_makes_no_face_dark_or_glaring(
    colour: tuple[int, int, int],
) -> None:
    face = mesh()
    around = picture(face)
    around[SIDE // 2 :][outline(face)[SIDE // 2 :] == 0] = colour
    scene = around.reshape(-1, 3)
    skin = np.full((50, 3), SKIN, np.uint8)
    light = lighting(around, Ellipse(SIDE / 2, SIDE / 2, 70, 90), scene, skin)
    assert 0.4 < light.mean() < 1.3
    assert np.ptp(light) < 0.5


@pytest.mark.parametrize("share", [0.35, 0.6, 1.1])
def test_a_ring_of_skin_lights_the_face(share: float) -> None:
    goal = np.array(SKIN) * share
    around = np.full((SIDE, SIDE, 3), goal, np.uint8)
    skin = np.full((50, 3), SKIN, np.uint8)
    light = lighting(around, Ellipse(SIDE / 2, SIDE / 2, 60, 70), around.reshape(-1, 3), skin)
    np.testing.assert_allclose(light * SKIN, goal, rtol=0.15)


# --- Actor --------------------------------------------------------------------------------


def test_the_head_is_cut_out_of_a_large_picture() -> None:
    face = mesh()
    large = np.zeros((900, 1200, 3), np.uint8)
    large[400 : 400 + SIDE, 700 : 700 + SIDE] = picture(face)
    moved = replace(face, points=face.points + np.array([700, 400, 0]))
    box = replace(BOX, left=745, top=425, right=895, bottom=615)
    held = cut_out(large, box, moved, lambda _: None)
    assert held.cutout.shape[0] < 600
    x, y = held.mesh.flat[10].round().astype(int)
    there = moved.flat[10].round().astype(int)
    np.testing.assert_array_equal(held.picture[y, x], large[there[1], there[0]])
    assert not held.set_apart


@pytest.mark.parametrize(("of_face", "believed"), [(1.0, True), (0.3, False)])
def test_a_matte_that_denies_the_face_is_not_believed(of_face: float, *, believed: bool) -> None:
    face = mesh()

    def matte(head: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        found = np.zeros(head.shape[:2], np.float32)
        found[: round(head.shape[0] * 0.95)] = of_face
        return found

    assert cut_out(picture(face), BOX, face, matte).set_apart is believed


def test_a_mirrored_cutout_has_its_box_on_the_other_side() -> None:
    held = actor(mesh(), picture(mesh()))
    cutout, box = mirrored(replace(held, box=replace(BOX, left=10)))
    assert (box.left, box.right) == (SIDE - BOX.right, SIDE - 10)
    np.testing.assert_array_equal(cutout[:, ::-1], held.cutout)
