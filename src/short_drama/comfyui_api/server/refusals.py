"""Why ComfyUI did not take a prompt, as one of our errors that names the node.

`error.details` of a refusal is often empty: what matters is in `node_errors`. A prompt of which
only one branch is faulty is accepted with status 200 and runs in part; that is a refusal too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from short_drama.comfyui_api.workflows.folders import folder_of
from short_drama.domain.errors import EngineFailed, EngineNotReady

MISSING_MODEL_FIX = (
    "Put the file into ComfyUI's models folder, or name another with SHORT_DRAMA_COMFYUI_MODELS."
)


_UNKNOWN_NODE = ("invalid_prompt", "missing_node_type")
"""What older and newer servers call a class that they do not have."""


class PromptLost(Exception):
    """What the server had been given is gone, and none of it was run.

    Args:
        restarted: whether the server was seen to go down meanwhile.
    """

    def __init__(self, message: str, *, restarted: bool = False) -> None:
        super().__init__(message)
        self.restarted = restarted


def read_refusal(body: Mapping[str, Any]) -> Exception:
    """The error that the body of a refused POST /prompt speaks of: EngineNotReady, EngineFailed,
    or PromptLost for an input file that is gone."""
    for node, class_type, fault in _faults(body.get("node_errors")):
        return _of_node(node, class_type, fault)
    error = body.get("error")
    told = error if isinstance(error, Mapping) else {}
    message = str(told.get("message") or error or "no reason given")[:300]
    where = str(told.get("details") or "")[:100]
    if told.get("type") in _UNKNOWN_NODE:
        return EngineNotReady(
            f"ComfyUI cannot run the workflow: {message} {where}".strip(),
            fix="Update ComfyUI, or install the custom node; `short-drama workflows check` helps.",
        )
    return EngineFailed(f"ComfyUI refused the workflow: {message} {where}".strip())


def _of_node(node: str, class_type: str, fault: Mapping[str, Any]) -> Exception:
    extra = fault.get("extra_info")
    extra = extra if isinstance(extra, Mapping) else {}
    name = str(extra.get("input_name") or fault.get("details") or "an input")[:60]
    where = f"{name} of node {node!r} ({class_type})"
    match fault.get("type"):
        case "value_not_in_list":
            value = str(extra.get("received_value"))[:120]
            if folder_of(class_type, name) is None:
                return EngineFailed(f"ComfyUI does not know {value!r} for {where}")
            return EngineNotReady(f"ComfyUI has no {value!r} for {where}", fix=MISSING_MODEL_FIX)
        case "custom_validation_failed" if class_type == "LoadImage":
            # Inputs are ours and were uploaded a moment ago: a restart has emptied the folder.
            return PromptLost(f"ComfyUI no longer has the file for {where}")
    message = str(fault.get("message") or "not valid")[:200]
    return EngineFailed(f"ComfyUI refused the workflow: {message}: {where}")


def _faults(node_errors: object) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for node, told in (node_errors if isinstance(node_errors, Mapping) else {}).items():
        if not isinstance(told, Mapping):
            continue
        errors = told.get("errors")
        for fault in errors if isinstance(errors, list) else ():
            if isinstance(fault, Mapping):
                yield str(node)[:60], str(told.get("class_type"))[:60], fault
