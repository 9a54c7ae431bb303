"""A graph in ComfyUI's API format: node id -> {"class_type", "inputs": {name: literal or link}}.

A link is [node id, index of the output]. Extra keys of a node, such as "_meta", are kept.
"""

import graphlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from short_drama.domain.errors import InvalidRequest

Graph = dict[str, Any]


def read_graph(text: bytes, *, source: str) -> Graph:
    """Raises InvalidRequest that names the source and the node."""
    try:
        graph = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{source} is not JSON: {error}") from None
    nodes = graph.values() if isinstance(graph, dict) else [None]
    if not graph or not all(_is_node(node) for node in nodes):
        raise InvalidRequest(
            f"{source} is not a graph in API format",
            fix="Save the workflow in ComfyUI with File > Export (API).",
        )
    for identity, node in graph.items():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and not is_link(value, graph):
                raise InvalidRequest(f"{source}: {identity}.{name} is linked to no node")
    refuse_cycles(graph, source)
    return dict(graph)


def sha256_of(graph: Mapping[str, Any]) -> str:
    """The same for the same graph, however its file was written."""
    return hashlib.sha256(json.dumps(graph, sort_keys=True).encode()).hexdigest()


def value_of(graph: Mapping[str, Any], pair: str) -> object:
    """`pair` is node.input."""
    node, _, name = pair.partition(".")
    return graph[node]["inputs"][name]


def set_input(graph: Graph, pair: str, value: object) -> None:
    node, _, name = pair.partition(".")
    graph[node]["inputs"][name] = value


def remove(graph: Graph, gone: str) -> None:
    """A node, and every link to it."""
    del graph[gone]
    for node in graph.values():
        node["inputs"] = {
            name: value
            for name, value in node["inputs"].items()
            if not (isinstance(value, list) and value[0] == gone)
        }


def sources(node: Graph) -> Iterator[str]:
    """The nodes that a node is linked to."""
    for value in node["inputs"].values():
        if isinstance(value, list):
            yield value[0]


def is_link(value: list[Any], graph: Graph) -> bool:
    """Whether it leads to a node of the graph."""
    if len(value) != 2:
        return False
    node, output = value
    return isinstance(node, str) and node in graph and type(output) is int and output >= 0


def refuse_cycles(graph: Graph, source: str) -> None:
    """The server would, without a word of why. Raises InvalidRequest."""
    order = graphlib.TopologicalSorter({name: set(sources(node)) for name, node in graph.items()})
    try:
        order.prepare()
    except graphlib.CycleError as error:
        circle = " > ".join(error.args[1])
        raise InvalidRequest(f"{source}: nodes are linked in a circle: {circle}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _is_node(node: object) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    )
