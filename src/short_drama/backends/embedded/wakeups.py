"""Tell every process on the machine that something changed, within a millisecond.

Each process listens on a unix datagram socket in a folder of the data directory, which is closed to
other users, and sends the topic to all others. A datagram may be lost (a full buffer, a process
that just started), so once in `POLL_SECONDS` all who wait look for themselves, if another process
has written anything at all: one question for all of them, however many they are.
"""

import asyncio
import contextlib
import os
import re
import socket
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from short_drama.domain.errors import Unavailable
from short_drama.private_folder import open_private

POLL_SECONDS = 1.0
_RELIST_SECONDS = 0.25
_OURS = re.compile(r"\d+-[0-9a-f]+", re.ASCII)
"""Names of sockets: whatever else lies there is left alone."""


class Bell:
    """Rings when its topic changes; made by `Wakeups.listen`."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Until rung, for at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


class Wakeups:
    """Open with `async with`, in the event loop that will wait. Raises Unavailable when the folder
    cannot be used.

    Args:
        version: another one whenever another process may have written something, if that can be
            told; may raise Unavailable. Whoever writes here tells us by `notify`.
    """

    def __init__(self, data_dir: Path, *, version: Callable[[], int] | None = None) -> None:
        self._version = version
        self._path = data_dir / "wakeups"
        self._own = f"{os.getpid()}-{id(self):x}"
        self._folder = -1
        self._listed: tuple[float, list[str]] = (0.0, [])
        self._bells: defaultdict[str, set[Bell]] = defaultdict(set)

    async def __aenter__(self) -> "Wakeups":
        with _usable(self._path):
            self._folder = open_private(self._path)
            try:
                self._socket = _bound(self._address(self._own))
            except OSError:
                os.close(self._folder)
                raise
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive)
        self._patrol = asyncio.create_task(self._ring_for_lost_ones(), name="wakeups")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._patrol.cancel()
        await asyncio.wait([self._patrol])
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._remove(self._own)
        os.close(self._folder)
        self._folder = -1

    @contextlib.contextmanager
    def listen(self, topic: str) -> Iterator[Bell]:
        """Listen before looking, so that no change falls between look and wait."""
        bell = Bell()
        self._bells[topic].add(bell)
        try:
            yield bell
        finally:
            self._bells[topic].discard(bell)
            if not self._bells[topic]:
                del self._bells[topic]

    def notify(self, *topics: str) -> None:
        """Never fails: whoever is not told polls."""
        for topic in topics:
            self._ring(topic)
        if self._folder >= 0:
            for peer in self._peers():
                self._tell(peer, topics)

    def _peers(self) -> list[str]:
        """The other processes' sockets, as of a moment ago: a newcomer polls meanwhile."""
        listed_at, peers = self._listed
        now = time.monotonic()
        if now - listed_at > _RELIST_SECONDS:
            peers = [name for name in _sockets(self._folder) if name != self._own]
            self._listed = (now, peers)
        return peers

    def _tell(self, peer: str, topics: tuple[str, ...]) -> None:
        try:
            self._socket.sendto("\n".join(topics).encode(), self._address(peer))
        except ConnectionRefusedError:  # it died without closing
            self._remove(peer)
        except OSError:  # its buffer is full or it just left: it polls
            pass

    def _address(self, name: str) -> str:
        """Socket paths hold about 100 bytes, which a data directory may exceed."""
        return f"/proc/self/fd/{self._folder}/{name}"

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            if _is_socket(self._folder, name):
                os.unlink(name, dir_fd=self._folder)

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                for topic in self._socket.recv(65536).decode(errors="replace").split("\n"):
                    self._ring(topic)

    async def _ring_for_lost_ones(self) -> None:
        seen: int | None = None
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self._bells:
                continue
            before, seen = seen, self._version_now()
            if seen is None or seen != before:
                for topic in tuple(self._bells):
                    self._ring(topic)

    def _version_now(self) -> int | None:
        """None when it cannot be told: whoever waits hears of it when they look."""
        try:
            return None if self._version is None else self._version()
        except Unavailable:
            return None

    def _ring(self, topic: str) -> None:
        for bell in self._bells.get(topic, ()):
            bell.ring()


@contextlib.contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} cannot be used: {error.strerror or error}",
            fix="Remove it, and let the data directory be this user's own, on a local disk.",
        ) from error


def _bound(address: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _sockets(folder: int) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [name for name in names if _OURS.fullmatch(name) and _is_socket(folder, name)]


def _is_socket(folder: int, name: str) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode)
