"""A request, judged as strictly as the reference allows.

The tables are written down here a second time on purpose: a mistake in the client's must not be
made here as well.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from PIL import Image, UnidentifiedImageError

from tests.simulators.seedream.refusals import REFUSALS, Refused, invalid, missing

MEBI = 2**20
FORMATS: Final = ("jpeg", "png", "webp", "bmp", "tiff", "gif", "heic", "heif")
TIERS: Final = {"1K": 1024, "1.5K": 1536, "2K": 2048, "3K": 3072, "4K": 4096}


@dataclass(frozen=True, slots=True)
class Rules:
    tiers: str
    pixels: tuple[int, int]
    pictures: int
    parameters: frozenset[str]
    """Beside those that every model takes."""


_EVERY: Final = {"model", "prompt", "image", "size", "response_format", "watermark"}
_OLDER: Final = frozenset(
    {"sequential_image_generation", "sequential_image_generation_options", "stream"}
)
_TUNED: Final = frozenset({"optimize_prompt_options"})
_FORMAT: Final = frozenset({"output_format"})
_LAYERS: Final = frozenset({"background", "layer_decomposition"})

_FOUR: Final = Rules("1K 2K 4K", (1280 * 720, 4096 * 4096), 14, _OLDER | _TUNED)
_FOUR_FIVE: Final = Rules("2K 4K", (2560 * 1440, 4096 * 4096), 14, _OLDER | _TUNED)
_LITE: Final = Rules(
    "2K 3K 4K", (2560 * 1440, 4096 * 4096), 14, _OLDER | _TUNED | _FORMAT | {"tools"}
)
_PRO: Final = Rules("1K 1.5K 2K", (1280 * 720, 4_624_220), 10, _FORMAT | _LAYERS | _TUNED)

MODELS: Final = {
    "doubao-seedream-4-0-250828": _FOUR,
    "seedream-4-0-250828": _FOUR,
    "doubao-seedream-4-5-251128": _FOUR_FIVE,
    "seedream-4-5-251128": _FOUR_FIVE,
    "doubao-seedream-5-0-260128": _LITE,
    "doubao-seedream-5-0-lite-260128": _LITE,
    "seedream-5-0-260128": _LITE,
    "doubao-seedream-5-0-pro-260628": _PRO,
    "dola-seedream-5-0-pro-260628": _PRO,
    "doubao-seedream-5-0-flash-260915": _PRO,
    "dola-seedream-5-0-flash-260915": _PRO,
    "doubao-seedream-5-5-261028": _PRO,
    "seedream-5-5-261028": _PRO,
    "dola-seedream-5-5-261028": _PRO,
}
ENDPOINTS: Final = {"ep-20261101120000-simul": "doubao-seedream-5-0-pro-260628"}


@dataclass(frozen=True, slots=True)
class Order:
    """A request that is valid."""

    model: str
    size: tuple[int, int]
    pictures: list[Image.Image]
    as_base64: bool
    file_format: str
    counts_pictures_in: bool


def read_order(body: object) -> Order:
    """Raises Refused. Decodes no picture; belongs in a thread all the same."""
    if not isinstance(body, dict):
        raise invalid("body", "it is not a JSON object")
    model, rules = _model(body)
    _check_parameters(body, rules)
    pictures = _pictures(body, rules)
    return Order(
        model=model,
        size=_size(body, rules, pictures[0].size),
        pictures=pictures,
        as_base64=_one_of(body, "response_format", ("url", "b64_json")) == "b64_json",
        file_format=_one_of(body, "output_format", ("jpeg", "png")),
        counts_pictures_in=rules is _PRO,
    )


def _model(body: Mapping[str, Any]) -> tuple[str, Rules]:
    asked = body.get("model")
    if not isinstance(asked, str) or not asked:
        raise missing("model")
    model = ENDPOINTS.get(asked, asked)
    if model not in MODELS:
        raise Refused(REFUSALS["InvalidEndpointOrModel.NotFound"])
    return model, MODELS[model]


def _check_parameters(body: Mapping[str, Any], rules: Rules) -> None:
    for name in body:
        if name not in _EVERY | rules.parameters:
            raise invalid(name, "the model does not support it")
    if body.get("stream") or body.get("sequential_image_generation", "disabled") != "disabled":
        raise invalid("stream", "the simulator makes one picture and does not stream")
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise missing("prompt")
    if not isinstance(body.get("watermark", True), bool):
        raise invalid("watermark", "it is not a boolean")


def _one_of(body: Mapping[str, Any], name: str, values: tuple[str, ...]) -> str:
    value = body.get(name, values[0])
    if value not in values:
        raise invalid(name, f"it is not one of {', '.join(values)}")
    return str(value)


def _pictures(body: Mapping[str, Any], rules: Rules) -> list[Image.Image]:
    given = body.get("image")
    urls = [given] if isinstance(given, str) else given
    if not isinstance(urls, list) or not urls:
        raise missing("image")  # text to picture is not simulated
    if len(urls) > rules.pictures:
        raise invalid("image", f"at most {rules.pictures} images are supported")
    return [_picture(url) for url in urls]


def _picture(url: object) -> Image.Image:
    found = re.fullmatch(r"data:image/([^;]*);base64,([^,]+)", url if isinstance(url, str) else "")
    if found is None and isinstance(url, str) and url.startswith(("http://", "https://")):
        raise invalid("image", f"Timeout while downloading url={url}")
    if found is None or found[1] not in FORMATS:  # upper case is refused too
        raise Refused(REFUSALS["InvalidImageURL.InvalidFormat"])
    try:
        data = base64.b64decode(found[2], validate=True)
        image = Image.open(BytesIO(data))
    except (binascii.Error, UnidentifiedImageError) as error:
        raise Refused(REFUSALS["InvalidImageURL.InvalidFormat"]) from error
    if (image.format or "").lower() != found[1]:
        raise Refused(REFUSALS["InvalidImageURL.InvalidFormat"])
    width, height = image.size
    if len(data) > 10 * MEBI:
        raise invalid("image", "the image is larger than 10 MB")
    if min(width, height) <= 14 or width * height > 36_000_000 or not _aspect_fits(width, height):
        raise invalid("image", f"{width}x{height} is out of range")
    return image


def _size(body: Mapping[str, Any], rules: Rules, source: tuple[int, int]) -> tuple[int, int]:
    size = body.get("size", "2048x2048")
    if size in rules.tiers.split():
        stretch = (source[0] / source[1]) ** 0.5
        return round(TIERS[size] * stretch), round(TIERS[size] / stretch)
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size if isinstance(size, str) else "")
    if sides is None:
        raise invalid("size", "it is neither a tier of the model nor WIDTHxHEIGHT")
    width, height = int(sides[1]), int(sides[2])
    least, most = rules.pixels
    if not least <= width * height <= most:
        raise invalid("size", f"image size must be from {least} to {most} pixels")
    if not _aspect_fits(width, height):
        raise invalid("size", "the aspect ratio must be from 1/16 to 16")
    return width, height


def _aspect_fits(width: int, height: int) -> bool:
    return max(width, height) <= 16 * min(width, height)
