"""What is said to the manager that started this process: systemd's sd_notify(3), without a library.

Datagrams of `NAME=VALUE` lines to the socket that the manager named. Where there is no manager
(a terminal, a test), nothing is said.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

_TRIES, _AGAIN_SECONDS = 20, 0.05
"""Of a message for which there is no room; the manager usually takes it at once."""


class ServiceManager:
    """Use with `async with`.

    Args:
        address: of its socket: a path, or `@name` for an abstract one; None says nothing.
        watchdog: seconds within which it wants a sign of life, if it wants any.
    """

    def __init__(self, address: str | None, *, watchdog: float | None = None) -> None:
        self._address, self._watchdog = address, watchdog
        self._socket: socket.socket | None = None
        self._status = ""

    @property
    def listens(self) -> bool:
        return self._address is not None

    async def __aenter__(self) -> "ServiceManager":
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Give signs of life from this event loop: who blocks it for too long is killed."""
        alive = asyncio.create_task(self._live())
        try:
            yield
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)

    async def ready(self) -> None:
        await self._say("READY=1")

    async def stopping(self, *, within: float) -> None:
        """It ends by itself, at the latest in so many seconds."""
        await self._say("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(within * 1e6)}")

    async def status(self, line: str) -> None:
        """What it does, for `systemctl status`; said when it has changed."""
        if line != self._status:
            self._status = line
            await self._say("STATUS=" + line.replace("\n", " "))

    async def _live(self) -> None:
        while self._watchdog is not None:
            await self._say("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 2)

    async def _say(self, *lines: str) -> None:
        """A manager that does not take it must not take the service down."""
        if self._socket is None or self._address is None:
            return
        message = "\n".join(lines).encode()
        try:
            # A socket without a peer of its own is writable even while that one's is full: an event
            # loop that waits for it to be would spin.
            for _ in range(_TRIES):
                if _sent(self._socket, message, _path(self._address)):
                    return
                await asyncio.sleep(_AGAIN_SECONDS)
            why = "it reads nothing"
        except OSError as error:
            why = error.strerror or str(error)
        log.warning("the service manager cannot be told %s: %s", lines[0], why)


def _sent(here: socket.socket, message: bytes, address: str) -> bool:
    """False while the manager has more to read than fits."""
    try:
        here.sendto(message, address)
    except BlockingIOError:
        return False
    return True


def _path(address: str) -> str:
    """Abstract sockets begin with a NUL byte, which no variable can hold."""
    return "\0" + address[1:] if address.startswith("@") else address
