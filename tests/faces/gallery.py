"""Thirty swaps and fills to look at: people, a painting, and drawn people.

A photographed person's face is only ever put on the same person. Into other stills come faces of
nobody: a painted one, drawn ones, and the average of many.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from PIL import Image

from short_drama.images.colour import Pixels

_HEAD: Final = (116, 0, 340, 224)
"""Of the astronaut, in her picture."""
_BLUE: Final = (30, 70, 235)


@dataclass(frozen=True, slots=True)
class Case:
    """`still` and `actor` name pictures of the gallery."""

    way: Literal["swap", "fill"]
    still: str
    actor: str


CASES: Final = (
    *(Case("swap", still, actor) for still, actor in (
        ("astronaut", "astronaut close"),
        ("astronaut, lamp", "astronaut close"),
        ("astronaut, varnish", "astronaut close"),
        ("astronaut, night", "astronaut close"),
        ("astronaut, grey", "astronaut close"),
        ("astronaut, tilted", "astronaut close"),
        ("astronaut, dark glasses", "astronaut close"),
        ("astronaut, far", "astronaut close"),
        ("officer", "officer"),
        ("officer, lamp", "officer"),
        ("author", "author, mirrored"),
        ("author, varnish", "author"),
        ("author", "average"),
        ("author", "painting"),
        ("astronaut", "painting"),
        ("astronaut, varnish", "average"),
        ("painting", "average"),
        ("painting", "drawn, blue"),
        ("drawn, blue", "drawn, green"),
        ("drawn, green", "drawn, blue"),
    )),
    *(Case("fill", still, actor) for still, actor in (
        ("astronaut", "astronaut close"),
        ("astronaut", "astronaut, blue wall"),
        ("astronaut, night", "astronaut, blue wall"),
        ("astronaut, lamp", "astronaut close"),
        ("officer", "officer"),
        ("author", "author, mirrored"),
        ("author", "painting"),
        ("painting", "painting, mirrored"),
        ("painting", "drawn, blue"),
        ("drawn, blue", "drawn, green"),
    )),
)  # fmt: skip


class Gallery:
    """Pictures by name, from a folder with the photographs and one with the drawings."""

    def __init__(self, photographs: Path, drawings: Path) -> None:
        self._photographs, self._drawings = photographs, drawings

    def __getitem__(self, name: str) -> Pixels:
        base, _, change = name.partition(", ")
        picture = self._bases[base]()
        return _CHANGES[change](picture) if change in _CHANGES else self._drawn(change)

    @cached_property
    def _bases(self) -> dict[str, Callable[[], Pixels]]:
        return {
            "astronaut": lambda: _read(self._photographs / "astronaut.png"),
            "astronaut close": self._close,
            "officer": lambda: _read(self._photographs / "grace_hopper.jpg"),
            "author": lambda: _read(self._photographs / "luispedro.jpg"),
            "painting": lambda: _read(self._drawings / "joconde.jpg"),
            "average": lambda: _read(self._drawings / "average.png"),
            "drawn": lambda: _read(self._drawings / "bg uni.jpg"),
        }

    def _close(self) -> Pixels:
        """As if photographed another time: mirrored, closer, and lit from one side."""
        head = Image.fromarray(_read(self._photographs / "astronaut.png"))
        large = np.asarray(head.resize((512, 512), Image.Resampling.LANCZOS, box=_HEAD))
        lamp = np.linspace(1.12, 0.72, 512)[None, :, None]
        return np.clip(large[:, ::-1] * lamp, 0, 255).astype(np.uint8)

    def _drawn(self, dress: str) -> Pixels:
        """The heroine of a visual novel before one of its backgrounds."""
        scene = _read(self._drawings / "bg uni.jpg")
        sprite = np.asarray(
            Image.open(self._drawings / f"sylvie {dress} smile.png").convert("RGBA")
        )
        tall, wide = min(sprite.shape[0], scene.shape[0] - 20), sprite.shape[1]
        alpha = sprite[:tall, :, 3:] / 255
        there = scene[20 : 20 + tall, 500 : 500 + wide]
        there[:] = sprite[:tall, :, :3] * alpha + there * (1 - alpha)
        return scene


def _read(file: Path) -> Pixels:
    return np.array(Image.open(file).convert("RGB"))


def _lit(red: float, green: float, blue: float) -> Callable[[Pixels], Pixels]:
    light = np.array((red, green, blue))
    return lambda still: np.clip(still * light, 0, 255).astype(np.uint8)


def _varnished(still: Pixels) -> Pixels:
    """As painted, under old varnish."""
    painted = cv2.bilateralFilter(still, 9, 45, 7)
    return _lit(0.95, 0.8, 0.42)(np.asarray(painted, np.uint8))


def _tilted(still: Pixels) -> Pixels:
    turn = cv2.getRotationMatrix2D((226, 120), 25, 1.0)
    turned = cv2.warpAffine(still, turn, still.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    return np.asarray(turned, np.uint8)


def _in_dark_glasses(still: Pixels) -> Pixels:
    """At the astronaut's eyes."""
    worn = still.copy()
    for x in (205, 245):
        cv2.ellipse(worn, (x, 113), (20, 14), 0, 0, 360, (24, 24, 28), cv2.FILLED, cv2.LINE_AA)
    cv2.line(worn, (205, 109), (245, 109), (24, 24, 28), 4)
    return worn


def _far(still: Pixels) -> Pixels:
    """A face of 40 pixels in a wide still."""
    wide = np.full((720, 1280, 3), (96, 104, 112), np.uint8)
    small = cv2.resize(still, (220, 220), interpolation=cv2.INTER_AREA)
    wide[500:, 800:1020] = small
    return wide


def _before_a_blue_wall(still: Pixels) -> Pixels:
    """The astronaut's own wall is pale and smooth: what hangs together with its corners."""
    smooth = cv2.GaussianBlur(still, (0, 0), 1.5)
    filled = np.zeros((still.shape[0] + 2, still.shape[1] + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | (255 << 8)
    for corner in ((3, 3), (400, 3), (330, 120), (120, 120)):
        cv2.floodFill(smooth, filled, corner, 0, (4,) * 3, (4,) * 3, flags)
    wall = cv2.GaussianBlur(cv2.dilate(filled[1:-1, 1:-1], np.ones((5, 5))), (0, 0), 1.0)
    share = wall[..., None] / 255
    return (still * (1 - share) + np.array(_BLUE) * share).astype(np.uint8)


_CHANGES: Final[dict[str, Callable[[Pixels], Pixels]]] = {
    "": lambda still: still,
    "mirrored": lambda still: np.ascontiguousarray(still[:, ::-1]),
    "lamp": _lit(1.1, 0.9, 0.6),
    "night": _lit(0.35, 0.5, 0.65),
    "grey": lambda still: still.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8),
    "varnish": _varnished,
    "tilted": _tilted,
    "dark glasses": _in_dark_glasses,
    "far": _far,
    "blue wall": _before_a_blue_wall,
}
