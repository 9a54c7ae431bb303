"""What POST /prompt refuses, in the words of ComfyUI."""

import contextlib
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.comfyui.dialects import Dialect
from tests.simulators.comfyui.graph import Graph
from tests.simulators.comfyui.node_class import Names, NodeClass

NodeError = dict[str, Any]
CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool,
}  # fmt: skip
LONGEST_LIST = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outputs that may run; why others may not; when none may, the error of it all."""

    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    def refusal(self) -> dict[str, Any]:
        return {"error": self.error, "node_errors": self.node_errors}


def whole(kind: str, message: str, details: str = "") -> dict[str, Any]:
    """An error of the prompt rather than of a node."""
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


@dataclass(frozen=True, slots=True)
class Stock:
    """What a graph can name.

    Args:
        exists: whether LoadImage would find a file of this name.
    """

    classes: Mapping[str, NodeClass]
    models: Names
    exists: Callable[[str], bool]


NO_UUID = whole(
    "invalid_prompt_id",
    "prompt_id must be a valid UUID",
    "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
    "omit it to let the server generate one",
)


def is_canonical(prompt_id: str) -> bool:
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(prompt_id)) == prompt_id
    return False


def validate(graph: Graph, stock: Stock, dialect: Dialect) -> Verdict:
    """Converts numbers and texts in place, as the server does."""
    for node_id, node in graph.items():
        if node.get("class_type") not in stock.classes:
            return Verdict(error=_unknown(node_id, node, dialect))
    savers = [node for node in graph if stock.classes[graph[node]["class_type"]].is_output]
    if not savers:
        return Verdict(error=whole("prompt_no_outputs", "Prompt has no outputs"))
    return _Validation(graph, stock, dialect).outputs(savers)


def _unknown(node_id: str, node: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Of a node whose class is not given, or not there."""
    name, details = node.get("class_type"), f"Node ID '#{node_id}'"
    if not dialect.names_missing_nodes:
        message = f"Cannot execute because node {name} does not exist."
        if name is None:
            message = "Cannot execute because a node is missing the class_type property."
        return whole("invalid_prompt", message, details)
    title = node.get("_meta", {}).get("title", name)
    message = f"Node '{title}' not found. The custom node may not be installed."
    if name is None:
        message = f"Node '{title or f'ID #{node_id}'}' has no class_type. "
        message += "The workflow may be corrupted or a custom node is missing."
    error = whole("missing_node_type", message, details)
    error["extra_info"] = {"node_id": node_id, "class_type": name, "node_title": title}
    return error


class _Validation:
    def __init__(self, graph: Graph, stock: Stock, dialect: Dialect) -> None:
        self._graph, self._stock, self._dialect = graph, stock, dialect
        self._seen: dict[str, tuple[bool, list[NodeError]]] = {}
        self._entered: list[str] = []

    def outputs(self, savers: list[str]) -> Verdict:
        good: list[str] = []
        node_errors: dict[str, Any] = {}
        details: list[str] = []
        for saver in savers:
            valid, reasons = self._output(saver)
            if valid:
                good.append(saver)
                continue
            details += [f"{reason['message']}: {reason['details']}" for reason in reasons]
            self._collect(saver, node_errors)
        if good:
            return Verdict(good, node_errors)
        error = whole(
            "prompt_outputs_failed_validation",
            "Prompt outputs failed validation",
            "\n".join(details),
        )
        return Verdict([], node_errors, error)

    def _output(self, saver: str) -> tuple[bool, list[NodeError]]:
        try:
            return self._node(saver)
        except Exception as error:
            reason = {
                "type": "exception_during_validation",
                "message": "Exception when validating node",
                "details": str(error),
                "extra_info": {
                    "exception_type": type(error).__name__,
                    "traceback": traceback.format_tb(error.__traceback__),
                },
            }
            self._seen[saver] = (False, [reason])
            return self._seen[saver]

    def _collect(self, saver: str, node_errors: dict[str, Any]) -> None:
        for node_id, (valid, reasons) in self._seen.items():
            if valid or not reasons:
                continue
            told = {"errors": reasons, "dependent_outputs": []}
            told["class_type"] = self._graph[node_id]["class_type"]
            node_errors.setdefault(node_id, told)["dependent_outputs"].append(saver)

    def _node(self, node_id: str) -> tuple[bool, list[NodeError]]:
        """Raises what a bad link makes the server raise: KeyError, IndexError."""
        if node_id in self._seen:
            return self._seen[node_id]
        if node_id in self._entered:
            return self._cycle(node_id)
        self._entered.append(node_id)
        inputs, node_class = self._graph[node_id]["inputs"], self._class(node_id)
        errors: list[NodeError] = []
        valid = True
        required, optional = node_class.for_given(inputs)
        for name in (*required, *optional):
            if name not in inputs:
                if name in required:
                    details = name.rpartition(".")[2]
                    errors.append(_error("required_input_missing", name, details))
            elif isinstance(inputs[name], list):
                error, followed = self._link(node_id, name)
                errors += error
                valid = valid and followed
            else:
                errors += self._value(node_id, name)
        _, found = self._seen.get(node_id, (True, []))  # that it is in a cycle
        self._seen[node_id] = (valid and not errors and not found, [*found, *errors])
        self._entered.remove(node_id)
        return self._seen[node_id]

    def _cycle(self, node_id: str) -> tuple[bool, list[NodeError]]:
        if not self._dialect.names_cycles:
            return False, []
        members = self._entered[self._entered.index(node_id) :]
        path = " -> ".join(
            f"{member} ({self._graph[member]['class_type']})" for member in (*members, node_id)
        )
        for member in members:
            error = whole("dependency_cycle", "Dependency cycle detected", path)
            error["extra_info"] = {"node_id": member, "cycle_nodes": members}
            self._seen[member] = (False, [error])
        return self._seen[node_id]

    def _class(self, node_id: str) -> NodeClass:
        return self._stock.classes[self._graph[node_id]["class_type"]]

    def _config(self, node_id: str, name: str) -> tuple[Any, dict[str, Any]]:
        given = self._graph[node_id]["inputs"]
        return self._class(node_id).config(name, self._stock.models, given)

    def _link(self, node_id: str, name: str) -> tuple[list[NodeError], bool]:
        """What is wrong with the link itself, and whether what feeds it is right."""
        link = self._graph[node_id]["inputs"][name]
        info = self._config(node_id, name)
        if len(link) != 2:
            extra = {"input_config": info, "received_value": link}
            return [_error("bad_linked_input", name, name, **extra)], True
        source, slot = link
        received = self._class(source).outputs[slot]
        if received != info[0]:
            details = f"{name}, received_type({received}) mismatch input_type({info[0]})"
            extra = {"input_config": info, "received_type": received, "linked_node": link}
            return [_error("return_type_mismatch", name, details, **extra)], True
        try:
            return [], self._node(source)[0]
        except Exception as error:
            extra = {
                "input_config": info,
                "exception_message": str(error),
                "exception_type": type(error).__name__,
                "traceback": traceback.format_tb(error.__traceback__),
                "linked_node": link,
            }
            reason = _error("exception_during_inner_validation", name, str(error), **extra)
            self._seen[source] = (False, [reason])
            return [], False

    def _value(self, node_id: str, name: str) -> list[NodeError]:
        node = self._graph[node_id]
        kind, limits = info = self._config(node_id, name)
        value = node["inputs"][name]
        if node["class_type"] == "LoadImage":
            if self._stock.exists(value):
                return []
            details = f"{name} - Invalid image file: {value}"
            return [_error("custom_validation_failed", name, details)]
        try:
            if isinstance(kind, str) and kind in CONVERSIONS:
                value = node["inputs"][name] = CONVERSIONS[kind](value)
        except (TypeError, ValueError) as error:
            extra = {
                "input_config": info, "received_value": value, "exception_message": str(error),
            }  # fmt: skip
            details = f"{name}, {value}, {error}"
            return [_error("invalid_input_type", name, details, kind=kind, **extra)]
        options = kind if isinstance(kind, list) else None
        if kind == "COMBO" and self._dialect.checks_combos:
            options = limits["options"]
        return _out_of_bounds(name, value, info, options)


def _out_of_bounds(
    name: str, value: Any, config: tuple[Any, dict[str, Any]], options: list[Any] | None
) -> list[NodeError]:
    limits = config[1]
    extra: dict[str, Any] = {"input_config": config, "received_value": value}
    if "min" in limits and value < limits["min"]:
        bounds = {"value": value, "bound": limits["min"]}
        return [_error("value_smaller_than_min", name, name, **extra, **bounds)]
    if "max" in limits and value > limits["max"]:
        bounds = {"value": value, "bound": limits["max"]}
        return [_error("value_bigger_than_max", name, name, **extra, **bounds)]
    if options is not None and value not in options:
        told = str(options)
        if len(options) > LONGEST_LIST:
            told, extra["input_config"] = f"(list of length {len(options)})", None
        return [_error("value_not_in_list", name, f"{name}: '{value}' not in {told}", **extra)]
    return []


MESSAGES = {
    "required_input_missing": "Required input is missing",
    "bad_linked_input": "Bad linked input, must be a length-2 list of [node_id, slot_index]",
    "return_type_mismatch": "Return type mismatch between linked nodes",
    "exception_during_inner_validation": "Exception when validating inner node",
    "custom_validation_failed": "Custom validation failed for node",
    "invalid_input_type": "Failed to convert an input value to a {kind} value",
    "value_smaller_than_min": "Value {value} smaller than min of {bound}",
    "value_bigger_than_max": "Value {value} bigger than max of {bound}",
    "value_not_in_list": "Value not in list",
}


def _error(error: str, name: str, details: str, **extra: Any) -> NodeError:
    words = {word: extra.pop(word, "") for word in ("kind", "value", "bound")}
    message = MESSAGES[error].format(**words)
    extra_info = {"input_name": name, **extra}
    return {"type": error, "message": message, "details": details, "extra_info": extra_info}
