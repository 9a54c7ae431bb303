"""The face kinds with a provider in at least one step: detect, mask, generate, publish."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from short_drama.domain import asset_keys
from short_drama.domain.kinds import FaceMaskRequest, FaceSwapRequest, FullFaceSwapRequest
from short_drama.domain.task import Outcome
from short_drama.images.codec import Pixels
from short_drama.images.labels import SourceType
from short_drama.images.sources import ImageSources
from short_drama.images.structure import JPEG, PNG
from short_drama.jobs.job import Job, Work
from short_drama.jobs.results import publish_picture
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.detectors import DETECT, DETECT_AGAIN, Detector, Found, Wanted
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.generators import GENERATE, Generator, Order, Picture
from short_drama.paid_api.masks import paint_soft
from short_drama.paid_api.paying import reuse
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.checkpoint import Checkpoint
from short_drama.paid_api.paying.steps import Steps
from short_drama.ports import AssetStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What all three kinds work with. `feather` is that of masks, see `masks.paint_soft`."""

    detector: Detector
    generator: Generator
    sources: ImageSources
    assets: AssetStore
    budgets: Budgets
    feather: float = 0.0

    def steps(self, job: Job) -> Steps:
        names = (DETECT, DETECT_AGAIN, GENERATE)
        checkpoint = Checkpoint(self.assets, job.order.key, names)
        return Steps(
            checkpoint,
            self.budgets,
            job.order.labels,
            on_stage=lambda stage: job.report(stage=stage),
        )


def provider_works(pipeline: Pipeline) -> Mapping[str, Work[Any, Any]]:
    return {
        "face-mask": MaskWork(pipeline),
        "face-swap": SwapWork(pipeline),
        "full-face-swap": FullSwapWork(pipeline),
    }


@dataclass(frozen=True, slots=True)
class Masked:
    found: Found
    image: Pixels
    steps: Steps


@dataclass(frozen=True, slots=True)
class Filled:
    picture: Picture
    steps: Steps


@dataclass(frozen=True, slots=True)
class FullySwapped:
    masked: Masked
    picture: Picture


class _ProviderWork:
    """A cancel waits for the call that is in flight: it is paid for, and its answer is kept."""

    engine: str

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def _pixels(self, job: Job, field: str) -> Pixels:
        reference = getattr(job.order.request, field)
        return (await self._pipeline.sources.picture(reference, field=field)).pixels

    async def _mask(self, job: Job, still: Pixels, wanted: Wanted) -> Masked:
        steps, feather = self._pipeline.steps(job), self._pipeline.feather
        job.report(progress=0.1)
        found = await self._pipeline.detector.find(still, wanted, steps)
        mask = await in_thread(paint_soft, still, found.face.ellipse, feather=feather)
        return Masked(found, mask, steps)

    async def _store_mask(self, job: Job, mask: Pixels, *, suffix: str = ".png") -> str:
        """A PNG, so that the ellipse is exactly black."""
        key = asset_keys.face_picture(job.order.created_at, job.job_id, suffix=suffix)
        await publish_picture(
            self._pipeline.assets, job, key, mask, content_type=PNG,
            source=SourceType.COMPOSITE_CAPTURE, engine=self._pipeline.detector.name,
        )  # fmt: skip
        return key

    async def _store_picture(self, job: Job, picture: Picture) -> str:
        generator = self._pipeline.generator
        key = generator.key(job.order.created_at, job.job_id)
        await publish_picture(
            self._pipeline.assets, job, key, picture.image, content_type=JPEG,
            source=SourceType.COMPOSITE_WITH_TRAINED, engine=generator.name,
        )  # fmt: skip
        if picture.request is not None and not picture.reused:
            await reuse.keep(self._pipeline.assets, picture.request, key=key)
        return key


class MaskWork(_ProviderWork):
    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self.engine = pipeline.detector.name

    async def check(self) -> None:
        self._pipeline.detector.check()

    async def prepare(self, job: Job) -> Pixels:
        return await self._pixels(job, "image_url")

    async def make(self, job: Job, prepared: Pixels) -> Masked:
        request = cast("FaceMaskRequest", job.order.request)
        wanted = Wanted(index=request.face_index, words=request.face_position_prompt)
        return await self._mask(job, prepared, wanted)

    async def publish(self, job: Job, made: Masked) -> Outcome:
        key = await self._store_mask(job, made.image)
        return Outcome(result_key=key, details=_told(made.found), cost=made.steps.cost)


class SwapWork(_ProviderWork):
    """Fills a mask that face-mask, or somebody else, made."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self.engine = pipeline.generator.name

    async def check(self) -> None:
        self._pipeline.generator.check()

    async def prepare(self, job: Job) -> tuple[Pixels, Pixels]:
        masked = await self._pixels(job, "masked_image_url")
        return masked, await self._pixels(job, "target_face_url")

    async def make(self, job: Job, prepared: tuple[Pixels, Pixels]) -> Filled:
        request = cast("FaceSwapRequest", job.order.request)
        steps = self._pipeline.steps(job)
        given = request.ellipse
        order = Order(
            masked=prepared[0],
            actor=prepared[1],
            ellipse=Ellipse(**given.model_dump()) if given else None,
            prompt=request.prompt,
            size=request.size,
            fields=("masked_image_url", "target_face_url"),
            reuse=request.reuse,
        )
        return Filled(await self._pipeline.generator.make(order, steps), steps)

    async def publish(self, job: Job, made: Filled) -> Outcome:
        key = await self._store_picture(job, made.picture)
        return Outcome(result_key=key, details=_how(made.picture), cost=made.steps.cost)


class FullSwapWork(_ProviderWork):
    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        names = dict.fromkeys((pipeline.detector.name, pipeline.generator.name))
        self.engine = "+".join(names)

    async def check(self) -> None:
        self._pipeline.detector.check()
        self._pipeline.generator.check()

    async def prepare(self, job: Job) -> tuple[Pixels, Pixels]:
        still = await self._pixels(job, "source_image_url")
        return still, await self._pixels(job, "target_face_url")

    async def make(self, job: Job, prepared: tuple[Pixels, Pixels]) -> FullySwapped:
        request = cast("FullFaceSwapRequest", job.order.request)
        still, actor = prepared
        wanted = Wanted(index=request.face_index, picture="source_image_url")
        masked = await self._mask(job, still, wanted)
        job.report(progress=0.4)
        order = Order(
            masked=masked.image,
            actor=actor,
            ellipse=masked.found.face.ellipse,
            prompt=request.prompt,
            size=request.size,
            fields=("source_image_url", "target_face_url"),
            reuse=request.reuse,
        )
        return FullySwapped(masked, await self._pipeline.generator.make(order, masked.steps))

    async def publish(self, job: Job, made: FullySwapped) -> Outcome:
        mask_key, key = await asyncio.gather(
            self._store_mask(job, made.masked.image, suffix="_mask.png"),
            self._store_picture(job, made.picture),
        )
        details = {**_told(made.masked.found), **_how(made.picture), "mask_key": mask_key}
        return Outcome(result_key=key, details=details, cost=made.masked.steps.cost)


def _told(found: Found) -> dict[str, Any]:
    """What detection says, for the record."""
    return {
        "face_index": found.chosen,
        "faces_found": len(found.faces),
        "faces": [face.box.to_json() for face in found.faces],
        "ellipse": found.face.ellipse.to_json(),
    }


def _how(picture: Picture) -> dict[str, Any]:
    return {"warnings": list(picture.warnings), "reused": picture.reused}
