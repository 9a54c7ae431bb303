"""Find every face of a picture: small ones, lying ones and such as stand upside down.

The first look, at the whole picture shrunk to the network's size, finds most faces. Where it only
suspects one, a closer look follows, upright or in quarter turns. A picture that it halves is always
looked at closer where small faces are likeliest, one that it shrinks too much for that in parts.
Where a face is tilted, all is looked at once more as that one stands, and where there is none,
closer and in quarter turns.

However large the picture, that is at most ten runs of the detector (the whole, six parts, three
turns), and 35 on sheets of tiles and places, each a seventh of the work.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from short_drama.images.colour import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.local_faces.cover import LocalFace, covered, shared
from short_drama.paid_api.local_faces.detect import SCORE, SIDE, SURE, CenterFace, scale_of
from short_drama.paid_api.local_faces.landmarks import Landmarks
from short_drama.paid_api.local_faces.tiles import SHOWN, WHOLE, Grid, Tile, grid, part_size, parts
from short_drama.paid_api.local_faces.turning import QUARTERS

_HINT: Final = 0.03
"""Score from which a box, if it is small, is worth a closer look: a face of 8 pixels in the first
look has it three times in four, one of 13 always."""
_TURN: Final = 0.1
"""And from which it is worth three, in quarter turns."""
_HINTS: Final = 12
"""So many at most, the best first."""
_AT_ONCE: Final = 4
"""Tiles that are one run; when none of them shows a face, those after them are left out."""
_SHRUNK: Final = 1 / 4
"""A picture that the first look shrinks to less is looked at in parts, however much is found."""
_CLOSER: Final[Grid] = (2, 2)
_LARGE: Final = 2 * SIDE
_LEANING, _TILTED = 20.0, 50.0
"""Degrees by which half of the faces lean, or by which one is tilted, if others may be too."""
_SEEN: Final = 13
"""Pixels of height in the closest look at everything, from which a face is surely found."""
_LEAST: Final = 20
_SURE_IN_TILE: Final = 0.7
"""Score that needs no landmarks: seen so small, a pattern is taken for a face more easily."""
_CERTAIN_IN_TILE: Final = 0.9999
"""Presence of landmarks that make up for a score below `SURE`."""
_SAME: Final = 0.5
"""Share of the smaller of two boxes that is in the other, from which both are of one face."""


class Search:
    """Safe to share between threads."""

    def __init__(self, detector: CenterFace, landmarks: Landmarks) -> None:
        self._detector = detector
        self._landmarks = landmarks

    def faces(self, image: Pixels) -> list[LocalFace]:
        """In no particular order."""
        cut, closer = _grids(image.shape)
        whole, small = self._first_look(image, cut)
        found = self._among(image, whole, self._in_parts(image, cut), small)
        if not found and closer != cut:
            found = self._among(image, (), self._in_parts(image, closer))
        turns = (_tilt(found),) if found else QUARTERS
        more = [face for turn in turns if turn for face in self._turned(image, turn)]
        return _joined(found, more)

    def confirmed(
        self, image: Pixels, boxes: Iterable[FaceBox], *, turn: float = 0.0
    ) -> list[LocalFace]:
        """With their landmarks; of doubtful boxes only those that the landmarks confirm."""
        faces = [self._face(image, box, turn) for box in boxes if box.score >= SCORE]
        return [face for face in faces if face.box.score >= SURE or face.present]

    def _first_look(self, image: Pixels, cut: Grid) -> tuple[Sequence[FaceBox], Sequence[FaceBox]]:
        """What the whole picture shows, and what a closer look does, unless parts are one."""
        if cut == WHOLE and max(image.shape) > _LARGE:
            return self._detector.find_closely(image, least=_HINT)
        return self._detector.find(image, least=_HINT), ()

    def _among(
        self,
        image: Pixels,
        whole: Sequence[FaceBox],
        closer: Sequence[FaceBox],
        small: Sequence[FaceBox] = (),
        *,
        turn: float = 0.0,
    ) -> list[LocalFace]:
        """The faces that are in boxes of the whole picture and of parts of it, or near them, and
        of what may be `small` ones those that a tile shows."""
        found = self.confirmed(image, whole, turn=turn)
        unknown = [box for box in closer if not _known(box, _present(found))]
        found = _joined(found, self.confirmed(image, unknown, turn=turn))
        hints = _hints((*whole, *closer), found)
        shown = SHOWN * max(image.shape) / SIDE
        near = [box for box in hints if max(box.width, box.height) < shown]
        tiles = [Tile(box, turn) for box in (_hints((*near, *small), found) if small else near)]
        found = _joined(found, self._in_best_tiles(image, tiles, found))
        if turn:
            return found
        tiles = [Tile(box, more) for box in hints if box.score >= _TURN for more in QUARTERS]
        return _joined(found, self._in_best_tiles(image, tiles, found))

    def _turned(self, image: Pixels, turn: float) -> list[LocalFace]:
        boxes = self._detector.find(image, least=_HINT, turn=turn)
        return self._among(image, boxes, (), turn=turn)

    def _in_parts(self, image: Pixels, cut: Grid) -> list[FaceBox]:
        if cut == WHOLE:
            return []
        return [
            moved
            for part in parts(image, cut)
            for box in self._detector.find(part.pixels, least=_HINT)
            if (moved := part.in_picture(box, image.shape))
        ]

    def _in_best_tiles(
        self, image: Pixels, tiles: Sequence[Tile], found: Iterable[LocalFace]
    ) -> list[LocalFace]:
        """The tiles are the likeliest first."""
        faces: list[LocalFace] = []
        for start in range(0, len(tiles), _AT_ONCE):
            more = self._in_tiles(image, tiles[start : start + _AT_ONCE], found)
            if not more:
                break
            faces += more
        return faces

    def _in_tiles(
        self, image: Pixels, tiles: Sequence[Tile], found: Iterable[LocalFace]
    ) -> list[LocalFace]:
        """Faces whose landmarks are not known yet."""
        known = _present(found)
        tiles = [tile for tile in tiles if not _known(tile.box, known)]
        faces = [
            self._face(image, box, tile.turn, certain=True)
            for tile, boxes in zip(tiles, self._detector.find_in(image, tiles), strict=True)
            for box in boxes
            if not _known(box, known)
        ]
        return [face for face in faces if _stands_out(face)]

    def _face(
        self, image: Pixels, box: FaceBox, turn: float, *, certain: bool = False
    ) -> LocalFace:
        """`certain`: that it is turned so, if it is a face at all."""
        fit = self._landmarks.fit_turned if certain or turn else self._landmarks.fit
        return covered(box, fit(image, box, turn))


def smallest(shape: tuple[int, ...]) -> int:
    """Height in pixels of the smallest face that is surely found in a picture of this shape."""
    closest = scale_of(*part_size(shape, _grids(shape)[1]))
    return max(_LEAST, math.ceil(_SEEN / closest))


def _grids(shape: tuple[int, ...]) -> tuple[Grid, Grid]:
    """How a picture is cut at once, and how where that finds nobody."""
    cut = grid(shape, scale=_SHRUNK, scale_of=scale_of)
    return cut, _CLOSER if cut == WHOLE and max(shape) >= _LARGE else cut


def _stands_out(face: LocalFace) -> bool:
    """Whether what a tile shows is a face."""
    return (
        face.box.score >= _SURE_IN_TILE
        or face.mesh.presence >= _CERTAIN_IN_TILE
        or (face.box.score >= SURE and face.present)
    )


def _tilt(found: Sequence[LocalFace]) -> float:
    """By what to level the picture for a second look, the most that any face is tilted; 0 if there
    is no need."""
    clear = [face for face in found if not face.warnings] or _present(found)
    rolls = [face.mesh.roll for face in clear] or [0.0]
    most = max(rolls, key=abs)
    return most if abs(most) > _TILTED or abs(median(rolls)) > _LEANING else 0.0


def _present(faces: Iterable[LocalFace]) -> list[LocalFace]:
    return [face for face in faces if face.present]


def _hints(boxes: Iterable[FaceBox], found: Sequence[LocalFace]) -> list[FaceBox]:
    """The best of those where no face is known."""
    hints = sorted(boxes, key=lambda box: -box.score)
    return [box for box in hints if not _known(box, _present(found))][:_HINTS]


def _known(box: FaceBox, faces: Iterable[LocalFace]) -> bool:
    return any(shared(box, place) > _SAME for face in faces for place in face.places)


def _joined(found: Sequence[LocalFace], more: Iterable[LocalFace]) -> list[LocalFace]:
    """Each face once: one with landmarks rather than one without, and then the surest."""
    joined = _present(found)
    others = sorted(more, key=lambda face: (not face.present, -face.box.score))
    for face in (*others, *(face for face in found if not face.present)):
        if not any(_known(place, joined) for place in face.places):
            joined.append(face)
    return joined
