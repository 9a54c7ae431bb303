"""The GPU kinds done by the local `preview` engine: previews, and said to be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from short_drama.comfyui_api.local_preview import Preview, Previewed
from short_drama.comfyui_api.prompts.camera import CameraMove, move_for, prompt_for
from short_drama.domain import asset_keys
from short_drama.domain.kinds import CameraAngleRequest, QwenImageEditRequest
from short_drama.domain.task import Outcome
from short_drama.images.codec import Pixels
from short_drama.images.labels import SourceType
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Job, Work
from short_drama.jobs.results import publish_picture
from short_drama.jobs.threads import in_thread
from short_drama.ports import AssetStore

ENGINE = "local-preview"


def preview_works(
    models: Path, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    """How each GPU kind is done here; `models` is the folder of model files."""
    preview = Preview(models)
    return {
        "camera-angle": CameraAngleWork(preview, sources, assets),
        "qwen-image-edit": ImageEditWork(preview, sources, assets),
    }


class _PreviewWork:
    """What both kinds have in common."""

    engine = ENGINE

    def __init__(self, preview: Preview, sources: ImageSources, assets: AssetStore) -> None:
        self._preview, self._sources, self._assets = preview, sources, assets

    async def check(self) -> None:
        """Raises EngineNotReady."""
        self._preview.check()

    async def _publish(self, job: Job, made: Previewed, **details: Any) -> Outcome:
        key = asset_keys.comfyui_result(job.order.kind, job.job_id)
        await publish_picture(
            self._assets,
            job,
            key,
            made.image,
            content_type="image/png",
            source=SourceType.COMPOSITE_CAPTURE,
            engine=ENGINE,
        )
        facts = {"preview": True, "operations": list(made.operations), "note": made.note}
        return Outcome(result_key=key, details=facts | details)


class CameraAngleWork(_PreviewWork):
    async def prepare(self, job: Job) -> tuple[Pixels, CameraMove]:
        request = cast("CameraAngleRequest", job.order.request)
        move = move_for(request.prompt, _pad(request))
        picture = await self._sources.picture(request.image_url, field="image_url")
        return picture.pixels, move

    async def make(self, job: Job, prepared: tuple[Pixels, CameraMove]) -> Previewed:
        return await in_thread(self._preview.camera, *prepared)

    async def publish(self, job: Job, made: Previewed) -> Outcome:
        request = cast("CameraAngleRequest", job.order.request)
        prompt = prompt_for(request.prompt, _pad(request))
        return await self._publish(job, made, camera_prompt=prompt)


def _pad(request: CameraAngleRequest) -> CameraMove:
    return CameraMove(request.vertical, request.horizontal, request.zoom)


class ImageEditWork(_PreviewWork):
    async def prepare(self, job: Job) -> tuple[Pixels, str, list[Pixels]]:
        request = cast("QwenImageEditRequest", job.order.request)
        pictures = [
            (await self._sources.picture(reference, field=field)).pixels
            for field in ("image_url", "image2_url", "image3_url")
            if (reference := getattr(request, field)) is not None
        ]
        return pictures[0], request.prompt, pictures[1:]

    async def make(self, job: Job, prepared: tuple[Pixels, str, list[Pixels]]) -> Previewed:
        return await in_thread(self._preview.edit, *prepared)

    async def publish(self, job: Job, made: Previewed) -> Outcome:
        return await self._publish(job, made)
