"""How models are told of a camera move. Each learnt its own words, which go with its file.

*relative*: commands in Chinese, each followed here by its English gloss, which move the camera from
where it is: dx8152/Qwen-Edit-2509-Multiple-angles, whose published prompts have this form and no
trigger word. A model without such a LoRA reads the same commands as sentences.

*poses*: where the camera then stands, in one of 96 forms: fal's LoRA of multiple angles for
Qwen-Image-Edit-2511, whose card lists, after its trigger word <sks>, 8 azimuths (steps of 45
degrees, the picture's right first), 4 elevations (-30, 0, 30 and 60 degrees) and 3 distances. The
still counts as the front view at eye level.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from short_drama.comfyui_api.prompts.camera import AXES, CameraMove, read, require_a_move
from short_drama.domain.errors import InvalidRequest, PromptUnsupported

Poses = Mapping[str, Mapping[int, str]]
"""The steps of each axis, with what the model is told."""


class CameraWords(StrEnum):
    RELATIVE = "relative"
    POSES = "poses"


_RELATIVE: Final[Poses] = {
    "horizontal": {
        -2: "将镜头向左旋转90度 Rotate the camera 90 degrees to the left.",
        -1: "将镜头向左旋转45度 Rotate the camera 45 degrees to the left.",
        0: "",
        1: "将镜头向右旋转45度 Rotate the camera 45 degrees to the right.",
        2: "将镜头向右旋转90度 Rotate the camera 90 degrees to the right.",
    },
    "vertical": {
        -2: "将镜头转为仰视 Turn the camera to an extreme low angle, a worm's-eye view.",
        -1: "将镜头向下移动 Move the camera slightly lower.",
        0: "",
        1: "将镜头向上移动 Move the camera slightly higher.",
        2: "将镜头转为俯视 Turn the camera to a top-down view.",
    },
    "zoom": {
        -1: "将镜头转为广角镜头 Turn the camera to a wide-angle lens.",
        0: "",
        1: "将镜头向前移动 Move the camera forward.",
    },
}

_TRIGGER: Final = "<sks>"
_POSES: Final[Poses] = {
    "horizontal": {
        -4: "back view",
        -3: "back-left quarter view",
        -2: "left side view",
        -1: "front-left quarter view",
        0: "front view",
        1: "front-right quarter view",
        2: "right side view",
        3: "back-right quarter view",
        4: "back view",
    },
    "vertical": {
        -2: "low-angle shot",
        -1: "low-angle shot",
        0: "eye-level shot",
        1: "elevated shot",
        2: "high-angle shot",
    },
    "zoom": {-1: "wide shot", 0: "medium shot", 1: "close-up"},
}

POSES: Final[Mapping[CameraWords, Poses]] = {
    CameraWords.RELATIVE: _RELATIVE,
    CameraWords.POSES: _POSES,
}
"""What a model can be told; a step that is not there is beyond it."""

_FILES: Final = (
    (CameraWords.POSES, re.compile(r"2511.*angle|angle.*2511|(?<![a-z])sks(?![a-z])")),
    (CameraWords.RELATIVE, re.compile(r"镜头转换|2509.*angle|angle.*2509")),
)


def words_of_file(name: str) -> CameraWords | None:
    """The words of a published LoRA, by its file's name; None for one that is not known."""
    found = (words for words, pattern in _FILES if pattern.search(name.casefold()))
    return next(found, None)


def poses(words: CameraWords) -> dict[str, object]:
    """What a model can be told, for clients that draw a pad: for each axis its steps, in order,
    with the words; none for staying where it is."""
    axes = {axis: {str(step): told for step, told in POSES[words][axis].items()} for axis in AXES}
    return {"words": str(words), **axes}


def command(move: CameraMove, words: CameraWords) -> str:
    """What the model is told of `move`.

    Raises InvalidRequest if nothing moves, or further than the model can.
    """
    require_a_move(move)
    told = [_told(axis, getattr(move, axis), words) for axis in AXES]
    if words is CameraWords.POSES:
        told.insert(0, _TRIGGER)
    return " ".join(filter(None, told))


def prompt_for(prompt: str | None, move: CameraMove, words: CameraWords) -> str:
    """The model's prompt: the pad's command, then the artist's own words.

    A model of poses knows no other words for where the camera is: a prompt that says nothing but a
    move is a pose to it.

    Raises InvalidRequest if there are neither, or as `command` does.
    """
    own = (prompt or "").strip()
    if not (own and move.is_still):
        return f"{command(move, words)} {own}".strip()
    if words is CameraWords.POSES:
        try:
            return command(read(own), words)
        except PromptUnsupported:
            pass
    return own


def _told(axis: str, step: int, words: CameraWords) -> str:
    steps = POSES[words][axis]
    if step not in steps:
        raise InvalidRequest(
            f"{axis} is {step}; this model goes from {min(steps)} to {max(steps)}",
            field=axis,
            fix="Move the camera less; models that are told poses go further (docs/workflows.md).",
        )
    return steps[step]
