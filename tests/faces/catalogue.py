"""The pictures on which face detection is measured, each with the boxes of its faces.

Every picture is made here from seven photographs (see README.md), the same one every time. The
boxes of the four faces were drawn by eye; where a picture is turned, cropped or pasted, its boxes
are turned, cropped and pasted with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from short_drama.images.codec import decode
from short_drama.images.colour import Pixels

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

ASTRONAUT, PROFILE, OFFICER, AUTHOR = (
    "astronaut.png", "camera.png", "grace_hopper.jpg", "luispedro.jpg",
)  # fmt: skip
FACES: Final[dict[str, Box]] = {
    ASTRONAUT: (182, 64, 270, 179),
    PROFILE: (193, 112, 261, 198),
    OFFICER: (173, 124, 356, 338),
    AUTHOR: (38, 62, 224, 320),
}
FACELESS: Final = ("chelsea.png", "coffee.png", "rocket.jpg")
_EXIF_ORIENTATION: Final = 0x0112


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and where its faces are."""

    name: str
    pixels: Pixels
    faces: Sequence[Box]


def scenes(photographs: Path) -> Iterator[Scene]:
    """All of them; `photographs` is the folder that holds the seven files."""
    photo = {name: _photograph(photographs, name) for name in (*FACES, *FACELESS)}
    yield from photo.values()
    yield from _variants(photo)
    yield from _orientations(photo[ASTRONAUT])
    yield _sheet(photo)
    yield _row(photo)
    yield _crowd(photo)
    yield _far_away(photo, (640, 427), 24)
    yield _far_away(photo, (1920, 1281), 36)
    yield Scene("suit and helmet", photo[ASTRONAUT].pixels[190:], [])
    yield Scene("plain grey", np.full((480, 640, 3), 128, np.uint8), [])


def _photograph(folder: Path, name: str) -> Scene:
    pixels = decode((folder / name).read_bytes()).pixels
    return Scene(name, pixels, [FACES[name]] if name in FACES else [])


def _variants(photo: dict[str, Scene]) -> Iterator[Scene]:
    woman, man, officer, author = (photo[name] for name in FACES)
    for each in (woman, man, author):
        yield _mirrored(each)
    yield _turned(woman, 25)
    yield _turned(officer, -30)
    yield _turned(author, -20)
    yield _changed(woman, "dark", lambda a: (a * 0.25).astype(np.uint8))
    yield _changed(author, "bright", lambda a: np.minimum(a * 1.8, 255).astype(np.uint8))
    yield _changed(woman, "grey", lambda a: a.mean(axis=2, keepdims=True).repeat(3, 2).astype("u1"))
    yield _changed(officer, "blurred", lambda a: np.asarray(cv2.GaussianBlur(a, (0, 0), 4), "u1"))
    yield _changed(woman, "JPEG at quality 10", lambda a: _through_jpeg(a, quality=10))
    yield _resized(woman, 4.0)
    yield _resized(officer, 0.2)
    yield _cropped(woman, (0, 0, 227, 300), "the left half of her face")
    yield _cropped(officer, (100, 0, 420, 270), "her mouth cut off")
    yield _cropped(author, (20, 90, 240, 330), "from brow to chin")


def _sheet(photo: dict[str, Scene]) -> Scene:
    """Faces 25 to 180 pixels high in rows, as on a contact sheet."""
    heights = [25, 30, 35, 40, 50, 60, 70, 80, 100, 120, 150, 180]
    people = [ASTRONAUT, OFFICER, AUTHOR]
    places = [(40 + 120 * i, 60) for i in range(6)] + [
        (60, 220), (230, 220), (430, 220), (650, 220), (90, 470), (430, 470),
    ]  # fmt: skip
    canvas = Scene("contact sheet", np.full((760, 840, 3), 200, np.uint8), [])
    for i, (height, place) in enumerate(zip(heights, places, strict=True)):
        canvas = _pasted(canvas, photo[people[i % 3]], height, place)
    return canvas


def _row(photo: dict[str, Scene]) -> Scene:
    """Four people side by side before a dark wall, one of them in profile."""
    canvas = Scene("four in a row", np.full((450, 1280, 3), 40, np.uint8), [])
    for i, name in enumerate(FACES):
        canvas = _pasted(canvas, photo[name], 110, (60 + 310 * i, 140))
    return canvas


def _crowd(photo: dict[str, Scene]) -> Scene:
    """Five people in a wide still, before a photographed background."""
    background = np.asarray(cv2.resize(photo["coffee.png"].pixels, (1920, 1080)), np.uint8)
    canvas = Scene("wide still", background, [])
    people = [AUTHOR, ASTRONAUT, OFFICER, ASTRONAUT, AUTHOR]
    for i, (name, height) in enumerate(zip(people, (90, 140, 60, 75, 120), strict=True)):
        canvas = _pasted(canvas, photo[name], height, (150 + 350 * i, 300 + 90 * (i % 2)))
    return canvas


def _far_away(photo: dict[str, Scene], size: tuple[int, int], height: int) -> Scene:
    """One face, `height` pixels high, before a launch pad."""
    pad = np.asarray(cv2.resize(photo["rocket.jpg"].pixels, size), np.uint8)
    place = (size[0] * 3 // 4, size[1] * 2 // 3)
    return _pasted(Scene(f"far away in {size}", pad, []), photo[ASTRONAUT], height, place)


def _orientations(scene: Scene) -> Iterator[Scene]:
    """The same picture, stored lying down or upside down with the tag that says so."""
    for tag, stored in ((3, np.rot90(scene.pixels, 2)), (6, np.rot90(scene.pixels, 1)),
                        (8, np.rot90(scene.pixels, 3))):  # fmt: skip
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = tag
        data = BytesIO()
        Image.fromarray(stored).save(data, "JPEG", quality=92, exif=exif)
        yield Scene(f"EXIF orientation {tag}", decode(data.getvalue()).pixels, scene.faces)


def _pasted(canvas: Scene, person: Scene, height: int, place: tuple[int, int]) -> Scene:
    """`person`'s head and shoulders, the face `height` pixels high, its corner at `place`."""
    [(left, top, right, bottom)] = person.faces
    scale = height / (bottom - top)
    rows, columns = person.pixels.shape[:2]
    room = 0.45 * (bottom - top)
    cut = (
        int(max(0, left - room)), int(max(0, top - room)),
        int(min(columns, right + room)), int(min(rows, bottom + room)),
    )  # fmt: skip
    part = _resized(_cropped(person, cut, "head"), scale)
    [box] = part.faces
    x, y = round(place[0] - box[0]), round(place[1] - box[1])
    pixels = canvas.pixels.copy()
    pixels[y : y + part.pixels.shape[0], x : x + part.pixels.shape[1]] = part.pixels
    moved = (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
    return Scene(canvas.name, pixels, [*canvas.faces, moved])


def _mirrored(scene: Scene) -> Scene:
    width = scene.pixels.shape[1]
    boxes = [(width - right, top, width - left, bottom) for left, top, right, bottom in scene.faces]
    return Scene(f"{scene.name}, mirrored", scene.pixels[:, ::-1].copy(), boxes)


def _cropped(scene: Scene, cut: tuple[int, int, int, int], what: str) -> Scene:
    x0, y0, x1, y1 = cut
    boxes = [
        (max(left, x0) - x0, max(top, y0) - y0, min(right, x1) - x0, min(bottom, y1) - y0)
        for left, top, right, bottom in scene.faces
    ]
    return Scene(f"{scene.name}, {what}", scene.pixels[y0:y1, x0:x1].copy(), boxes)


def _resized(scene: Scene, scale: float) -> Scene:
    height, width = scene.pixels.shape[:2]
    size = (round(width * scale), round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pixels = np.asarray(cv2.resize(scene.pixels, size, interpolation=way), np.uint8)
    boxes = [(a * scale, b * scale, c * scale, d * scale) for a, b, c, d in scene.faces]
    return Scene(f"{scene.name} at {scale:.2g}", pixels, boxes)


def _turned(scene: Scene, degrees: float) -> Scene:
    """Turned around the face; the face's box keeps its size: a head is about as wide as tall."""
    [(left, top, right, bottom)] = scene.faces
    centre = ((left + right) / 2, (top + bottom) / 2)
    turn = cv2.getRotationMatrix2D(centre, degrees, 1.0)
    size = (scene.pixels.shape[1], scene.pixels.shape[0])
    pixels = cv2.warpAffine(scene.pixels, turn, size, borderMode=cv2.BORDER_REFLECT)
    name = f"{scene.name}, turned by {degrees:g} degrees"
    return Scene(name, np.asarray(pixels, np.uint8), scene.faces)


def _changed(scene: Scene, what: str, change: Callable[[Pixels], NDArray[np.uint8]]) -> Scene:
    return Scene(f"{scene.name}, {what}", change(scene.pixels), scene.faces)


def _through_jpeg(pixels: Pixels, *, quality: int) -> Pixels:
    data = BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=quality)
    return decode(data.getvalue()).pixels
