"""A TCP proxy that misbehaves on demand.

    async with FaultProxy("127.0.0.1", 8000) as proxy:
        ... proxy.url ...
        proxy.fault = BlackHole()
        proxy.fault = None

A fault holds for every connection, those that are open as well, from when it is set until another
one, or None, is.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Self

_CHUNK = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: a close is then a TCP reset."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """New connections are refused, open ones are reset: nobody is there."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A connection is reset at the next byte of a request; the server never sees it."""


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Nothing passes. What was sent meanwhile arrives when the fault is over, late, even when its
    sender has hung up: so do packets that TCP repeats until a partition heals."""


@dataclass(frozen=True, slots=True)
class DropReplies:
    """Requests pass; the connection is reset `after` so many bytes of the answer."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Latency:
    """Every chunk takes `seconds` longer, each way."""

    seconds: float


Fault = Refuse | Reset | BlackHole | DropReplies | Latency


class FaultProxy:
    """Listens on a free loopback port, or on `port`, for as long as it is entered."""

    def __init__(self, target_host: str, target_port: int, *, port: int = 0) -> None:
        self._target, self._port = (target_host, target_port), port
        self._fault: Fault | None = None
        self._fault_changed = asyncio.Event()
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        """Connections taken so far."""

    async def __aenter__(self) -> Self:
        self._listener = _bound(self._port)
        self._port = self._listener.getsockname()[1]
        self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_listening()
        self._listener.close()
        await asyncio.sleep(0)  # a connection that was just accepted takes its first step
        self.reset_connections()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def fault(self) -> Fault | None:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        refused, self._fault = isinstance(self._fault, Refuse), fault
        self._fault_changed.set()
        self._fault_changed = asyncio.Event()
        if isinstance(fault, Refuse) and not refused:
            self._stop_listening()
            self.reset_connections()
        elif refused and not isinstance(fault, Refuse):
            self._listen()

    def reset_connections(self) -> None:
        """Once, those that are open now."""
        for connection in list(self._connections):
            connection.reset()

    # --- Accepting -------------------------------------------------------------------------

    def _listen(self) -> None:
        self._listener.listen(1024)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _stop_listening(self) -> None:
        """Stay bound, so that nobody takes the port, but refuse as the kernel refuses."""
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = _bound(self._port)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                accepted, _ = self._listener.accept()
                self.accepted += 1
                self._start(self._serve(accepted))

    def _start(self, serving: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(serving)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        async with contextlib.AsyncExitStack() as opened:
            client = _Side(*await asyncio.open_connection(sock=accepted))
            opened.callback(client.writer.close)
            try:
                server = _Side(*await asyncio.open_connection(*self._target))
            except OSError:
                client.reset()  # as near to the target's refusal as an accepted connection gets
                return
            opened.callback(server.writer.close)
            await self._forward(_Connection(client, server))

    # --- Forwarding ------------------------------------------------------------------------

    async def _forward(self, connection: "_Connection") -> None:
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(connection))
                both.create_task(self._answers(connection))
        except* OSError:  # either side has gone without a word: so does the other
            connection.reset()
        finally:
            self._connections.discard(connection)

    async def _requests(self, connection: "_Connection") -> None:
        while data := await connection.client.read():
            await self._transit()
            if isinstance(self._fault, Reset):
                connection.reset()
                return
            await connection.server.write(data)
        await self._transit()
        connection.server.finish()

    async def _answers(self, connection: "_Connection") -> None:
        passed = 0
        while data := await connection.server.read():
            await self._transit()
            if isinstance(self._fault, DropReplies):
                allowed = data[: max(0, self._fault.after - passed)]
                passed += len(allowed)
                await connection.client.write(allowed)
                if len(allowed) < len(data):
                    connection.reset()
                    return
                continue
            await connection.client.write(data)
        await self._transit()
        connection.client.finish()

    async def _transit(self) -> None:
        if isinstance(self._fault, Latency):
            await asyncio.sleep(self._fault.seconds)
        while isinstance(self._fault, BlackHole):
            await self._fault_changed.wait()


@dataclass(frozen=True, slots=True)
class _Side:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> bytes:
        return await self.reader.read(_CHUNK)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            self.writer.write_eof()

    def reset(self) -> None:
        own: socket.socket = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):  # closed already
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True, eq=False)
class _Connection:
    client: _Side
    server: _Side

    def reset(self) -> None:
        self.client.reset()
        self.server.reset()


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener
