"""Which files have been read a moment ago, from end to end, and found to be as they were put.

Reading a picture of 100 MB for each submit that names it takes more than the rest of the submit. A
file whose time of change is the same has not been written since; that the disk has not spoilt it is
believed for a minute only, because a repeated upload is what mends it.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

SECONDS: Final = 60.0
_SETTLED: Final = 1.0
"""How old a change must be, in seconds: clocks of file systems tick, and two changes within a tick
look like one."""
_MOST: Final = 1024


class LatelyRead:
    """To be asked from any thread.

    Args:
        clock: in Unix seconds, as file systems have it.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._read: OrderedDict[str, tuple[float, tuple[int, ...]]] = OrderedDict()

    def __contains__(self, file: tuple[str, os.stat_result]) -> bool:
        """`file`: a key, and how the file of it is now."""
        key, found = file
        with self._lock:
            when, identity = self._read.get(key, (0.0, ()))
        return identity == _identity(found) and 0 <= self._clock() - when < SECONDS

    def note(self, key: str, found: os.stat_result) -> None:
        """`found`: before it was read."""
        now = self._clock()
        if now - found.st_ctime < _SETTLED:
            return
        with self._lock:
            self._read.pop(key, None)
            self._read[key] = (now, _identity(found))
            if len(self._read) > _MOST:
                self._read.popitem(last=False)

    def forget(self, key: str) -> None:
        with self._lock:
            self._read.pop(key, None)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
