"""Which job of the server's a prompt of ours is: it gives its jobs ids of its own.

One small file a prompt, written once, where no client reads.
"""

import contextlib
import json
import time
from collections.abc import Callable

from short_drama.domain import asset_keys, formats
from short_drama.domain.errors import AssetNotFound
from short_drama.ports import AssetExists, AssetStore

_JSON = "application/json"


class Notes:
    """Every method may raise Unavailable."""

    def __init__(self, assets: AssetStore, *, clock: Callable[[], float] = time.time) -> None:
        self._assets, self._clock = assets, clock

    async def write(self, prompt_id: str, job_id: str) -> None:
        """The first writer is right: two that submit the same prompt start one job."""
        told = formats.NOTE.marked({"id": job_id, "at": round(self._clock(), 3)})
        with contextlib.suppress(AssetExists):
            key = asset_keys.hosted_job(prompt_id)
            await self._assets.put(key, json.dumps(told).encode(), content_type=_JSON)

    async def read(self, prompt_id: str) -> str | None:
        """None too where the note cannot be read any more. Raises NewerFormat."""
        try:
            told = json.loads(await self._assets.get(asset_keys.hosted_job(prompt_id)))
            formats.NOTE.require_known(told)
            return str(told["id"])
        except (AssetNotFound, ValueError, TypeError, LookupError, AttributeError):
            return None
