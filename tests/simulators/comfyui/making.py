"""What nodes make of what they are given, as far as it shows in a picture."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageOps

Size = tuple[int, int]
MEGAPIXEL = 1024 * 1024
LATENT = 8
"""Pixels on a side of what is one cell of a latent."""
TINT = 0.25
"""How much of a sampled picture is its tint."""
GREY = (128, 128, 128)

METHODS = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
KONTEXT_SIZES = [
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184),
    (944, 1104), (1024, 1024), (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752),
    (1456, 720), (1504, 688), (1568, 672),
]  # fmt: skip
"""The sizes of which FluxKontextImageScale takes the one of the nearest aspect."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a node is given.

    Args:
        inputs: with values in place of links.
        file: where the picture of a name lies.
        tint: depends on the node and all that feeds it.
    """

    inputs: Mapping[str, Any]
    file: Callable[[str], Path]
    tint: Callable[[], tuple[int, int, int]]

    def __getitem__(self, name: str) -> Any:
        return self.inputs[name]


@dataclass(frozen=True, slots=True)
class Latent:
    """Of a picture; of noise alone when there is none."""

    size: Size
    picture: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What is wanted, and the first picture that was shown with it."""

    picture: Image.Image | None


def loaded(given: Given) -> tuple[Image.Image, None]:
    """Raises OSError."""
    with Image.open(given.file(given["image"])) as opened:
        return ImageOps.exif_transpose(opened).convert("RGB"), None


def plain(given: Given) -> tuple[Image.Image]:
    size = (given["width"], given["height"])
    return (Image.new("RGB", size, f"#{given['color']:06x}"),)


def inverted(given: Given) -> tuple[Image.Image]:
    return (ImageOps.invert(given["image"]),)


def blended(given: Given) -> tuple[Image.Image]:
    below: Image.Image = given["image1"]
    above = _resized(given["image2"], below.size, "bicubic", crop=True)
    mixed: Image.Image = {
        "normal": lambda: above,
        "multiply": lambda: ImageChops.multiply(below, above),
        "screen": lambda: ImageChops.screen(below, above),
        "overlay": lambda: ImageChops.overlay(below, above),
        "soft_light": lambda: ImageChops.soft_light(below, above),
        "difference": lambda: ImageChops.difference(below, above),
    }[given["blend_mode"]]()
    return (Image.blend(below, mixed, given["blend_factor"]),)


def measured(given: Given) -> tuple[int, int, int]:
    width, height = given["image"].size
    return width, height, 1


def cropped(given: Given) -> tuple[Image.Image]:
    picture: Image.Image = given["image"]
    left, top = min(given["x"], picture.width - 1), min(given["y"], picture.height - 1)
    right = min(left + given["width"], picture.width)
    bottom = min(top + given["height"], picture.height)
    return (picture.crop((left, top, right, bottom)),)


def scaled(given: Given) -> tuple[Image.Image]:
    """A side of 0 follows from the other."""
    picture: Image.Image = given["image"]
    width, height = given["width"], given["height"]
    if not width and not height:
        return (picture,)
    width = width or max(1, round(picture.width * height / picture.height))
    height = height or max(1, round(picture.height * width / picture.width))
    crop = given["crop"] == "center"
    return (_resized(picture, (width, height), given["upscale_method"], crop=crop),)


def scaled_to_total_pixels(given: Given) -> tuple[Image.Image]:
    """Also enlarges."""
    picture: Image.Image = given["image"]
    steps = given.inputs.get("resolution_steps", 1)
    scale = math.sqrt(given["megapixels"] * MEGAPIXEL / (picture.width * picture.height))
    width, height = (round(side * scale / steps) * steps for side in picture.size)
    return (_resized(picture, (width, height), given["upscale_method"]),)


def scaled_for_kontext(given: Given) -> tuple[Image.Image]:
    picture: Image.Image = given["image"]
    aspect = picture.width / picture.height
    size = min(KONTEXT_SIZES, key=lambda size: abs(aspect - size[0] / size[1]))
    return (_resized(picture, size, "lanczos", crop=True),)


def conditioned(given: Given) -> tuple[Conditioning]:
    shown = (given.inputs.get(name) for name in ("image", "image1"))
    return (Conditioning(next((one for one in shown if one is not None), None)),)


def conditioned_with_latent(given: Given) -> tuple[Conditioning, Conditioning, Latent]:
    """The latent has the first picture's aspect, in sides of whole 32 pixels."""
    side, size = given["resolution"], None
    first = given.inputs.get("images.image_1")
    if first is not None:
        scale = side / math.sqrt(first.width * first.height) if side else 1.0
        width, height = (max(32, round(one * scale / 32) * 32) for one in first.size)
        size = width, height
    shown = Conditioning(first)
    return shown, shown, Latent(size or (side or 1024,) * 2)


def conditioned_alike(given: Given) -> tuple[Conditioning]:
    return (given["conditioning"],)


def encoded(given: Given) -> tuple[Latent]:
    """The middle of the picture, cut to whole cells."""
    picture: Image.Image = given["pixels"]
    width, height = (side // LATENT * LATENT for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return (Latent((width, height), picture.crop((left, top, left + width, top + height))),)


def empty_latent(given: Given) -> tuple[Latent]:
    width, height = (given[side] // LATENT * LATENT for side in ("width", "height"))
    return (Latent((width, height)),)


def sampled(given: Given) -> tuple[Latent]:
    """What the latent shows, or else the picture that the prompt was given, with a tint."""
    latent: Latent = given["latent_image"]
    if _is_undefined(given):
        return (Latent(latent.size, Image.new("RGB", latent.size)),)
    shown = latent.picture or given["positive"].picture or Image.new("RGB", latent.size, GREY)
    shown = _resized(shown, latent.size, "bilinear")
    tinted = Image.blend(shown, Image.new("RGB", latent.size, given.tint()), TINT)
    return (Latent(latent.size, tinted),)


def decoded(given: Given) -> tuple[Image.Image]:
    latent: Latent = given["samples"]
    return (latent.picture or Image.new("RGB", latent.size, GREY),)


def saved(given: Given) -> tuple[Image.Image]:
    if given.inputs.get("format", "png") != "png":
        raise NotImplementedError(f"the simulator writes no {given['format']}")
    return (given["images"],)


def _is_undefined(given: Given) -> bool:
    """Of kl_optimal's one step, the first sigma is 0 / 0, and all of the picture NaN, which is
    saved as black. With less denoise the schedule is that of more steps, of which the last are
    taken."""
    denoise = given["denoise"]
    return given["scheduler"] == "kl_optimal" and denoise > 0 and int(given["steps"] / denoise) == 1


def _resized(picture: Image.Image, size: Size, method: str, *, crop: bool = False) -> Image.Image:
    """Raises KeyError for a method that there is not."""
    box = (0, 0, *picture.size)
    if crop:
        aspect, wanted = picture.width / picture.height, size[0] / size[1]
        left = max(0, round(picture.width * (1 - wanted / aspect) / 2))
        top = max(0, round(picture.height * (1 - aspect / wanted) / 2))
        box = (left, top, picture.width - left, picture.height - top)
    if size == picture.size and box == (0, 0, *size):
        return picture
    return picture.resize(size, METHODS[method], box=box, reducing_gap=2.0)
