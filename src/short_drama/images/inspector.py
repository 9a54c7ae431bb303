"""Strangers' manifests, read where they can do no harm.

They are files within files, and a library reads them: in a child process, which the kernel keeps
within memory and time, and which is there for one picture.
"""

import asyncio
import contextlib
import json
import sys
from dataclasses import replace
from typing import Final

from short_drama import metrics
from short_drama.domain.errors import ImageRejected, InternalError
from short_drama.images import manifest
from short_drama.images.decoders import WALL_SECONDS, environment
from short_drama.images.inspection import Inspection, seen
from short_drama.images.manifest import Reading

CHILD: Final = "short_drama.images.inspection_child"


async def inspected(data: bytes, *, trusted: str | None = None) -> Inspection:
    """As `inspection.inspect`, for strangers' pictures. Raises ImageRejected, also for a manifest
    that takes too much."""
    found = await asyncio.to_thread(seen, data)
    if found.manifest.state == "none" or not manifest.is_installed():
        return found
    asked = {"content_type": found.content_type, "trusted": trusted}
    return replace(found, manifest=await _read_apart(json.dumps(asked).encode(), data))


async def _read_apart(asked: bytes, data: bytes) -> Reading:
    """What the child says of the manifest."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", CHILD, env=environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    metrics.DECODERS_STARTED.inc()
    try:
        async with asyncio.timeout(WALL_SECONDS):
            said, _ = await child.communicate(asked + b"\n" + data)
    except TimeoutError:
        raise _too_much() from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if child.returncode == 0:
        return Reading.from_json(json.loads(said))
    metrics.DECODERS_DIED.inc()
    if (child.returncode or 0) < 0:
        raise _too_much()
    raise InternalError(f"the reader of manifests ended with status {child.returncode}")


def _too_much() -> ImageRejected:
    return ImageRejected(
        "the image's manifest takes too much memory or time to read",
        fix="Open it in an image program and save it without its manifest.",
    )
