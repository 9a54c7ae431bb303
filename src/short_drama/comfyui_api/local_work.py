"""The GPU kinds done by the local `preview` engine: previews, and said to be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from short_drama.comfyui_api.local_preview import Preview, Previewed
from short_drama.comfyui_api.prompts.camera import CameraMove, move_for
from short_drama.comfyui_api.prompts.camera_words import CameraWords, prompt_for
from short_drama.comfyui_api.result_size import result_size
from short_drama.domain import asset_keys
from short_drama.domain.kinds import CameraAngleRequest, QwenImageEditRequest
from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import check_asked, of_an_edited_still
from short_drama.images.codec import Picture, Pixels, size_of
from short_drama.images.labels import SourceType
from short_drama.images.resize import resized
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Job, Work
from short_drama.jobs.results import publish_picture
from short_drama.jobs.threads import in_thread
from short_drama.ports import AssetStore

ENGINE = "local-preview"
_STILL = of_an_edited_still("image_url")


def preview_works(
    models: Path, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    """How each GPU kind is done here; `models` is the folder of model files."""
    preview = Preview(models)
    return {
        "camera-angle": CameraAngleWork(preview, sources, assets),
        "qwen-image-edit": ImageEditWork(preview, sources, assets),
    }


@dataclass(frozen=True, slots=True)
class Sized:
    """A preview, its picture in the size that was asked for."""

    previewed: Previewed
    image: Pixels
    warnings: tuple[str, ...]


class _PreviewWork:
    """What both kinds have in common."""

    engine = ENGINE

    def __init__(self, preview: Preview, sources: ImageSources, assets: AssetStore) -> None:
        self._preview, self._sources, self._assets = preview, sources, assets

    async def check(self) -> None:
        """Raises EngineNotReady."""
        self._preview.check()

    async def weigh(self, job: Job) -> int:
        return await self._sources.weigh(job.order.images)

    async def _still(self, job: Job, reference: str, asked: str) -> Pixels:
        """Raises ImageRejected or InvalidRequest for a size that the kinds do not take."""
        picture: Picture = await self._sources.picture(
            reference, field=_STILL.field, owner=job.order.owner
        )
        _STILL.check(picture.size)
        check_asked(asked, picture.size)
        return picture.pixels

    async def _sized(self, still: Pixels, asked: str, make: Callable[[], Previewed]) -> Sized:
        def sized() -> Sized:
            made = make()
            found = result_size(asked, still=size_of(still), made=size_of(made.image))
            same = found.size == size_of(made.image)
            image = made.image if same else resized(made.image, found.size)
            return Sized(made, image, found.warnings)

        return await in_thread(sized)

    async def _publish(self, job: Job, made: Sized, **details: Any) -> Outcome:
        stored = await publish_picture(
            self._assets,
            job,
            asset_keys.comfyui_result(job.order.kind, job.job_id),
            made.image,
            content_type="image/png",
            source=SourceType.COMPOSITE_CAPTURE,
            engine=ENGINE,
        )
        facts = {
            "preview": True,
            "operations": list(made.previewed.operations),
            "note": made.previewed.note,
            "warnings": list(made.warnings),
        }
        return stored.outcome(facts | details)


class CameraAngleWork(_PreviewWork):
    async def prepare(self, job: Job) -> tuple[Pixels, CameraMove]:
        request = cast("CameraAngleRequest", job.order.request)
        move = move_for(request.prompt, _pad(request))
        return await self._still(job, request.image_url, request.size), move

    async def make(self, job: Job, prepared: tuple[Pixels, CameraMove]) -> Sized:
        request = cast("CameraAngleRequest", job.order.request)
        still, _ = prepared
        return await self._sized(still, request.size, lambda: self._preview.camera(*prepared))

    async def publish(self, job: Job, made: Sized) -> Outcome:
        request = cast("CameraAngleRequest", job.order.request)
        prompt = prompt_for(request.prompt, _pad(request), CameraWords.RELATIVE)
        return await self._publish(job, made, camera_prompt=prompt)


def _pad(request: CameraAngleRequest) -> CameraMove:
    return CameraMove(request.vertical, request.horizontal, request.zoom)


class ImageEditWork(_PreviewWork):
    async def prepare(self, job: Job) -> tuple[Pixels, str, list[Pixels]]:
        request = cast("QwenImageEditRequest", job.order.request)
        still = await self._still(job, request.image_url, request.size)
        more = [
            (await self._sources.picture(reference, field=field, owner=job.order.owner)).pixels
            for field in ("image2_url", "image3_url")
            if (reference := getattr(request, field)) is not None
        ]
        return still, request.prompt, more

    async def make(self, job: Job, prepared: tuple[Pixels, str, list[Pixels]]) -> Sized:
        request = cast("QwenImageEditRequest", job.order.request)
        still, *_ = prepared
        return await self._sized(still, request.size, lambda: self._preview.edit(*prepared))

    async def publish(self, job: Job, made: Sized) -> Outcome:
        return await self._publish(job, made)
