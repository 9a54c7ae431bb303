"""What a graph in API format says: links, order of execution, cache keys, model files."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

from tests.simulators.comfyui.node_classes import TABLE

Graph = dict[str, dict[str, Any]]


def links(node: dict[str, Any]) -> Iterator[str]:
    """The nodes that feed this one."""
    for value in node["inputs"].values():
        if isinstance(value, list):
            yield value[0]


def execution_order(graph: Graph, outputs: list[str], cached: Collection[str]) -> list[str]:
    """The nodes that are executed or, if outputs, told again, in the recorded servers' order: of
    those that are ready, an output, or else the one found first on the way back."""
    found = _found(graph, outputs, cached)
    order: list[str] = []
    while waiting := [node for node in found if node not in order]:
        ready = [
            node for node in waiting if node in cached or not set(links(graph[node])) & set(waiting)
        ]
        order.append(next((node for node in ready if node in outputs), ready[0]))
    return order


def _found(graph: Graph, outputs: list[str], cached: Collection[str]) -> list[str]:
    found: list[str] = []
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node in found:
            continue
        found.append(node)
        if node not in cached:
            stack += [source for source in links(graph[node]) if source not in cached]
    return found


def cache_keys(graph: Graph, outputs: list[str], digest: Callable[[str], str]) -> dict[str, str]:
    """A key by node that feeds an output, equal where class, inputs and all that feeds them are.

    Args:
        digest: what the content of a LoadImage's file is known by.
    """
    keys: dict[str, str] = {}

    def key(node_id: str) -> str:
        if node_id not in keys:
            node = graph[node_id]
            inputs: dict[str, Any] = {
                name: [key(value[0]), value[1]] if isinstance(value, list) else value
                for name, value in sorted(node["inputs"].items())
            }
            if node["class_type"] == "LoadImage":
                inputs["content"] = digest(node["inputs"]["image"])
            text = json.dumps([node["class_type"], inputs])
            keys[node_id] = hashlib.sha256(text.encode()).hexdigest()
        return keys[node_id]

    for node_id in outputs:
        key(node_id)
    return keys


def model_files(graph: Graph) -> frozenset[str]:
    return frozenset(
        node["inputs"][name]
        for node in graph.values()
        for name, folder in TABLE[node["class_type"]].model_inputs.items()
        if folder != "input"
    )


def kind_of(graph: Graph) -> str:
    classes = {node["class_type"] for node in graph.values()}
    if "KSampler" not in classes:
        return "model-free"
    return "camera-angle" if "UNETLoader" in classes else "qwen-image-edit"


def texts(graph: Graph) -> Iterator[str]:
    """All that is written into it."""
    for node in graph.values():
        yield from (value for value in node["inputs"].values() if isinstance(value, str))
