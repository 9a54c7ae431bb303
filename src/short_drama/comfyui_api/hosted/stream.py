"""A job's stream of server-sent events: what makes it fast, and never what is true of it."""

import base64
import binascii
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from short_drama.comfyui_api.server.events import share
from short_drama.domain.json_object import json_object


class Lines(Protocol):
    async def readline(self) -> bytes:
        """With its end; b"" when there are no more. Raises ValueError for one that is too long."""
        ...


@dataclass(frozen=True, slots=True)
class Moved:
    """Its status or its outputs have changed: look at the job."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """`fraction` of the node's steps, 0 to 1; None for a node without any."""

    node: str | None
    fraction: float | None


@dataclass(frozen=True, slots=True)
class Pictured:
    content_type: str
    data: bytes


Told = Moved | Stepped | Pictured


async def read_stream(lines: Lines, *, clean: Callable[[str], str] = str) -> AsyncIterator[Told]:
    """Until the stream ends. What makes no sense is skipped.

    Args:
        clean: takes secrets out of what an event says.
    """
    name, data = "", ""
    while line := await lines.readline():
        field, _, value = line.decode(errors="replace").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data += value
            case "":  # a comment, or the end of an event
                if line.strip() == b"":
                    if (told := _told(name, clean(data))) is not None:
                        yield told
                    name, data = "", ""


def _told(name: str, data: str) -> Told | None:
    told = json_object(data)
    if told is None:
        return None
    match name:
        case "status" | "output":
            return Moved()
        case "progress":
            return stepped(told)
        case "preview":
            return _pictured(told)
    return None


def stepped(progress: Mapping[str, Any]) -> Stepped:
    """Of a snapshot, which a job's own view has as well."""
    node, step, steps = (progress.get(name) for name in ("current_node", "step", "steps"))
    return Stepped(node if isinstance(node, str) else None, share(step, steps))


def _pictured(told: Mapping[str, Any]) -> Pictured | None:
    try:
        data = base64.b64decode(str(told.get("data_base64", "")), validate=True)
    except binascii.Error:
        return None
    return Pictured(str(told.get("content_type", "")), data) if data else None
