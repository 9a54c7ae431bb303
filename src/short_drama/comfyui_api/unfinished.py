"""Unfinished pictures, made small enough to travel in a task's record."""

import asyncio
import base64
import logging
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from short_drama.comfyui_api.server.events import Previewed
from short_drama.domain.errors import ImageRejected
from short_drama.images.codec import encode
from short_drama.images.labels import Label
from short_drama.images.structure import JPEG, blaming_the_bytes, open_image
from short_drama.jobs.job import Job

log = logging.getLogger(__name__)

SIDE = 256
"""Pixels, at most: some 10 KB, which a record can hold and an artist can see a framing in."""
_QUALITY = 60
_EVERY_SECONDS = 1.0
_SMALLEST = 8
"""Of a preview's sides; extreme ones are of no use, and ComfyUI has made them 0 pixels wide."""


def data_url(preview: Previewed, label: Label) -> str:
    """The preview as `data:image/jpeg;base64,...`. Raises ImageRejected."""
    image, _ = open_image(preview.data)
    small = blaming_the_bytes(lambda: image.convert("RGB"))
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    if min(small.size) < _SMALLEST:
        raise ImageRejected(f"the preview is {small.width} x {small.height} pixels")
    data = encode(np.asarray(small), JPEG, label=label, jpeg_quality=_QUALITY)
    return f"data:{JPEG};base64,{base64.b64encode(data).decode()}"


class PreviewReporter:
    """Reports a job's previews, one a second at most, each made in a thread."""

    def __init__(
        self, job: Job, label: Label, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._job, self._label, self._clock = job, label, clock
        self._seen: Previewed | None = None
        self._next_at = clock()
        self._making: asyncio.Task[None] | None = None

    def take(self, preview: Previewed | None) -> None:
        """Report it soon, unless it is no news or comes too early."""
        if preview is None or preview is self._seen or self._clock() < self._next_at:
            return
        if self._making is None or self._making.done():
            self._seen, self._next_at = preview, self._clock() + _EVERY_SECONDS
            self._making = asyncio.create_task(self._make(preview))

    async def end(self) -> None:
        """Nothing is reported after this."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        self._job.preview = None

    async def _make(self, preview: Previewed) -> None:
        try:
            url = await asyncio.to_thread(data_url, preview, self._label)
        except ImageRejected as error:  # a preview is never worth a job
            log.warning("a preview cannot be shown: %s", error.detail)
        else:
            self._job.report(preview=url)
