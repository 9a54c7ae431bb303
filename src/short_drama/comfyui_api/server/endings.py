"""How a prompt ended, read from ComfyUI's history.

The shapes are those of ComfyUI 0.3.64, 0.3.75 and 0.33.0, recorded from running servers. An
entry's status says "error" for failures and interruptions alike; its last message tells them apart.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from short_drama.domain.errors import (
    EngineBroken,
    EngineFailed,
    EngineInterrupted,
    EngineOutOfMemory,
    ShortDramaError,
)

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")
"""CUDA's words, and those of torch's allocator on a CPU."""
_BROKEN = ("cuda error", "hip error", "acceleratorerror", "device-side assert")
"""What torch says of a device that answers nothing more until its process is another one."""
_LONGEST_REASON = 200
_PATH = re.compile(r"(?:\b[A-Za-z]:)?[\\/][^\s'\"]*")


@dataclass(frozen=True, slots=True)
class SavedImage:
    """A file that an output node has written, as the engine wants it asked for."""

    filename: str
    subfolder: str = ""
    type: str = "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    images: Mapping[str, Sequence[SavedImage]]
    """By output node. Empty for a cached run of a prompt without client_id, although it
    succeeded."""
    seconds: float | None = None
    """From the start of the execution to its end, by the server's clock, to the millisecond."""
    failure: ShortDramaError | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    """What else the engine tells of the run, for the task's record."""


def read_ending(entry: Mapping[str, Any]) -> Ending:
    """The ending of one entry of /history. Lenient: whatever is missing is taken as not said."""
    status = _mapping(entry.get("status"))
    messages = _messages(status.get("messages"))
    return Ending(
        images=_images(_mapping(entry.get("outputs"))),
        seconds=_seconds(messages),
        failure=_failure(status, messages),
    )


def read_job_ending(job: Mapping[str, Any]) -> Ending | None:
    """The ending of an answer of /api/jobs/{id}; None while it waits or runs. Its shape is that of
    ComfyUI 0.33.0, recorded from a running server. What became of it is told by its status, what
    else by the messages, which are not in every answer."""
    ending = read_ending({"outputs": job.get("outputs"), "status": job.get("execution_status")})
    if ending.seconds is None:
        began, ended = job.get("execution_start_time"), job.get("execution_end_time")
        ending = replace(ending, seconds=_between([began, ended]))
    match job.get("status"):
        case "completed":
            return replace(ending, failure=None)
        case "failed":
            told = _mapping(job.get("execution_error"))
            return replace(ending, failure=execution_failure(told)) if told else ending
        case "cancelled" if not isinstance(ending.failure, EngineInterrupted):
            return replace(ending, failure=EngineInterrupted("ComfyUI was told to stop the work"))
        case "cancelled":
            return ending
    return None


def _failure(
    status: Mapping[str, Any], messages: Sequence[tuple[str, Mapping[str, Any]]]
) -> ShortDramaError | None:
    if status.get("status_str") == "success":
        return None
    name, told = messages[-1] if messages else ("", {})
    if name == "execution_interrupted":
        return EngineInterrupted(f"ComfyUI was told to stop the work in {_node(told)}")
    return execution_failure(told)


def execution_failure(told: Mapping[str, Any]) -> ShortDramaError:
    """What an `execution_error` means."""
    where, kind = _node(told), str(told.get("exception_type") or "an error")
    message = f"{kind} {told.get('exception_message', '')}".lower()
    if "outofmemory" in message or any(words in message for words in _OUT_OF_MEMORY):
        return EngineOutOfMemory(f"ComfyUI ran out of memory in {where}")
    reason = _reason(told.get("exception_message"))
    detail = f"ComfyUI failed with {kind.rpartition('.')[2]} in {where}{reason and f': {reason}'}"
    return (EngineBroken if any(words in message for words in _BROKEN) else EngineFailed)(detail)


def _reason(message: object) -> str:
    """The first line of an exception's message, without the server's paths."""
    lines = str(message or "").strip().splitlines()
    return _PATH.sub("(a path)", lines[0])[:_LONGEST_REASON].strip() if lines else ""


def _node(told: Mapping[str, Any]) -> str:
    identity, kind = told.get("node_id"), told.get("node_type")
    return f"node {str(identity)[:60]!r} ({str(kind)[:60]})" if identity else "an unnamed node"


def _images(outputs: Mapping[str, Any]) -> dict[str, tuple[SavedImage, ...]]:
    found = {}
    for node, output in outputs.items():
        told = _mapping(output).get("images")
        listed = told if isinstance(told, list) else ()
        images = tuple(_saved(image) for image in listed if isinstance(image, Mapping))
        if images:
            found[node] = images
    return found


def _saved(image: Mapping[str, Any]) -> SavedImage:
    return SavedImage(
        str(image.get("filename", "")),
        str(image.get("subfolder", "")),
        str(image.get("type", "output")),
    )


def _seconds(messages: Sequence[tuple[str, Mapping[str, Any]]]) -> float | None:
    return _between([at.get("timestamp") for name, at in messages if name.startswith("execution_")])


def _between(times: Sequence[object]) -> float | None:
    """Seconds from the first to the last; they are in milliseconds."""
    known = [time for time in times if isinstance(time, int | float)]
    return round((known[-1] - known[0]) / 1000, 3) if len(known) > 1 else None


def _messages(messages: object) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(messages, list):
        return []
    pairs = [pair for pair in messages if isinstance(pair, list | tuple) and len(pair) == 2]
    return [(str(name), _mapping(told)) for name, told in pairs]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
