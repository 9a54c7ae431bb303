"""GET /ws: who hears what."""

import asyncio
import contextlib
import json
import struct
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.simulators.comfyui.failures import Failures
from tests.simulators.comfyui.prompts import Prompts

PREVIEW, PREVIEW_WITH_METADATA, JPEG = 1, 4, 1


@dataclass(eq=False, slots=True)
class Connection:
    socket: web.WebSocketResponse
    request: web.Request
    features: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    image: bytes
    metadata: dict[str, Any]

    def frame(self, connection: Connection) -> bytes:
        if not connection.features.get("supports_preview_metadata"):
            return struct.pack(">II", PREVIEW, JPEG) + self.image
        told = json.dumps(self.metadata | {"image_type": "image/jpeg"}).encode()
        return struct.pack(">II", PREVIEW_WITH_METADATA, len(told)) + told + self.image


class Sockets:
    """One by client id, and one task that sends to all of them in turn: a client that does not
    read holds up all others, and the older of two sockets with one id takes the newer one's place
    in the table with it when it closes. Both as recorded."""

    def __init__(self, prompts: Prompts, failures: Failures, features: dict[str, Any]) -> None:
        self._prompts, self._failures, self._features = prompts, failures, features
        self._table: dict[str, Connection] = {}
        self._open: set[Connection] = set()
        self._outbox: asyncio.Queue[tuple[dict[str, Any] | Preview, str | None]] = asyncio.Queue()
        self.client_id: str | None = None
        """Whose prompt ran last."""
        self.node: str | None = None
        """Which node of it runs."""

    def __len__(self) -> int:
        return len(self._open)

    def send(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """To one client, or to all with None."""
        self._outbox.put_nowait(({"type": event, "data": data}, client_id))

    def send_preview(self, preview: Preview, client_id: str | None) -> None:
        self._outbox.put_nowait((preview, client_id))

    def send_status(self) -> None:
        self.send("status", {"status": self._prompts.queue_info()}, None)

    def drop(self) -> None:
        """Cut all connections, without a close frame."""
        for connection in tuple(self._open):
            if connection.request.transport is not None:
                connection.request.transport.abort()

    async def publish(self) -> None:
        while True:
            message, client_id = await self._outbox.get()
            if self._failures.silent_socket:
                continue
            for connection in self._hearers(client_id):
                await _deliver(connection, message)
            await asyncio.sleep(0)  # bursts leave others their turn

    def _hearers(self, client_id: str | None) -> list[Connection]:
        if client_id is None:
            return list(self._table.values())
        return [self._table[client_id]] if client_id in self._table else []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        connection = Connection(web.WebSocketResponse(), request)
        await connection.socket.prepare(request)
        client_id = request.query.get("clientId") or uuid.uuid4().hex
        self._table[client_id] = connection
        self._open.add(connection)
        try:
            await self._greet(connection, client_id)
            async for message in connection.socket:
                if message.type is WSMsgType.TEXT:
                    await self._hear(connection, json.loads(message.data))
        except (ConnectionError, ValueError):
            pass
        finally:
            self._open.discard(connection)
            self._table.pop(client_id, None)
        return connection.socket

    async def _greet(self, connection: Connection, client_id: str) -> None:
        data = {"status": self._prompts.queue_info(), "sid": client_id}
        await connection.socket.send_json({"type": "status", "data": data})
        if self.client_id == client_id and self.node is not None:
            await connection.socket.send_json({"type": "executing", "data": {"node": self.node}})

    async def _hear(self, connection: Connection, message: Any) -> None:
        if isinstance(message, dict) and message.get("type") == "feature_flags":
            connection.features = message.get("data", {})
            await connection.socket.send_json({"type": "feature_flags", "data": self._features})


async def _deliver(connection: Connection, message: dict[str, Any] | Preview) -> None:
    with contextlib.suppress(ConnectionError):
        if isinstance(message, Preview):
            await connection.socket.send_bytes(message.frame(connection))
        else:
            await connection.socket.send_json(message)
