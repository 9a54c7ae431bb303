"""Earlier results of the very same request, for clients that allow them to be used again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound
from short_drama.ports import AssetExists, AssetStore, owned_by


def fingerprint(
    *, model: str, prompt: str, size: str, images: Sequence[bytes], owner: str = ""
) -> str:
    """The same for the same request of the same owner, and for no other."""
    told = [model, prompt, size, *(hashlib.sha256(image).hexdigest() for image in images)]
    told += owned_by(owner).values()
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def order(kind: str, request: Mapping[str, Any], *, model: str) -> str:
    """The same for the same order by a client, whose images are references: what can be known of a
    request before any picture is looked at."""
    told = {name: value for name, value in request.items() if name != "reuse"}
    return hashlib.sha256(json.dumps([kind, told, model], sort_keys=True).encode()).hexdigest()


async def is_kept(assets: AssetStore, request: str) -> bool:
    try:
        await assets.head(asset_keys.reusable(request))
    except AssetNotFound:
        return False
    return True


async def find(assets: AssetStore, request: str) -> bytes | None:
    """The picture that this request has made before, if there is still a way to it."""
    try:
        found = json.loads(await assets.get(asset_keys.reusable(request)))
        return await assets.get(str(found["key"]))
    except (AssetNotFound, ValueError, TypeError, LookupError):
        return None


async def keep(assets: AssetStore, request: str, *, key: str) -> None:
    """`key`: of the published picture."""
    with suppress(AssetExists):
        body = json.dumps({"key": key}).encode()
        await assets.put(asset_keys.reusable(request), body, content_type="application/json")
