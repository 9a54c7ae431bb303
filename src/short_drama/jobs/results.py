"""Store what a job made: labelled, signed last, and told of in the record.

Every picture that is published goes through here, whoever made it: `publish_picture` takes pixels,
`publish_png` a file that an engine wrote.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from short_drama.domain.errors import AssetNotFound
from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import Size
from short_drama.images import manifest, png
from short_drama.images.codec import Pixels, decode, encode, size_of
from short_drama.images.labels import Label, SourceType
from short_drama.images.manifest import Claim, Ingredient
from short_drama.images.mask_note import MaskNote
from short_drama.images.sources import size_metadata
from short_drama.images.structure import MAX_BYTES_OF_OURS, PNG, sniff
from short_drama.images.visible_mark import VisibleMark
from short_drama.jobs.job import Job
from short_drama.ports import AssetExists, AssetStore, made_by, owned_by

_HELD = "asset:"
"""How a request names a picture that we hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A result's key, and what the record tells of it: width, height and bytes, and `origin`, what
    it was made of and who signed that."""

    key: str
    result: dict[str, int]
    origin: Mapping[str, Any] = field(default_factory=dict)

    def outcome(
        self,
        details: Mapping[str, Any],
        *,
        engine_seconds: float | None = None,
    ) -> Outcome:
        return Outcome(
            result_key=self.key,
            result=self.result,
            details={**details, **self.origin},
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
    is_kept: bool = False,
) -> Stored:
    """Encode the pixels with the label that says how they were made, sign and store them; `mask` is
    where a masked picture's is. `is_kept`: to be worked on again, and so without a visible mark."""
    label, mark = label_of(job, source, engine=engine, mask=mask), None if is_kept else job.mark
    if mark is not None:
        pixels = await asyncio.to_thread(mark.drawn_on, pixels)
    # High enough that a JPEG can be worked on again.
    data = await asyncio.to_thread(encode, pixels, content_type, label=label, jpeg_quality=95)
    return await _publish(assets, job, key, data, size=size_of(pixels), label=label, mark=mark)


async def publish_png(
    assets: AssetStore,
    job: Job,
    key: str,
    file: bytes,
    *,
    size: Size,
    source: SourceType,
    engine: str,
) -> Stored:
    """Label, sign and store a PNG that has no metadata."""
    if job.mark is not None:  # its pixels are wanted after all
        made = await asyncio.to_thread(decode, file, max_bytes=MAX_BYTES_OF_OURS)
        return await publish_picture(
            assets, job, key, made.pixels, content_type=PNG, source=source, engine=engine
        )
    label = label_of(job, source, engine=engine)
    data = await asyncio.to_thread(png.labelled, file, label)
    return await _publish(assets, job, key, data, size=size, label=label, mark=None)


def label_of(job: Job, source: SourceType, *, engine: str, mask: MaskNote | None = None) -> Label:
    """What every picture of the job says of its making."""
    return Label.of_job(
        source,
        engine=engine,
        kind=job.order.kind,
        job_id=job.job_id,
        task_id=job.order.key,
        mask=mask,
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
    return Stored(key=key, result={**size.to_json(), "bytes": len(data)})


async def _publish(
    assets: AssetStore,
    job: Job,
    key: str,
    data: bytes,
    *,
    size: Size,
    label: Label,
    mark: VisibleMark | None,
) -> Stored:
    content_type = sniff(data)
    inputs = await _inputs(assets, job)
    told_inputs = await asyncio.to_thread(_told, inputs)
    claim = _claim(job, label, mark, told_inputs)
    data, signer = await job.manifests.sign(data, content_type, claim, inputs)
    facts = {"kind": label.kind, "engine": label.engine, **owned_by(job.order.owner)}
    facts |= made_by(label.task_id)
    if label.mask is not None:
        facts["ellipse"] = label.mask.to_text()
    told = {**facts, **size_metadata(size)}
    try:
        await assets.put(key, data, content_type=content_type, metadata=told)
    except AssetExists:  # we stored it before, signed at another time
        data = await assets.get(key)
    return Stored(
        key=key,
        result={**size.to_json(), "bytes": len(data)},
        origin={
            "sha256": await asyncio.to_thread(_sha256, data),
            "inputs": told_inputs,
            "manifest": signer,
            **({} if mark is None else {"visible_mark": mark.text}),
        },
    )


def _claim(
    job: Job, label: Label, mark: VisibleMark | None, inputs: Mapping[str, Mapping[str, Any]]
) -> Claim:
    """What the result's manifest says."""
    return Claim(
        action="c2pa.edited",
        agent=label.engine,
        source=label.source,
        facts={
            "task_id": label.task_id,
            "job_id": label.job_id,
            "kind": label.kind,
            "engine": label.engine,
            **({"consents": " ".join(job.order.consents)} if job.order.consents else {}),
            **({} if mark is None else {"visible mark": mark.text}),
            **{f"sha256 of {name}": one["sha256"] for name, one in inputs.items()},
        },
    )


async def _inputs(assets: AssetStore, job: Job) -> list[Ingredient]:
    """The pictures that went in, as we hold them; the one that is worked on first."""
    held = {
        name: reference.removeprefix(_HELD)
        for name, reference in job.order.images.items()
        if reference.startswith(_HELD)
    }
    found = await asyncio.gather(*(_read(assets, key) for key in held.values()))
    return [
        Ingredient(name=name, data=data, content_type=sniff(data))
        for name, data in zip(held, found, strict=True)
        if data is not None
    ]


async def _read(assets: AssetStore, key: str) -> bytes | None:
    """None where it has been deleted since the job read it."""
    try:
        return await assets.get(key)
    except AssetNotFound:
        return None


def _told(inputs: Sequence[Ingredient]) -> dict[str, dict[str, Any]]:
    """What the record tells of each, by name. It reads all of their bytes: for a thread."""
    return {
        one.name: {"sha256": _sha256(one.data), "manifest": manifest.may_hold(one.data)}
        for one in inputs
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
