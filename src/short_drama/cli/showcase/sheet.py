"""The contact sheet: every kind's picture before and after, on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from short_drama.cli.showcase.scenes import Scene
from short_drama.images.codec import Pixels, encode
from short_drama.images.labels import Label, SourceType

_SIDE: Final = 336
_GAP, _MARGIN = 28, 52
_HEADER, _CAPTION, _FOOTER = 150, 92, 136
_BEFORE_TOP: Final = _HEADER + _CAPTION
_AFTER_TOP: Final = _BEFORE_TOP + _SIDE + _GAP
_INSET: Final = 116

_PAPER, _PANEL = (20, 22, 26), (40, 43, 50)
_INK, _SOFT, _ACCENT, _ALARM = (240, 237, 230), (164, 164, 160), (240, 178, 78), (236, 104, 92)


def draw(scenes: Sequence[Scene]) -> bytes:
    """A PNG. It shows faces that a machine swapped, so it is labelled as they are."""
    width = 2 * _MARGIN + len(scenes) * (_SIDE + _GAP) - _GAP
    canvas = Image.new("RGB", (width, _AFTER_TOP + _SIDE + _FOOTER), _PAPER)
    sheet = _Sheet(canvas, ImageDraw.Draw(canvas))
    sheet.heading()
    for column, scene in enumerate(scenes):
        sheet.column(scene, _MARGIN + column * (_SIDE + _GAP))
    engines = sorted({scene.task.engine for scene in scenes if scene.task.engine})
    label = Label.of_job(
        SourceType.COMPOSITE_CAPTURE, engine=" ".join(engines), kind="demo", job_id="contact-sheet"
    )
    return encode(np.asarray(canvas), "image/png", label=label)


@dataclass(frozen=True, slots=True)
class _Sheet:
    canvas: Image.Image
    pen: ImageDraw.ImageDraw

    def heading(self) -> None:
        self.text((_MARGIN, 42), "short-drama", 44, _INK)
        self.text(
            (_MARGIN, 100),
            "One task of each kind on one photograph (NASA, public domain). Above: what went in. "
            "Below: what came out, made by a machine.",
            20,
            _SOFT,
        )

    def column(self, scene: Scene, left: int) -> None:
        self.text((left, _HEADER), scene.kind, 28, _ACCENT)
        self.text((left, _HEADER + 42), scene.asked, 18, _SOFT)
        self.picture(scene.before, (left, _BEFORE_TOP), _SIDE)
        if scene.face is not None:
            corner = (left + _SIDE - _INSET - 10, _BEFORE_TOP + _SIDE - _INSET - 10)
            self.framed(scene.face, corner, _INSET)
        if scene.after is None:
            self.empty((left, _AFTER_TOP), scene.complaints[0])
        else:
            self.picture(scene.after, (left, _AFTER_TOP), _SIDE)
        self.arrow(left + _SIDE // 2)
        self.footer(scene, left)

    def footer(self, scene: Scene, left: int) -> None:
        top, timings = _AFTER_TOP + _SIDE + 18, scene.task.timings
        preview = ", a preview" if (scene.task.provenance or {}).get("preview") else ""
        self.text((left, top), (scene.task.engine or scene.task.status) + preview, 20, _INK)
        if timings.engine_seconds is not None and timings.total_seconds is not None:
            seconds = f"{timings.engine_seconds:.2f} s in the engine, {timings.total_seconds:.2f} s"
            self.text((left, top + 30), f"{seconds} in all", 18, _SOFT)
        verdict = scene.complaints[0] if scene.complaints else "checked"
        self.text((left, top + 58), verdict, 18, _ALARM if scene.complaints else _SOFT)

    def picture(self, pixels: Pixels, corner: tuple[int, int], side: int) -> None:
        """The whole picture, centred in a square of `side`."""
        self.pen.rectangle((*corner, corner[0] + side - 1, corner[1] + side - 1), _PANEL)
        image = Image.fromarray(pixels)
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        spare = (side - image.width) // 2, (side - image.height) // 2
        self.canvas.paste(image, (corner[0] + spare[0], corner[1] + spare[1]))

    def framed(self, pixels: Pixels, corner: tuple[int, int], side: int) -> None:
        x, y = corner
        self.pen.rectangle((x - 4, y - 4, x + side + 3, y + side + 3), _INK)
        self.picture(pixels, corner, side)

    def empty(self, corner: tuple[int, int], reason: str) -> None:
        x, y = corner
        self.pen.rectangle((x, y, x + _SIDE - 1, y + _SIDE - 1), _PANEL)
        self.text((x + 20, y + _SIDE // 2 - 12), reason, 18, _ALARM, room=_SIDE - 40)

    def arrow(self, middle: int) -> None:
        top = _BEFORE_TOP + _SIDE + 7
        self.pen.polygon([(middle - 12, top), (middle + 12, top), (middle, top + 14)], _ACCENT)

    def text(
        self,
        corner: tuple[int, int],
        words: str,
        size: int,
        colour: tuple[int, int, int],
        *,
        room: int | None = None,
    ) -> None:
        """One line, cut where its room ends."""
        font = ImageFont.load_default(size)
        if room is None and size <= 20 and corner[1] >= _HEADER:
            room = _SIDE
        while room is not None and font.getlength(words) > room:
            words = f"{words.rstrip('…')[:-1]}…"
        self.pen.text(corner, words, font=font, fill=colour)
