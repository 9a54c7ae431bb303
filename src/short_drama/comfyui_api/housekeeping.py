"""Delete our old files from ComfyUI's folders: nothing else does, and full folders slow it down.

A result is kept for an hour after it was published, because an attempt that was lost in between
takes it from there instead of running again.
"""

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from short_drama.comfyui_api.comfyui_work import FOLDER

log = logging.getLogger(__name__)

KEPT_SECONDS = 3600.0
_EVERY_SECONDS = 600.0


def remove_old(base: Path, *, now: float, kept: float = KEPT_SECONDS) -> int:
    """Remove the folders of jobs that were last written to more than `kept` seconds ago; how
    many. `base` is ComfyUI's base folder, `now` in Unix seconds."""
    removed = 0
    for parent in ("output", "temp"):
        with contextlib.suppress(FileNotFoundError):
            for folder in (base / parent / FOLDER).iterdir():
                if folder.stat().st_mtime < now - kept:
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += 1
    return removed


@contextlib.asynccontextmanager
async def keeping_house(
    base: Path, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[None]:
    keeping = asyncio.create_task(_keep_house(base, clock), name="comfyui housekeeping")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep_house(base: Path, clock: Callable[[], float]) -> None:
    while True:
        try:
            await asyncio.to_thread(remove_old, base, now=clock())
        except OSError as error:
            log.warning("old files of ComfyUI could not be removed: %s", error.strerror)
        await asyncio.sleep(_EVERY_SECONDS)
