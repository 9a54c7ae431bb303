"""An engine that takes no time: what is left is the pipeline's own cost."""

from collections.abc import Mapping
from typing import Any

from short_drama.domain import asset_keys
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import Size
from short_drama.images.sources import ImageSources
from short_drama.jobs.results import publish_once
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore, made_by
from short_drama.settings import Settings


class NoopWork:
    """Reads its first input and publishes a small result, where a real engine would."""

    engine = "noop"

    def __init__(self, assets: AssetStore) -> None:
        self._assets = assets

    async def prepare(self, job: Job) -> bytes:
        kind = KINDS[job.order.kind]
        reference = getattr(job.order.request, kind.image_fields[0])
        return await self._assets.get(reference.removeprefix("asset:"))

    async def make(self, job: Job, prepared: bytes) -> bytes:
        return prepared[:1024]

    async def publish(self, job: Job, made: bytes) -> Outcome:
        key = asset_keys.comfyui_result(job.order.kind, job.job_id)
        if KINDS[job.order.kind].lane is Lane.CPU:
            key = asset_keys.face_picture(job.order.created_at, job.job_id)
        stored = await publish_once(
            self._assets,
            key,
            made,
            content_type="image/png",
            size=Size(512, 512),
            metadata=made_by(job.order.key),
        )
        return stored.outcome({})


def noop_engines(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    return dict.fromkeys(KINDS, NoopWork(assets))


NOOP = dict.fromkeys(Lane, noop_engines)
