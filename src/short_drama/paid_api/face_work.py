"""The face kinds: detect, mask, swap, publish; each step by the local engine or by a provider."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from short_drama.domain import asset_keys
from short_drama.domain.kinds import FaceMaskRequest, FaceSwapRequest, FullFaceSwapRequest
from short_drama.domain.outcome import Outcome
from short_drama.domain.spending import TaskSpend
from short_drama.images.codec import Pixels
from short_drama.images.labels import SourceType
from short_drama.images.sources import ImageSources
from short_drama.images.structure import JPEG, PNG
from short_drama.jobs.job import Job, JobOrder, Work
from short_drama.jobs.results import Stored, publish_picture
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.detectors import Detector, FoundFaces, Wanted
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.generators import Generator, Order, SwappedStill
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

    @property
    def paid(self) -> bool:
        """Whether any step is a provider's."""
        return self.detector.paid or self.generator.paid

    async def steps(self, job: Job) -> Steps:
        """Where any is paid for, what the job has cost is known from here on, however it ends.
        Raises Unavailable."""
        checkpoint = Checkpoint(
            self.budgets,
            self.assets,
            _blank_page(job.order, day=self.budgets.today()),
            on_change=lambda page: job.spent(page.cost()),
        )
        if self.paid:
            await checkpoint.look()
        return Steps(checkpoint, on_stage=lambda stage: job.report(stage=stage))


def _blank_page(order: JobOrder, *, day: str) -> TaskSpend:
    """Of a task for which nothing is held."""
    return TaskSpend(
        task_id=order.key,
        kind=order.kind,
        owner=order.owner,
        labels=order.labels,
        retry_of=order.retry_of,
        day=day,
    )


def face_works(pipeline: Pipeline) -> Mapping[str, Work[Any, Any]]:
    return {
        "face-mask": FaceMaskWork(pipeline),
        "face-swap": FaceSwapWork(pipeline),
        "full-face-swap": FullFaceSwapWork(pipeline),
    }


@dataclass(frozen=True, slots=True)
class Masked:
    found: FoundFaces
    image: Pixels


class _FaceWork:
    """A cancel waits for what is under way: a thread computes on, and a call is paid for and its
    answer kept."""

    engine: str

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def _pixels(self, job: Job, field: str) -> Pixels:
        reference = getattr(job.order.request, field)
        return (await self._pipeline.sources.picture(reference, field=field)).pixels

    def _reach(self, job: Job, progress: float) -> None:
        """Told where a provider takes its time; the local engine alone is done too soon for it."""
        if self._pipeline.paid:
            job.report(progress=progress)

    async def _mask(self, job: Job, still: Pixels, wanted: Wanted, steps: Steps) -> Masked:
        self._reach(job, 0.1)
        found = await self._pipeline.detector.find(still, wanted, steps)
        ellipse, feather = found.face.ellipse, self._pipeline.feather
        return Masked(found, await in_thread(paint_soft, still, ellipse, feather=feather))

    async def _store_mask(self, job: Job, mask: Pixels, *, suffix: str = ".png") -> Stored:
        """A PNG, so that the ellipse is exactly black."""
        key = asset_keys.face_picture(job.order.created_at, job.job_id, suffix=suffix)
        return await publish_picture(
            self._pipeline.assets, job, key, mask, content_type=PNG,
            source=SourceType.COMPOSITE_CAPTURE, engine=self._pipeline.detector.name,
        )  # fmt: skip

    async def _store_swapped(self, job: Job, swapped: SwappedStill) -> Stored:
        generator = self._pipeline.generator
        key = generator.key(job.order.created_at, job.job_id)
        stored = await publish_picture(
            self._pipeline.assets, job, key, swapped.image, content_type=JPEG,
            source=generator.source_type, engine=generator.name,
        )  # fmt: skip
        if swapped.request is not None and generator.model is not None:
            asked = job.order.request.model_dump(mode="json", exclude_none=True)
            order = reuse.order(job.order.kind, asked, model=generator.model)
            for request in (swapped.request, order):
                await reuse.keep(self._pipeline.assets, request, key=key)
        return stored


class FaceMaskWork(_FaceWork):
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
        return await self._mask(job, prepared, wanted, await self._pipeline.steps(job))

    async def publish(self, job: Job, made: Masked) -> Outcome:
        return (await self._store_mask(job, made.image)).outcome(_who(made.found))


class _SwapWork(_FaceWork):
    """What takes a still and an actor's picture."""

    still: str
    """The request's field."""

    async def prepare(self, job: Job) -> tuple[Pixels, Pixels]:
        request = cast("FaceSwapRequest | FullFaceSwapRequest", job.order.request)
        self._pipeline.generator.check_request(request.prompt, request.size)
        return await self._pixels(job, self.still), await self._pixels(job, "target_face_url")

    def _order(self, job: Job, masked: Pixels, actor: Pixels, ellipse: Ellipse | None) -> Order:
        request = cast("FaceSwapRequest | FullFaceSwapRequest", job.order.request)
        return Order(
            masked=masked,
            actor=actor,
            ellipse=ellipse,
            prompt=request.prompt,
            size=request.size,
            fields=(self.still, "target_face_url"),
            reuse=request.reuse,
        )


class FaceSwapWork(_SwapWork):
    """Fills a mask that face-mask, or somebody else, made."""

    still = "masked_image_url"

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self.engine = pipeline.generator.name

    async def check(self) -> None:
        self._pipeline.generator.check()

    async def make(self, job: Job, prepared: tuple[Pixels, Pixels]) -> SwappedStill:
        given = cast("FaceSwapRequest", job.order.request).ellipse
        ellipse = Ellipse(**given.model_dump()) if given else None
        order = self._order(job, *prepared, ellipse)
        return await self._pipeline.generator.fill(order, await self._pipeline.steps(job))

    async def publish(self, job: Job, made: SwappedStill) -> Outcome:
        return (await self._store_swapped(job, made)).outcome(_how(made))


class FullFaceSwapWork(_SwapWork):
    still = "source_image_url"

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        names = dict.fromkeys((pipeline.detector.name, pipeline.generator.name))
        self.engine = "+".join(names)

    async def check(self) -> None:
        self._pipeline.detector.check()
        self._pipeline.generator.check()

    async def make(self, job: Job, prepared: tuple[Pixels, Pixels]) -> tuple[Masked, SwappedStill]:
        request = cast("FullFaceSwapRequest", job.order.request)
        still, actor = prepared
        wanted = Wanted(index=request.face_index, picture=self.still)
        steps = await self._pipeline.steps(job)
        masked = await self._mask(job, still, wanted, steps)
        self._reach(job, 0.4)
        face = masked.found.face
        order = self._order(job, masked.image, actor, face.ellipse)
        return masked, await self._pipeline.generator.swap(still, face, order, steps)

    async def publish(self, job: Job, made: tuple[Masked, SwappedStill]) -> Outcome:
        masked, swapped = made
        mask, stored = await asyncio.gather(
            self._store_mask(job, masked.image, suffix="_mask.png"),
            self._store_swapped(job, swapped),
        )
        details = {**_who(masked.found), **_how(swapped), "mask_key": mask.key}
        return stored.outcome(details)


def _who(found: FoundFaces) -> dict[str, Any]:
    """What detection says, for the record."""
    return {
        "face_index": found.chosen,
        "faces_found": len(found.faces),
        "faces": [face.box.to_json() for face in found.faces],
        "ellipse": found.face.ellipse.to_json(),
    }


def _how(swapped: SwappedStill) -> dict[str, Any]:
    """What the generator says, as far as it has anything to say."""
    told: dict[str, Any] = {"warnings": list(swapped.warnings)}
    if swapped.ellipse is not None:
        told["ellipse"] = swapped.ellipse.to_json()
    if swapped.request is not None:
        told["reused"] = swapped.reused
    return told
