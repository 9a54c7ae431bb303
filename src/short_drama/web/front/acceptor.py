"""Let connections in from a listening socket.

asyncio's own way, out of descriptors, tries and logs once for each place of the backlog.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from short_drama.web.front import refusal
from short_drama.web.front.gate import Gate

_AT_ONCE: Final = 64
"""Connections that come in before anything else is done."""
_SEND_BYTES: Final = 256 * 1024
"""Of answers that the kernel keeps of a client that does not read them, and as much again for its
own use. By itself it keeps megabytes of each, and all of them have to be copied."""
_PAUSE: Final = 0.25
"""Seconds until descriptors may be free again."""


class Acceptor:
    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol], gate: Gate
    ) -> None:
        self._listener, self._protocol, self._gate = listener, protocol, gate
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._open()

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._coming, return_exceptions=True)

    def _open(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors, or of memory for one
                self._gate.ledger.note(refusal.NO_DESCRIPTORS)
                self._gate.make_room()
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(_PAUSE, self._open)
                return
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            coming = self._loop.create_task(self._let_in(connection))
            self._coming.add(coming)
            coming.add_done_callback(self._coming.discard)

    async def _let_in(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # it is gone already
            connection.close()
