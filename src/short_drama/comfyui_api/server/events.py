"""What ComfyUI's socket tells, and the socket itself.

The socket only makes things fast: it may be silent for hours while prompts run, and it replays
nothing that was missed. It has to be read at all times, because a client that does not read stops
the server's messages to everyone.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import aiohttp

from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.domain.errors import Unavailable
from short_drama.domain.json_object import json_object

_ENDINGS = frozenset({"execution_success", "execution_error", "execution_interrupted"})
_PREVIEW_WITH_METADATA = 4
_RECONNECT_SECONDS = 0.1, 2.0
"""The first and the longest pause."""


@dataclass(frozen=True, slots=True)
class Started:
    prompt_id: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """`fraction` of the node's steps, 0 to 1; None when it only began."""

    prompt_id: str
    node: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The history will say how, in a moment."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class Previewed:
    prompt_id: str
    content_type: str
    data: bytes


Event = Started | Progressed | Ended | Previewed


def read_text(message: str) -> Event | None:
    """The event of a text frame; None for what concerns no prompt or nobody knows."""
    found = json_object(message) or {}
    try:
        told = found["data"]
        prompt_id = told["prompt_id"]
    except (KeyError, TypeError):
        return None
    return _event(found.get("type"), str(prompt_id), told)


def _event(name: object, prompt_id: str, told: Mapping[str, Any]) -> Event | None:
    match name:
        case "execution_start":
            return Started(prompt_id)
        case "executing":
            node = told.get("node")
            return Ended(prompt_id) if node is None else Progressed(prompt_id, str(node))
        case "progress":
            fraction = share(told.get("value"), told.get("max"))
            if fraction is not None:
                return Progressed(prompt_id, str(told.get("node")), fraction)
        case str() if name in _ENDINGS:
            return Ended(prompt_id)
    return None


def share(steps: object, of: object) -> float | None:
    """From 0 to 1; None for numbers that say nothing, such as NaN, which no JSON can carry on."""
    if not (isinstance(steps, int | float) and isinstance(of, int | float)):
        return None
    return min(max(steps / of, 0.0), 1.0) if isfinite(steps) and 0 < of < inf else None


def read_binary(message: bytes, *, clean: Callable[[str], str] = str) -> Previewed | None:
    """A preview, in the frame that carries the prompt's id: event 4 (uint32, big endian), length
    of a JSON object (uint32), the object, the picture. Older frames say not whose they are.

    Args:
        clean: takes secrets out of the words.
    """
    try:
        event, length = struct.unpack_from(">II", message)
        if event != _PREVIEW_WITH_METADATA:
            return None
        told = json_object(clean(message[8 : 8 + length].decode(errors="replace"))) or {}
        prompt_id, content_type = str(told["prompt_id"]), str(told["image_type"])
    except (struct.error, KeyError):
        return None
    return Previewed(prompt_id, content_type, message[8 + length :])


class EventStream:
    """One socket at a time, opened again for as long as `run` runs.

    The server forgets a newer socket when an older one with the same client id closes: the older
    one is closed to the end before the next is opened.

    Args:
        previews: whether to ask for frames that say whose preview they are.
        on_event: called with every event.
        on_connected: called with True and False as the socket comes and goes.
    """

    def __init__(
        self,
        comfyui: ComfyUI,
        *,
        previews: bool,
        on_event: Callable[[Event], None],
        on_connected: Callable[[bool], None],
    ) -> None:
        self._comfyui, self._previews = comfyui, previews
        self._on_event, self._on_connected = on_event, on_connected
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def run(self) -> None:
        pause, longest = _RECONNECT_SECONDS
        while True:
            with contextlib.suppress(Unavailable, aiohttp.ClientError, OSError):
                async with await self._comfyui.open_socket() as self._socket:
                    self._on_connected(True)
                    pause = _RECONNECT_SECONDS[0]
                    await self._drain(self._socket)
            if self._socket is not None:
                self._socket = None
                self._on_connected(False)
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def reconnect(self) -> None:
        """For a socket that has turned out to be deaf."""
        if self._socket is not None:
            await self._socket.close()

    async def _drain(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if self._previews:
            await socket.send_json(
                {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
            )
        async for message in socket:
            event: Event | None = None
            if message.type is aiohttp.WSMsgType.TEXT:
                event = read_text(self._comfyui.cleaned(message.data))
            elif message.type is aiohttp.WSMsgType.BINARY and self._previews:
                event = read_binary(message.data, clean=self._comfyui.cleaned)
            if event is not None:
                self._on_event(event)
