"""Where lines go, each outlet in a thread of its own: nobody who logs waits for a disk or a pipe.

A terminal that was stopped, a pipe that nobody reads, a disk that is full: lines are lost then, and
counted, and the product goes on.
"""

import contextlib
import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from short_drama.logs.neighbours import Neighbour

log = logging.getLogger(__name__)

_HELD = 10_000
"""Lines that may wait for an outlet; about 5 MB."""
_GATHER_SECONDS = 0.05
"""After one line has gone at once, others are gathered: waking a thread for each of many costs more
than the line."""
_CLOSE_SECONDS = 2.0
"""For what still waits when the process ends."""
_FILE_BYTES = 10_000_000
_OLD_FILES = 4


class Sink(Protocol):
    name: str

    def write(self, lines: list[str]) -> None:
        """Raises OSError; the lines are then lost."""
        ...


class Outlet:
    """Gives lines to a sink, in their order, in a thread of its own. What it has to say of that
    goes the way of all lines, to the other outlets for one."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._seen = sink, Neighbour(log, sink.name)
        self._waiting: deque[str] = deque()
        self._dropped, self._closing = 0, threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log outlet", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Never waits."""
        if len(self._waiting) >= _HELD:
            self._dropped += 1
            return
        self._waiting.append(line)
        if not self._news.is_set():
            self._news.set()

    def close(self) -> None:
        """Waits a little for what was put."""
        self._closing.set()
        self._news.set()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while self._waiting or not self._closing.is_set():
            self._news.wait()
            self._news.clear()
            self._pass_on()
            self._closing.wait(_GATHER_SECONDS)

    def _pass_on(self) -> None:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not lines:
            return
        try:
            self._sink.write(lines)
        except (OSError, ValueError) as error:  # ValueError: it has been closed
            self._dropped += len(lines)
            self._seen.away(getattr(error, "strerror", None) or str(error))
            return
        self._seen.back()
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            log.warning("lines were lost", extra={"outlet": self._sink.name, "lines": dropped})


class StreamSink:
    """The error output, past Python's own buffer, which would hold up the end of the process while
    nobody reads. `form`: what a line looks like there."""

    name = "the error output"

    def __init__(self, form: Callable[[str], str], *, file: int = 2) -> None:
        self._form, self._file = form, file

    def write(self, lines: list[str]) -> None:
        _write_all(self._file, _bytes_of(map(self._form, lines)))


class FileSink:
    """A file that is begun anew when it is full, of which some old ones are kept. Processes may
    share it: whoever writes holds its lock."""

    def __init__(self, path: Path, *, size: int = _FILE_BYTES, old: int = _OLD_FILES) -> None:
        self.name = f"the log file {path}"
        self._path, self._size, self._old = path, size, old

    def write(self, lines: list[str]) -> None:
        data = _bytes_of(lines)
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        with self._alone():
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_size + len(data) > self._size:
                    self._turn()
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                _write_all(file, data)
            finally:
                os.close(file)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _turn(self) -> None:
        for number in range(self._old, 0, -1):
            newer = old_file(self._path, number - 1)
            with contextlib.suppress(FileNotFoundError):
                newer.rename(old_file(self._path, number))


def old_file(path: Path, number: int) -> Path:
    """The file that was full so many files ago; 0 is the one that is written."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def _bytes_of(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
