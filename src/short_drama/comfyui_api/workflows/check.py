"""Would a server run this workflow? Judged by its /object_info alone.

The server itself does not validate the choices of its newer classes.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from short_drama.comfyui_api.workflows import node_info
from short_drama.comfyui_api.workflows.folders import folder_of
from short_drama.comfyui_api.workflows.manifest import IntegerInput, NumberInput
from short_drama.comfyui_api.workflows.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Fault:
    """`message` names the node already."""

    kind: str
    node: str
    message: str
    fix: str


Found = Iterator[tuple[str, str]]
"""Messages, each with its fix."""
_CHANGED = "ComfyUI has changed the node: export the workflow again, or use another version of it."


def faults(workflow: Workflow, object_info: Mapping[str, Any]) -> list[Fault]:
    """Everything for which the server would refuse or fail the workflow, as far as can be told.

    Args:
        object_info: as GET /object_info answers: node class -> {"input", "output", ...}.
    """
    return list(_Checker(workflow, object_info).faults())


class _Checker:
    def __init__(self, workflow: Workflow, object_info: Mapping[str, Any]) -> None:
        self._workflow, self._object_info = workflow, object_info
        self._graph = _prompt(workflow, workflow.image_fields)
        self._roles = {pair: role for role, pair in workflow.manifest.models.items()}
        self._images = {
            pair for name in workflow.image_fields for pair in workflow.inputs[name].into
        }
        self._bounds = {
            pair: (each.minimum, each.maximum)
            for each in workflow.inputs.values()
            if isinstance(each, IntegerInput | NumberInput)
            for pair in each.into
        }

    def faults(self) -> Iterator[Fault]:
        least = _prompt(self._workflow, self._workflow.required_images)
        for identity, node in self._graph.items():
            info = self._object_info.get(node["class_type"])
            if not info:
                found = _missing_class(identity, node)
            else:
                given = least.get(identity, node)["inputs"]
                found = chain(self._of_node(identity, node, info), _lacking(identity, given, info))
            for message, fix in found:
                yield Fault(self._workflow.kind, identity, message, fix)

    def _of_node(self, identity: str, node: Mapping[str, Any], info: Mapping[str, Any]) -> Found:
        known = node_info.inputs(info)
        for name, value in node["inputs"].items():
            pair = f"{identity}.{name}"
            if name in known and pair not in self._images:
                yield from self._of_input(pair, value, known[name])
            elif node_info.owner(name) not in known:
                yield f"the server's node has no input {pair}", _CHANGED

    def _of_input(self, pair: str, value: object, spec: Sequence[Any]) -> Found:
        if isinstance(value, list):
            yield from self._of_link(pair, value, spec)
        elif (choices := node_info.choices(spec)) is not None:
            if value not in choices:
                yield _not_a_choice(pair, value, choices, self._where(pair, spec))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            for bound in self._bounds.get(pair, (value,)):
                yield from _out_of_range(pair, bound, node_info.options(spec))

    def _where(self, pair: str, spec: Sequence[Any]) -> str | None:
        """What an operator does about a file that is not there; None if it is no file."""
        node, _, name = pair.partition(".")
        role, known = self._roles.get(pair), folder_of(self._graph[node]["class_type"], name)
        if node_info.options(spec).get("image_upload"):
            return "Put the file into ComfyUI's input folder."
        if role is None and known is None:
            return None
        folder = "models folder" if known is None else f"models/{known}"
        other = f", or name another: SHORT_DRAMA_COMFYUI_MODELS={role}=FILE" if role else ""
        return f"Put the file into ComfyUI's {folder}{other}."

    def _of_link(self, pair: str, link: Sequence[Any], spec: Sequence[Any]) -> Found:
        source, slot = link
        info = self._object_info.get(self._graph[source]["class_type"])
        if info is None:
            return  # said already
        outputs = node_info.outputs(info)
        fix = "Link it to another output in the graph."
        if not (isinstance(slot, int) and 0 <= slot < len(outputs)):
            yield f"{pair} is linked to output {slot} of {source}, which has {len(outputs)}", fix
        elif isinstance(spec[0], str) and not node_info.fits(outputs[slot], spec[0]):
            yield f"{pair} wants {spec[0]}; output {slot} of {source} is {outputs[slot]}", fix


def _missing_class(identity: str, node: Mapping[str, Any]) -> Found:
    yield (
        f"the server has no node {node['class_type']}, which {identity!r} needs",
        "Update ComfyUI, or install the custom node that brings it.",
    )


def _lacking(identity: str, given: Mapping[str, Any], info: Mapping[str, Any]) -> Found:
    """Required inputs that the prompt with the fewest images does not have."""
    declared = {node_info.owner(name) for name in given} | set(given)
    for name in node_info.required(info):
        if name not in declared:
            yield (
                f"{identity}.{name}, which the server requires, is not given in every prompt",
                "Give it in the graph; what it is linked to may not be an optional image.",
            )


def _not_a_choice(
    pair: str, value: object, choices: Sequence[object], where: str | None
) -> tuple[str, str]:
    listed = ", ".join(str(choice) for choice in choices[:5]) or "none"
    more = f" and {len(choices) - 5} more" if len(choices) > 5 else ""
    near = difflib.get_close_matches(str(value), [str(choice) for choice in choices], n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    message = f"the server has no {value!s} for {pair}; it has: {listed}{more}"
    return message, f"{where or 'Change the value in the graph.'}{guess}"


def _out_of_range(pair: str, value: float, options: Mapping[str, Any]) -> Found:
    least, most = options.get("min"), options.get("max")
    if isinstance(least, int | float) and value < least:
        yield f"{pair} is {value:g}; the server takes {least:g} or more", "Change it in the graph."
    if isinstance(most, int | float) and value > most:
        yield f"{pair} is {value:g}; the server takes {most:g} or less", "Change it in the graph."


def _prompt(workflow: Workflow, images: Sequence[str]) -> Mapping[str, Any]:
    return workflow.build({}, images=dict.fromkeys(images, "image.png"), prefix="check")
