"""Where a free prompt asks for the opposite of the camera pad: the model is told of both."""

import re
from collections.abc import Iterator
from typing import Final

from short_drama.comfyui_api.prompts.camera import AXES, CameraMove, read_phrases, steps_of
from short_drama.comfyui_api.prompts.phrasebook import Phrase

_OF_THE_CAMERA: Final = re.compile(
    r"(?<!at )(?<!at the )(?<!facing )(?<!facing the )\b(?:camera|lens)\b|\b(?:orbit|zoom|dolly)"
    r"|-eye\b|\b(?:wide|low|high)(?: shot|[- ]angle)\b|\bclose[- ]?ups?\b"
    r"|\bviews? from\b|\b(?:side|quarter) view\b"
    r"|(?<![看向对着])镜头|相机|摄像机|机位|视角"
)
"""Words of the moves themselves; whoever looks at the camera does not move it."""
_DIRECTIONS: Final = {
    "horizontal": ("to the left", "to the right"),
    "vertical": ("lower", "higher"),
    "zoom": ("away", "closer"),
}


def contradictions(prompt: str | None, move: CameraMove) -> list[str]:
    """A sentence for each axis on which `prompt`, in English or Chinese, goes against the pad."""
    phrases = [
        phrase
        for phrase in read_phrases(prompt or "")
        # "a lamp on her right" is no camera move, whatever the next phrase is about.
        if not phrase.unread or _OF_THE_CAMERA.search(phrase.text)
    ]
    asked = {step for phrase in phrases for step in _directions(phrase)}
    return [
        f"The pad moves the camera {_named(axis, pad)}, and the prompt {_named(axis, -pad)}: "
        "the model was given both."
        for axis in AXES
        if (pad := _sign(getattr(move, axis)))
        and (axis, -pad) in asked
        and (axis, pad) not in asked
    ]


def _directions(phrase: Phrase) -> Iterator[tuple[str, int]]:
    """ "Not to the left" goes to the right."""
    for axis, step in steps_of(phrase):
        yield axis, -_sign(step) if phrase.negated else _sign(step)


def _sign(step: int) -> int:
    return (step > 0) - (step < 0)


def _named(axis: str, sign: int) -> str:
    return _DIRECTIONS[axis][sign > 0]
