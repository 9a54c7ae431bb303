"""Gauges that nothing sets by the way: somebody has to look, again and again, whether or not
anybody asks for /health or /metrics."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from short_drama import metrics

log = logging.getLogger(__name__)

Look = Callable[[], Awaitable[None]]
"""Tells gauges what it sees, and takes back what it no longer does, also when it is cancelled."""


_LONGEST_SECONDS = 10.0


class Watch:
    """`looks` are taken together, each `every` seconds; one that fails does not stop the others."""

    def __init__(self, *, every: float) -> None:
        self.looks: list[Look] = []
        self._every = every

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.gather(*(_take(look) for look in self.looks))
            await asyncio.sleep(self._every)


async def _take(look: Look) -> None:
    """A look that lasts is given up, and tells that it has seen nothing: it must not hold up the
    others, nor leave what it saw before."""
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            await look()
    except TimeoutError:
        log.warning("a look at what /metrics tells took too long")
    except Exception:
        log.exception("a look at what /metrics tells failed unexpectedly")


async def look_at_disk(name: str, folder: Path) -> None:
    """How much room is left where the folder is; in a thread, for a network's disk may be slow."""
    free, size = None, None
    try:
        with contextlib.suppress(OSError):  # it is not there yet, or any more
            usage = await asyncio.to_thread(shutil.disk_usage, folder)
            free, size = usage.free, usage.total
    finally:
        metrics.DISK_FREE.tell(free, name)
        metrics.DISK_SIZE.tell(size, name)
