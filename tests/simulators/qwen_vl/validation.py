"""A request, judged as strictly as the reference allows, and the tokens it costs."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor, sqrt
from typing import Any, Final

from PIL import Image, UnidentifiedImageError

from tests.simulators.qwen_vl.refusals import REFUSALS, Refused, invalid

MODELS: Final = frozenset(
    {
        "qwen3-vl-plus",
        "qwen3-vl-plus-2025-09-23",
        "qwen3-vl-plus-2025-12-19",
        "qwen3-vl-flash",
        "qwen3-vl-flash-2025-10-15",
        "qwen3-vl-flash-2026-01-22",
        "qwen2.5-vl-72b-instruct",
        "a-model-of-our-own",
    }
)
COUNT_PIXELS: Final = frozenset({"qwen2.5-vl-72b-instruct"})
"""Models whose boxes are in pixels of the picture as they see it."""
MAX_DATA_URL: Final = 10_485_760
FORMATS: Final = ("jpeg", "png", "webp", "bmp", "tiff", "heic")
FACTOR, OLD_FACTOR = 32, 28
"""Sides of what a model sees are multiples; the other one is of those that count pixels."""
LEAST_PIXELS, DEFAULT_PIXELS, MOST_PIXELS = 4 * 1024, 2_621_440, 16_777_216
_PARAMETERS: Final = {
    "model", "messages", "response_format", "enable_thinking", "vl_high_resolution_images",
    "temperature", "seed", "max_tokens", "stream",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """A request that is valid."""

    model: str
    text: str
    seen: tuple[int, int]
    text_tokens: int
    max_tokens: int

    @property
    def pixels(self) -> bool:
        return self.model in COUNT_PIXELS

    @property
    def image_tokens(self) -> int:
        """One for a square of its factor, and two more."""
        return self.seen[0] * self.seen[1] // _factor(self.model) ** 2 + 2


def read_question(body: object) -> Question:
    """Raises Refused. Belongs in a thread."""
    if not isinstance(body, dict):
        raise invalid("the body is not a JSON object")
    if body.get("model") not in MODELS:
        raise Refused(REFUSALS["model_not_found"])
    _check_parameters(body)
    parts = _parts(body)
    text = " ".join(part["text"] for part in parts if part.get("type") == "text")
    if body.get("response_format") == {"type": "json_object"} and "json" not in text.lower():
        raise invalid("'messages' must contain the word 'json' in some form")
    images = [part for part in parts if part.get("type") == "image_url"]
    if len(images) != 1:
        raise invalid("the simulator looks at one picture")
    return Question(
        model=body["model"],
        text=text,
        seen=_seen(
            images[0],
            factor=_factor(body["model"]),
            fine=body.get("vl_high_resolution_images", False),
        ),
        text_tokens=ceil(len(text) / 4),
        max_tokens=body.get("max_tokens", 32_768),
    )


def scaled(width: int, height: int, least: int, most: int, factor: int) -> tuple[int, int]:
    """A picture as the model sees it."""
    sides = [round(side / factor) * factor for side in (width, height)]
    if sides[0] * sides[1] > most:
        shrink = sqrt(width * height / most)
        sides = [max(factor, floor(side / shrink / factor) * factor) for side in (width, height)]
    elif sides[0] * sides[1] < least:
        stretch = sqrt(least / (width * height))
        sides = [ceil(side * stretch / factor) * factor for side in (width, height)]
    return sides[0], sides[1]


def _factor(model: str) -> int:
    return OLD_FACTOR if model in COUNT_PIXELS else FACTOR


def _check_parameters(body: Mapping[str, Any]) -> None:
    if unknown := set(body) - _PARAMETERS:
        raise invalid(f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
    if body.get("enable_thinking") and body.get("response_format"):
        raise invalid("Json mode response is not supported when enable_thinking is true")
    if body.get("enable_thinking"):
        raise invalid("parameter.enable_thinking must be set to false for non-streaming calls")
    if body.get("stream"):
        raise invalid("the simulator does not stream")
    _check_number(body, "temperature", 0, 1.999_999)
    _check_number(body, "seed", 0, 2**31 - 1, whole=True)
    _check_number(body, "max_tokens", 1, 32_768, whole=True)


def _check_number(
    body: Mapping[str, Any], name: str, least: float, most: float, *, whole: bool = False
) -> None:
    value = body.get(name, least)
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        raise invalid(f"Range of {name} should be [{least}, {most}]")


def _parts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of all messages."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("[] is too short - 'messages'")
    parts: list[dict[str, Any]] = []
    for message in messages:
        if message.get("role") not in ("system", "user", "assistant"):
            raise invalid(f"{message.get('role')} is not one of system, assistant, user")
        content = message.get("content")
        if not content:
            raise invalid("a message has no content")
        parts += content if isinstance(content, list) else [{"type": "text", "text": content}]
    if messages[-1]["role"] != "user":
        raise invalid("the last message must be the user's")
    return parts


def _seen(part: Mapping[str, Any], *, factor: int, fine: bool) -> tuple[int, int]:
    if unknown := set(part) - {"type", "image_url", "min_pixels", "max_pixels"}:
        raise invalid(f"unknown in an image's part: {', '.join(sorted(unknown))}")
    width, height = _size(part["image_url"].get("url"))
    if min(width, height) <= 10 or max(width, height) > 200 * min(width, height):
        raise Refused(REFUSALS["bad-sides"])
    _check_number(part, "min_pixels", LEAST_PIXELS, MOST_PIXELS, whole=True)
    _check_number(part, "max_pixels", LEAST_PIXELS, MOST_PIXELS, whole=True)
    least = part.get("min_pixels", LEAST_PIXELS)
    most = MOST_PIXELS if fine else part.get("max_pixels", DEFAULT_PIXELS)
    if least > most:
        raise invalid("min_pixels is larger than max_pixels")
    return scaled(width, height, least, most, factor)


def _size(url: object) -> tuple[int, int]:
    if not isinstance(url, str):
        raise invalid("url error: it is not a string")
    if url.startswith(("http://", "https://")):
        raise Refused(REFUSALS["download-failed"])
    if len(url) >= MAX_DATA_URL:
        raise Refused(REFUSALS["data-url-too-large"])
    found = re.fullmatch(r"data:image/([a-z]+);base64,(.+)", url)
    if found is None or found[1] not in FORMATS:
        raise invalid("The provided URL does not appear to be valid.")
    try:
        image = Image.open(BytesIO(base64.b64decode(found[2], validate=True)))
        image.load()
    except (binascii.Error, UnidentifiedImageError, OSError) as error:
        raise invalid("The image format is illegal and cannot be opened.") from error
    if (image.format or "").lower() != found[1]:
        raise invalid("The image format is illegal and cannot be opened.")
    return image.size
