"""The image-edit preview: keyword operations, applied in one fixed order.

Order: what needs the untouched photograph first (background blur), then looks, light and colour
(so that "black and white, warmer" tints the print), finish, and last the turning of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from short_drama.comfyui_api.local_preview import operations as op
from short_drama.comfyui_api.local_preview.previewed import Previewed
from short_drama.comfyui_api.prompts import edit as edit_prompt
from short_drama.comfyui_api.prompts.phrasebook import quoted
from short_drama.domain.errors import PromptUnsupported, RequestUnsupported
from short_drama.images.colour import Pixels
from short_drama.images.subject import FindSubject


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation as people call it; `blur_background` alone has no `apply` of its own."""

    label: str
    apply: op.Operation | None = None


CATALOGUE: Final = {
    "blur_background": Entry("blur the background (背景虚化)"),
    "black_and_white": Entry("black and white (黑白)", op.black_and_white),
    "sepia": Entry("sepia, vintage (复古)", op.sepia),
    "line_art": Entry("line art (线稿)", op.line_art),
    "pencil_sketch": Entry("pencil sketch (素描)", op.pencil_sketch),
    "cartoon": Entry("cartoon (卡通)", op.cartoon),
    "negative": Entry("invert colours (反色)", op.invert),
    "sharper": Entry("sharpen (锐化)", op.sharpen),
    "brighter": Entry("brighter (变亮)", op.brighter),
    "darker": Entry("darker (变暗)", op.darker),
    "contrast": Entry("more contrast (增加对比度)", op.more_contrast),
    "saturated": Entry("saturated, vivid (鲜艳)", op.saturate),
    "muted": Entry("muted colours (降低饱和度)", op.mute),
    "warmer": Entry("warmer (暖色)", op.warmer),
    "cooler": Entry("cooler (冷色)", op.cooler),
    "night": Entry("night (夜景)", op.night),
    "vignette": Entry("vignette (暗角)", op.vignette),
    "mirrored": Entry("mirror (镜像)", op.mirror),
    "rotated_left": Entry("rotate left (逆时针旋转)", op.rotate_left),
    "rotated_right": Entry("rotate right (顺时针旋转)", op.rotate_right),
    "upside_down": Entry("upside down (上下颠倒)", op.upside_down),
}
"""In the order of application. The names go into the task's record."""

_ONE_OF: Final = (
    {"brighter", "darker"},
    {"brighter", "night"},
    {"saturated", "muted"},
    {"warmer", "cooler"},
    {"line_art", "pencil_sketch", "cartoon", "sepia"},
    {"rotated_left", "rotated_right", "upside_down"},
)
"""Operations that undo or cover each other."""

SUPPORTED: Final = ", ".join(entry.label for entry in CATALOGUE.values())

_NOTE: Final = (
    "Local preview: fixed keyword operations on the pixels of the picture, not a generated edit."
)


def chosen(prompt: str) -> tuple[str, ...]:
    """The operations that `prompt` asks for, in the order of application.

    Raises PromptUnsupported if it asks for anything else, for none, or for two that exclude each
    other.
    """
    wanted = edit_prompt.read(prompt, SUPPORTED)
    for group in _ONE_OF:
        if len(both := [name for name in CATALOGUE if name in wanted & group]) > 1:
            raise PromptUnsupported(
                f"{quoted(prompt)} asks for {' and '.join(both)}, which exclude each other",
                field="prompt",
                fix=f"Ask for one of {', '.join(both)}.",
            )
    return tuple(name for name in CATALOGUE if name in wanted)


def edit(
    image: Pixels, prompt: str, find: FindSubject, extra_images: Sequence[Pixels] = ()
) -> Previewed:
    """`image` with the prompt's operations applied; `find` is asked only for a background blur.

    Raises PromptUnsupported as `chosen` does, or if nothing changes; RequestUnsupported for extra
    images, or for a background blur without a person.
    """
    if extra_images:
        raise RequestUnsupported(
            "the preview edits one picture and cannot draw from others",
            field="image2_url",
            fix="Leave out image2_url and image3_url, or set up ComfyUI.",
        )
    names = chosen(prompt)
    result, without_effect = image, []
    for name in names:
        before, result = result, _apply(name, result, find)
        if np.array_equal(before, result):
            without_effect.append(name)
    if len(without_effect) == len(names):
        raise PromptUnsupported(
            f"the picture is already as {quoted(prompt)} asks: nothing would change", field="prompt"
        )
    applied = tuple(name for name in names if name not in without_effect)
    return Previewed(result, applied, _note(without_effect))


def _apply(name: str, image: Pixels, find: FindSubject) -> Pixels:
    apply = CATALOGUE[name].apply
    return apply(image) if apply else _blur_background(image, find)


def _blur_background(image: Pixels, find: FindSubject) -> Pixels:
    matte = find(image)
    if matte is None:
        raise RequestUnsupported(
            "the preview blurs the background behind people, and finds nobody in this picture",
            field="image_url",
            fix="Use a picture in which a person stands out, or set up ComfyUI.",
        )
    return op.blur_background(image, matte)


def _note(without_effect: list[str]) -> str:
    if not without_effect:
        return _NOTE
    return f"{_NOTE} Without effect on this picture: {', '.join(without_effect)}."
