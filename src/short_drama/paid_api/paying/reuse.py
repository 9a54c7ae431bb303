"""Earlier results of the very same request, for clients that allow them to be used again."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress

from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound
from short_drama.ports import AssetExists, AssetStore


def fingerprint(*, model: str, prompt: str, size: str, images: Sequence[bytes]) -> str:
    """The same for the same request, and for no other."""
    told = [model, prompt, size, *(hashlib.sha256(image).hexdigest() for image in images)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


async def find(assets: AssetStore, request: str) -> bytes | None:
    """The picture that this request has made before."""
    try:
        found = json.loads(await assets.get(asset_keys.reusable(request)))
        return await assets.get(str(found["key"]))
    except AssetNotFound:
        return None


async def keep(assets: AssetStore, request: str, *, key: str) -> None:
    """`key`: of the published picture."""
    with suppress(AssetExists):
        body = json.dumps({"key": key}).encode()
        await assets.put(asset_keys.reusable(request), body, content_type="application/json")
