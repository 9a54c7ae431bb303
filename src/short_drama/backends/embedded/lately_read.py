"""What was read of files a moment ago, when they were found to be as they were put.

Reading a picture of 100 MB for each submit that names it takes more than the rest of the submit,
and handing the work to a thread a tenth of it. A file whose time of change is the same has not been
written since; that the disk has not spoilt it is believed for a minute only, because a repeated
upload is what mends it.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Told = TypeVar("Told")

SECONDS: Final = 60.0
_SETTLED: Final = 1.0
"""How old a change must be, in seconds: clocks of file systems tick, and two changes within a tick
look like one."""
_MOST: Final = 1024


class LatelyRead(Generic[Told]):
    """What files told of themselves, by key. To be asked from any thread.

    Args:
        clock: in Unix seconds, as file systems have it.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._read: OrderedDict[str, tuple[float, tuple[int, ...], Told]] = OrderedDict()

    def told(self, key: str, found: os.stat_result) -> Told | None:
        """None of a file that is to be read. `found`: how it is now."""
        with self._lock:
            noted = self._read.get(key)
        if noted is None:
            return None
        when, identity, told = noted
        is_believed = identity == _identity(found) and 0 <= self._clock() - when < SECONDS
        return told if is_believed else None

    def note(self, key: str, found: os.stat_result, told: Told) -> None:
        """`found`: before it was read."""
        now = self._clock()
        if now - found.st_ctime < _SETTLED:
            return
        with self._lock:
            self._read.pop(key, None)
            self._read[key] = (now, _identity(found), told)
            if len(self._read) > _MOST:
                self._read.popitem(last=False)

    def forget(self, key: str) -> None:
        with self._lock:
            self._read.pop(key, None)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
