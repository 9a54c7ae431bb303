"""How much all uploads together may take of the disk."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from short_drama.backends.embedded.asset_walk import sizes_under
from short_drama.domain.asset_keys import UPLOADS_PREFIX
from short_drama.domain.errors import StorageFull

_LOOK_SECONDS: Final = 600.0
"""Others that add uploads, or delete them, are noticed that late; when it is full, sooner."""
_LOOK_SECONDS_WHEN_FULL: Final = 10.0


class UploadQuota:
    """Of the asset folder `root`; used by several threads. Several processes know of each other's
    uploads only when they look, so they may pass the limit by what they took since.

    Args:
        most: bytes; 0 is no limit.
    """

    def __init__(
        self, root: Path, *, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root, self._most, self._clock = root, most, clock
        self._lock = threading.Lock()
        self._taken, self._looked_at = 0, float("-inf")

    def take(self, size: int) -> None:
        """An upload of `size` bytes is about to be written. Raises StorageFull, OSError."""
        if not self._most:
            return
        with self._lock:
            full = self._taken + size > self._most
            patience = _LOOK_SECONDS_WHEN_FULL if full else _LOOK_SECONDS
            if self._clock() - self._looked_at > patience:
                self._taken = sum(sizes_under(self._root, UPLOADS_PREFIX))
                self._looked_at = self._clock()
            if self._taken + size > self._most:
                raise StorageFull(
                    f"all uploads together may take {self._most / 2**20:.0f} MiB, of which "
                    f"{self._taken / 2**20:.1f} are taken",
                    fix="Those that no task names are deleted by themselves, after a day unless it "
                    "is set otherwise; `short-drama storage` shows them. Or raise "
                    "SHORT_DRAMA_UPLOADS_MIB.",
                )
            self._taken += size
