"""Store what a job made."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import Size
from short_drama.images.codec import Pixels, encode, size_of
from short_drama.images.labels import Label, SourceType
from short_drama.images.mask_note import MaskNote
from short_drama.images.sources import size_metadata
from short_drama.jobs.job import Job
from short_drama.ports import AssetExists, AssetStore, owned_by


class Stored(NamedTuple):
    """A result's key, and what the record tells of it: width, height and bytes."""

    key: str
    result: dict[str, int]

    def outcome(
        self,
        details: Mapping[str, Any],
        *,
        engine_seconds: float | None = None,
    ) -> Outcome:
        return Outcome(
            result_key=self.key,
            result=self.result,
            details=details,
            engine_seconds=engine_seconds,
        )


async def publish_picture(
    assets: AssetStore,
    job: Job,
    key: str,
    pixels: Pixels,
    *,
    content_type: str,
    source: SourceType,
    engine: str,
    mask: MaskNote | None = None,
) -> Stored:
    """Encode the pixels with the label that says how they were made, and store them; `mask` is
    where a masked picture's is."""
    label = Label.of_job(source, engine=engine, kind=job.order.kind, job_id=job.job_id, mask=mask)
    # High enough that a JPEG can be worked on again.
    data = await asyncio.to_thread(encode, pixels, content_type, label=label, jpeg_quality=95)
    facts = {"kind": job.order.kind, "engine": engine, **owned_by(job.order.owner)}
    if mask is not None:
        facts["ellipse"] = mask.to_text()
    return await publish_once(
        assets, key, data, content_type=content_type, size=size_of(pixels), metadata=facts
    )


async def publish_once(
    assets: AssetStore,
    key: str,
    data: bytes,
    *,
    content_type: str,
    size: Size,
    metadata: Mapping[str, str],
) -> Stored:
    """Store a result under its attempt's own key; finding it there means we stored it before."""
    told = {**metadata, **size_metadata(size)}
    with contextlib.suppress(AssetExists):
        await assets.put(key, data, content_type=content_type, metadata=told)
    return Stored(key, {**size.to_json(), "bytes": len(data)})
