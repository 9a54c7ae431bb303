"""Store what a job made."""

import asyncio
import contextlib
from collections.abc import Mapping

from short_drama.images.codec import Pixels, encode
from short_drama.images.labels import Label, SourceType
from short_drama.jobs.job import Job
from short_drama.ports import AssetExists, AssetStore


async def publish_picture(
    assets: AssetStore,
    job: Job,
    key: str,
    pixels: Pixels,
    *,
    content_type: str,
    source: SourceType,
    engine: str,
) -> None:
    """Encode the pixels with the label that says how they were made, and store them."""
    label = Label.of_job(source, engine=engine, kind=job.order.kind, job_id=job.job_id)
    # High enough that a result can be worked on again; see docs/decisions/0006.
    data = await asyncio.to_thread(encode, pixels, content_type, label=label, jpeg_quality=95)
    facts = {"kind": job.order.kind, "engine": engine}
    await publish_once(assets, key, data, content_type=content_type, metadata=facts)


async def publish_once(
    assets: AssetStore, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str]
) -> None:
    """Store a result under its attempt's own key; finding it there means we stored it before."""
    with contextlib.suppress(AssetExists):
        await assets.put(key, data, content_type=content_type, metadata=metadata)
