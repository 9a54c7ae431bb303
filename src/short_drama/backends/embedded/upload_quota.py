"""How much uploads may take of the disk, all of them together and those of one owner."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from short_drama import metrics
from short_drama.backends.embedded.asset_walk import sizes_under
from short_drama.domain.asset_keys import UPLOADS_PREFIX
from short_drama.domain.errors import StorageFull

_LOOK_SECONDS: Final = 600.0
"""Others that add uploads, or delete them, are noticed that late; when it is full, sooner."""
_LOOK_SECONDS_WHEN_FULL: Final = 10.0


@dataclass(slots=True)
class _Share:
    """`most`: bytes; 0 is no limit."""

    prefix: str
    most: int
    whose: str
    setting: str
    taken: int = 0
    looked_at: float = float("-inf")

    def refusal(self) -> StorageFull:
        return StorageFull(
            f"{self.whose} may take {self.most / 2**20:.0f} MiB, of which "
            f"{self.taken / 2**20:.1f} are taken",
            fix="Those that no task names are deleted by themselves, after a day unless it "
            f"is set otherwise; `short-drama storage` shows them. Or raise {self.setting}.",
        )


class UploadQuota:
    """Of the asset folder `root`; used by several threads. Several processes know of each other's
    uploads only when they look, so they may pass the limit by what they took since.

    Args:
        most, most_each: bytes, of all and of each owner; 0 is no limit.
    """

    def __init__(
        self,
        root: Path,
        *,
        most: int,
        most_each: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._most_each, self._clock = root, most_each, clock
        self._lock = threading.Lock()
        self._all = _Share(UPLOADS_PREFIX, most, "all uploads together", "SHORT_DRAMA_UPLOADS_MIB")
        self._of_owners: dict[str, _Share] = {}

    def take(self, size: int, *, key: str = "") -> None:
        """An upload of `size` bytes is about to be written. Raises StorageFull, OSError."""
        with self._lock:
            shares = [share for share in (self._all, self._own(key)) if share.most]
            for share in shares:
                self._look(share, size)
                if share.taken + size > share.most:
                    if share is not self._all:
                        metrics.LIMITS_HIT.labels("owner", "uploads").inc()
                    raise share.refusal()
            for share in shares:
                share.taken += size

    def _own(self, key: str) -> _Share:
        """Of whoever the key says owns it."""
        owner = key.removeprefix(UPLOADS_PREFIX).partition("/")[0]
        prefix = f"{UPLOADS_PREFIX}{owner}/"
        share = _Share(
            prefix, self._most_each, "your uploads together", "SHORT_DRAMA_OWNER_UPLOADS_MIB"
        )
        return self._of_owners.setdefault(owner, share)

    def _look(self, share: _Share, size: int) -> None:
        full = share.taken + size > share.most
        patience = _LOOK_SECONDS_WHEN_FULL if full else _LOOK_SECONDS
        if self._clock() - share.looked_at > patience:
            share.taken = sum(sizes_under(self._root, share.prefix))
            share.looked_at = self._clock()
