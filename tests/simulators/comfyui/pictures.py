"""The pictures that runs save and preview. Everything here takes time: call it in a thread."""

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from tests.simulators.comfyui.folders import Folders
from tests.simulators.comfyui.graph import Graph, cache_keys, source_of

MEGAPIXEL = 1024 * 1024
PREVIEW_SIDE = 512
TINT = 0.25
"""How much of a picture is its tint."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Files by the node that saves them; one JPEG for all previews."""

    files: dict[str, Path]
    preview: bytes


def identify(path: Path) -> None:
    """Raises OSError, which PIL.UnidentifiedImageError is, when it is no image."""
    with Image.open(path):
        pass


def render(graph: Graph, outputs: list[str], folders: Folders) -> Rendered:
    """What the graph would save: the pixels of the picture that it edits, with a tint that
    depends on prompt, seed, all pictures and whatever else counts. Raises OSError."""
    files, preview = {}, io.BytesIO()
    for saver in outputs:
        color = _tint(graph, saver, folders)
        source = _source(source_of(graph, saver), folders)
        picture = Image.blend(source, Image.new("RGB", source.size, color), TINT)
        files[saver] = _write(picture, graph, folders)
        if not preview.tell():
            picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
            picture.save(preview, "JPEG")
    return Rendered(files, preview.getvalue())


def blacken(file: Path, graph: Graph, folders: Folders) -> Path:
    with Image.open(file) as picture:
        return _write(Image.new("RGB", picture.size), graph, folders)


def _source(node: dict[str, Any], folders: Folders) -> Image.Image:
    inputs = node["inputs"]
    if node["class_type"] != "LoadImage":
        size = (inputs.get("width", 64), inputs.get("height", 64))
        return Image.new("RGB", size, f"#{inputs.get('color', 0):06x}")
    with Image.open(folders.annotated(inputs["image"])) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    width, height = picture.size
    if width * height <= MEGAPIXEL:
        return picture
    scale = math.sqrt(MEGAPIXEL / (width * height))
    size = (max(1, math.floor(width * scale)), max(1, math.floor(height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _tint(graph: Graph, saver: str, folders: Folders) -> tuple[int, int, int]:
    source = graph[saver]["inputs"]["images"][0]
    keys = cache_keys(_nameless(graph, folders), [source], lambda digest: digest)
    red, green, blue = bytes.fromhex(keys[source])[:3]
    return red, green, blue


def _nameless(graph: Graph, folders: Folders) -> Graph:
    """With what pictures are in place of what they are called, which changes no pixel."""
    return {
        name: {
            **node,
            "inputs": {"image": folders.digest(folders.annotated(node["inputs"]["image"]))},
        }
        if node["class_type"] == "LoadImage"
        else node
        for name, node in graph.items()
    }


def _write(picture: Image.Image, graph: Graph, folders: Folders) -> Path:
    """A PNG with the graph, and so the prompt, in a text chunk, as SaveImage writes it."""
    told = PngInfo()
    told.add_text("prompt", json.dumps(graph))
    file = folders.root / "rendered" / f"{uuid4().hex}.png"
    picture.save(file, "PNG", pnginfo=told, compress_level=1)
    return file
