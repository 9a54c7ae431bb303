"""The contact sheet of local swaps and fills, in two steps: `python -m tests.faces.contact_sheet`.

    make FOLDER                     swaps and fills with the engine that is installed, into a folder
    draw BEFORE AFTER SHEET.jpg     two such folders, of two versions, on one page

An older version is made with its sources first on the path: `PYTHONPATH=OLD/src`.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from short_drama import settings
from short_drama.domain.errors import ShortDramaError
from short_drama.images.codec import encode
from short_drama.images.colour import Pixels
from short_drama.images.labels import Label, SourceType
from short_drama.images.structure import JPEG
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces import LocalFaces
from short_drama.paid_api.masks import paint_soft
from tests.faces import drawings, photographs
from tests.faces.gallery import CASES, Case, Gallery

_SIDE: Final = 200
_AROUND: Final = 1.7
"""What of a still is shown around a face, in its half axes."""
_COLUMNS: Final = 3
_GAP, _CAPTION = 14, 22
_PAPER, _INK = (20, 22, 26), (232, 229, 222)


def make(folder: Path) -> None:
    """Each case's still, mask or not, and result, cut out around the face: NUMBER.png."""
    places = settings.load()
    photographs.install(places.models_dir, places.samples_dir)
    drawings.install(places.cache_dir / "drawings")
    gallery = Gallery(places.samples_dir, places.cache_dir / "drawings")
    faces = LocalFaces(places.models_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(CASES, start=1):
        tiles = _tiles(faces, gallery, case)
        Image.fromarray(np.hstack(tiles)).save(folder / f"{number:02}.png")
        print(f"{number:2} {case.way} {case.still} <- {case.actor}")


def draw(before: Path, after: Path, sheet: Path) -> None:
    rows = -(-len(CASES) // _COLUMNS)
    wide, tall = 4 * _SIDE + _GAP, _SIDE + _CAPTION + _GAP
    page = Image.new("RGB", (_COLUMNS * wide + _GAP, rows * tall + _GAP), _PAPER)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(15)
    for number, case in enumerate(CASES, start=1):
        column, row = (number - 1) % _COLUMNS, (number - 1) // _COLUMNS
        x, y = _GAP + column * wide, _GAP + row * tall
        first, second = (Image.open(folder / f"{number:02}.png") for folder in (before, after))
        page.paste(first, (x, y + _CAPTION))
        page.paste(second.crop((2 * _SIDE, 0, 3 * _SIDE, _SIDE)), (x + 3 * _SIDE, y + _CAPTION))
        pen.text((x, y), f"{number}. {case.way}: {case.still} < {case.actor}", _INK, font)
        for i, word in ((2, "before"), (3, "after")):
            pen.text((x + i * _SIDE, y), word, _INK, font)
    label = Label.of_job(
        SourceType.COMPOSITE_CAPTURE, engine="local-faces", kind="demo", job_id="swaps-sheet"
    )
    data = encode(np.asarray(page), JPEG, label=label, jpeg_quality=80)
    sheet.write_bytes(data)
    print(f"{sheet}: {len(data) / 1024:.0f} KiB")


def _tiles(faces: LocalFaces, gallery: Gallery, case: Case) -> list[Pixels]:
    """The actor, the still, and what came of them; grey where it was refused."""
    still, actor = gallery[case.still], gallery[case.actor]
    found, actors = faces.find(still), faces.find(actor)
    if not found:
        return [_whole(actor), _whole(still), _refused("no face was found")]
    place = found[0].ellipse
    shown = still if case.way == "swap" else paint_soft(still, place, feather=0.0)
    try:
        if case.way == "swap":
            made = faces.swap(still, found[0], actor)
        else:
            made = faces.fill(shown, actor, place)
    except ShortDramaError as error:
        result = _refused(str(error))
    else:
        result = _around(made.image, place)
    coming = _around(actor, actors[0].ellipse) if actors else _whole(actor)
    return [coming, _around(shown, place), result]


def _around(image: Pixels, place: Ellipse) -> Pixels:
    reach = _AROUND * max(place.axis_x, place.axis_y)
    x, y, reach = round(place.centre_x), round(place.centre_y), round(reach)
    cut = Image.fromarray(image).crop((x - reach, y - reach, x + reach, y + reach))
    return np.asarray(cut.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))


def _whole(image: Pixels) -> Pixels:
    page = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    small = Image.fromarray(image)
    small.thumbnail((_SIDE, _SIDE))
    page.paste(small)
    return np.asarray(page)


def _refused(why: str) -> Pixels:
    page = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    ImageDraw.Draw(page).text((8, 8), "\n".join(why.split(": ")), _INK)
    return np.asarray(page)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("make").add_argument("folder", type=Path)
    drawing = steps.add_parser("draw")
    for name in ("before", "after", "sheet"):
        drawing.add_argument(name, type=Path)
    asked = parser.parse_args()
    if asked.step == "make":
        make(asked.folder)
    else:
        draw(asked.before, asked.after, asked.sheet)


if __name__ == "__main__":
    main()
