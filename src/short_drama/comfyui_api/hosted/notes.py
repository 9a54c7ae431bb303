"""Which job of the server's a run of ours is: the server names its jobs, and forgets our names.

One small file a run, written once, under `jobs/{run}/`, where no client reads.
"""

import contextlib
import json
import time
from collections.abc import Callable

from short_drama.domain.errors import AssetNotFound
from short_drama.ports import AssetExists, AssetStore

_JSON = "application/json"


class Notes:
    """Every method may raise Unavailable."""

    def __init__(self, assets: AssetStore, *, clock: Callable[[], float] = time.time) -> None:
        self._assets, self._clock = assets, clock

    async def write(self, run: str, job_id: str) -> None:
        """The first writer is right: two that submit the same run start one job."""
        told = {"id": job_id, "at": round(self._clock(), 3)}
        with contextlib.suppress(AssetExists):
            await self._assets.put(_file(run), json.dumps(told).encode(), content_type=_JSON)

    async def read(self, run: str) -> str | None:
        try:
            data = await self._assets.get(_file(run))
        except AssetNotFound:
            return None
        return str(json.loads(data)["id"])


def _file(run: str) -> str:
    return f"jobs/{run}/comfy-api-v2.json"
