"""The pictures that runs save and preview. Everything here takes time: call it in a thread."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.simulators.comfyui.folders import Folders
from tests.simulators.comfyui.graph import Graph, cache_keys
from tests.simulators.comfyui.making import Given
from tests.simulators.comfyui.node_classes import TABLE

PREVIEW_SIDE = 512


@dataclass(frozen=True, slots=True)
class Rendered:
    """Files by the node that saves them; one JPEG for all previews."""

    files: dict[str, Path]
    preview: bytes


class NodeFailed(Exception):
    """What a node raised, which is the cause of this."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


def identify(path: Path) -> None:
    """Raises OSError, which PIL.UnidentifiedImageError is, when it is no image."""
    with Image.open(path):
        pass


def render(graph: Graph, outputs: list[str], folders: Folders) -> Rendered:
    """What the graph saves: pictures are made as its nodes say, and sampled ones are those they
    are made of, with a tint that depends on prompt, seed and whatever else counts.

    Raises NodeFailed.
    """
    values = _Values(graph, folders)
    files, preview = {}, io.BytesIO()
    for saver in outputs:
        picture: Image.Image = values.of([saver, 0])
        files[saver] = _write(picture, graph, folders)
        if not preview.tell():
            small = picture.copy()
            small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
            small.save(preview, "JPEG")
    return Rendered(files, preview.getvalue())


def blacken(file: Path, graph: Graph, folders: Folders) -> Path:
    with Image.open(file) as picture:
        return _write(Image.new("RGB", picture.size), graph, folders)


class _Values:
    """What comes out of each node, made when it is asked for."""

    def __init__(self, graph: Graph, folders: Folders) -> None:
        self._graph, self._folders = graph, folders
        self._made: dict[str, tuple[Any, ...]] = {}

    def of(self, value: Any) -> Any:
        """The value that is meant by an input, which may be a link."""
        if not isinstance(value, list):
            return value
        node, slot = value
        if node not in self._made:
            self._made[node] = self._make(node)
        return self._made[node][slot]

    def _make(self, node: str) -> tuple[Any, ...]:
        node_class = TABLE[self._graph[node]["class_type"]]
        inputs = {name: self.of(value) for name, value in self._graph[node]["inputs"].items()}
        if node_class.makes is None:
            return (None,) * len(node_class.outputs)
        try:
            return node_class.makes(
                Given(inputs, self._folders.annotated, lambda: self._tint(node))
            )
        except Exception as error:
            raise NodeFailed(node) from error

    def _tint(self, node: str) -> tuple[int, int, int]:
        graph = _nameless(self._graph, self._folders)
        red, green, blue = bytes.fromhex(cache_keys(graph, [node], lambda digest: digest)[node])[:3]
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
