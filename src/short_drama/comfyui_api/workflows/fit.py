"""Fit a workflow to the server that is to run it: nodes change with every release of ComfyUI.

A node may have gained an input that it requires and has a value for, which ComfyUI's own editor
would put in; and it may have lost one, or be gone itself, without which the workflow means the
same. Everything else is a fault for a person (`check`).
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from short_drama.comfyui_api.workflows import node_info
from short_drama.comfyui_api.workflows.graph import Graph
from short_drama.comfyui_api.workflows.workflow import Workflow


def fit(workflow: Workflow, object_info: Mapping[str, Any]) -> Workflow:
    """The workflow with what the server requires filled in, and without what it does not have,
    where the manifest calls that optional.

    Args:
        object_info: as GET /object_info answers: node class -> {"input", "output", ...}.
    """
    graph: Graph = copy.deepcopy(dict(workflow.graph))
    _leave_out(graph, workflow.manifest.optional, object_info)
    for node in graph.values():
        if info := object_info.get(node["class_type"]):
            node["inputs"] |= dict(_filled(node["inputs"], node_info.required(info)))
    return replace(workflow, graph=graph)


def _filled(
    given: Mapping[str, Any], required: Mapping[str, node_info.Spec], within: str = ""
) -> Iterator[tuple[str, object]]:
    """`within`: of the choice that brings these inputs with it."""
    for part, spec in required.items():
        name = within + part
        value = given.get(name, node_info.default(spec))
        if value is not None and not any(f"{each}.".startswith(f"{name}.") for each in given):
            yield name, value
        yield from _filled(given, node_info.inner(spec, value), within=f"{name}.")


def _leave_out(graph: Graph, optional: list[str], object_info: Mapping[str, Any]) -> None:
    for one in optional:
        identity, _, name = one.partition(".")
        node = graph.get(identity)
        if node is None:  # bypassed already
            continue
        info = object_info.get(node["class_type"])
        if name:
            if info and node_info.owner(name) not in node_info.inputs(info):
                node["inputs"].pop(name, None)
        elif not info:
            _bypass(graph, identity)


def _bypass(graph: Graph, gone: str) -> None:
    """What followed the node follows its first link instead, as where the editor bypasses it."""
    links = [value for value in graph[gone]["inputs"].values() if isinstance(value, list)]
    del graph[gone]
    for node in graph.values():
        for name, value in list(node["inputs"].items()):
            if isinstance(value, list) and value[0] == gone:
                node["inputs"][name] = list(links[0])
