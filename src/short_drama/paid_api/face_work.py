"""The face kinds: detect, mask, swap, publish; each step by the local engine or by a provider."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from short_drama.domain import asset_keys
from short_drama.domain.kinds import FaceMaskRequest, FaceSwapRequest, FullFaceSwapRequest
from short_drama.domain.outcome import Outcome
from short_drama.domain.spending import TaskSpend
from short_drama.images.codec import Picture, Pixels, size_of
from short_drama.images.labels import SourceType
from short_drama.images.sources import ImageSources
from short_drama.images.structure import JPEG, PNG
from short_drama.jobs.job import Job, JobOrder, Work
from short_drama.jobs.results import Stored, publish_picture
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.detectors import Detector, FoundFaces, Wanted
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.generators import Generator, Order, SwappedStill
from short_drama.paid_api.masks import NotedMask, note_of, noted, paint_soft
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

    async def steps(self, job: Job, *, stage: Callable[[str], str] = str) -> Steps:
        """Where any is paid for, what the job has cost is known from here on, however it ends.
        `stage`: what the job tells of a step's. Raises Unavailable."""
        checkpoint = Checkpoint(
            self.budgets,
            self.assets,
            _blank_page(job.order, day=self.budgets.today()),
            on_change=lambda page: job.spent(page.cost()),
        )
        if self.paid:
            await checkpoint.look()
        return Steps(checkpoint, on_stage=lambda told: job.report(stage=stage(told)))


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

    async def weigh(self, job: Job) -> int:
        return await self._pipeline.sources.weigh(job.order.images)

    async def _picture(self, job: Job, field: str) -> Picture:
        reference = getattr(job.order.request, field)
        return await self._pipeline.sources.picture(reference, field=field, owner=job.order.owner)

    def _reach(self, job: Job, progress: float) -> None:
        """Told where a provider takes its time; the local engine alone is done too soon for it."""
        if self._pipeline.paid:
            job.report(progress=progress)

    async def _mask(self, job: Job, still: Pixels, wanted: Wanted, steps: Steps) -> Masked:
        self._reach(job, 0.1)
        found = await self._pipeline.detector.find(still, wanted, steps)
        ellipse, feather = found.face.ellipse, self._pipeline.feather
        return Masked(found, await in_thread(paint_soft, still, ellipse, feather=feather))

    async def _store_mask(self, job: Job, masked: Masked, picture_id: str) -> Stored:
        """A PNG, so that the ellipse is exactly black; its metadata tell where that is."""
        ellipse, feather = masked.found.face.ellipse, self._pipeline.feather
        return await publish_picture(
            self._pipeline.assets, job, asset_keys.face_picture(job.order.created_at, picture_id),
            masked.image, content_type=PNG, source=SourceType.COMPOSITE_CAPTURE,
            engine=self._pipeline.detector.name,
            mask=note_of(ellipse, size_of(masked.image), feather=feather),
        )  # fmt: skip


class FaceMaskWork(_FaceWork):
    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self.engine = pipeline.detector.name

    async def check(self) -> None:
        self._pipeline.detector.check()

    async def prepare(self, job: Job) -> Pixels:
        return (await self._picture(job, "image_url")).pixels

    async def make(self, job: Job, prepared: Pixels) -> Masked:
        request = cast("FaceMaskRequest", job.order.request)
        wanted = Wanted(index=request.face_index, words=request.face_position_prompt)
        return await self._mask(job, prepared, wanted, await self._pipeline.steps(job))

    async def publish(self, job: Job, made: Masked) -> Outcome:
        return (await self._store_mask(job, made, job.job_id)).outcome(_who(made.found))


class SwapWork(_FaceWork):
    """What takes a still and an actor's picture."""

    still: str
    """The request's field."""

    async def _pictures(self, job: Job) -> tuple[Picture, Picture]:
        request = cast("FaceSwapRequest | FullFaceSwapRequest", job.order.request)
        self._pipeline.generator.check_request(request.prompt, request.size)
        return await self._picture(job, self.still), await self._picture(job, "target_face_url")

    def _order(
        self, job: Job, masked: Pixels, actor: Pixels, mask: NotedMask | None = None
    ) -> Order:
        request = cast("FaceSwapRequest | FullFaceSwapRequest", job.order.request)
        return Order(
            masked=masked,
            actor=actor,
            ellipse=mask.ellipse if mask else None,
            rim=mask.rim if mask else 0.0,
            prompt=request.prompt,
            size=request.size,
            fields=(self.still, "target_face_url"),
            reuse=request.reuse,
            owner=job.order.owner,
        )

    async def _store_swapped(self, job: Job, swapped: SwappedStill) -> Stored:
        """The frame first, wherever there is one: it was paid for."""
        frame = swapped.image if swapped.whole else swapped.frame
        if frame is not None:
            stored = await self._store(job, _frame_key(job), frame, JPEG, is_kept=not swapped.whole)
            await self._allow_reuse(job, swapped, key=stored.key)
            if swapped.whole:
                return stored
        key = asset_keys.face_picture(job.order.created_at, job.job_id)
        return await self._store(job, key, swapped.image, PNG)

    async def _store(
        self, job: Job, key: str, picture: Pixels, content_type: str, *, is_kept: bool = False
    ) -> Stored:
        generator = self._pipeline.generator
        return await publish_picture(
            self._pipeline.assets, job, key, picture, content_type=content_type,
            source=generator.source_type, engine=generator.name, is_kept=is_kept,
        )  # fmt: skip

    async def _allow_reuse(self, job: Job, swapped: SwappedStill, *, key: str) -> None:
        model = self._pipeline.generator.model
        if swapped.request is not None and model is not None:
            asked = job.order.request.model_dump(mode="json", exclude_none=True)
            order = reuse.order(job.order.kind, asked, model=model)
            for request in (swapped.request, order):
                await reuse.keep(self._pipeline.assets, request, key=key)


class FaceSwapWork(SwapWork):
    """Fills a mask that face-mask, or somebody else, made."""

    still = "masked_image_url"

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self.engine = pipeline.generator.name

    async def check(self) -> None:
        self._pipeline.generator.check()

    async def prepare(self, job: Job) -> tuple[Pixels, Pixels, NotedMask | None]:
        masked, actor = await self._pictures(job)
        return masked.pixels, actor.pixels, await in_thread(noted, masked)

    async def make(
        self, job: Job, prepared: tuple[Pixels, Pixels, NotedMask | None]
    ) -> SwappedStill:
        order = self._order(job, *prepared)
        if (given := cast("FaceSwapRequest", job.order.request).ellipse) is not None:
            order = replace(order, ellipse=Ellipse(**given.model_dump()))
        return await self._pipeline.generator.fill(order, await self._pipeline.steps(job))

    async def publish(self, job: Job, made: SwappedStill) -> Outcome:
        return (await self._store_swapped(job, made)).outcome(_how(made, job))


class FullFaceSwapWork(SwapWork):
    still = "source_image_url"

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        names = dict.fromkeys((pipeline.detector.name, pipeline.generator.name))
        self.engine = "+".join(names)

    async def check(self) -> None:
        self._pipeline.detector.check()
        self._pipeline.generator.check()

    async def prepare(self, job: Job) -> tuple[Pixels, Pixels]:
        still, actor = await self._pictures(job)
        return still.pixels, actor.pixels

    async def make(self, job: Job, prepared: tuple[Pixels, Pixels]) -> tuple[Masked, SwappedStill]:
        request = cast("FullFaceSwapRequest", job.order.request)
        still, actor = prepared
        wanted = Wanted(index=request.face_index, picture=self.still)
        steps = await self._pipeline.steps(job)
        masked = await self._mask(job, still, wanted, steps)
        self._reach(job, 0.4)
        face = masked.found.face
        order = self._order(job, masked.image, actor, NotedMask(face.ellipse, 0.0))
        return masked, await self._pipeline.generator.swap(still, face, order, steps)

    async def publish(self, job: Job, made: tuple[Masked, SwappedStill]) -> Outcome:
        masked, swapped = made
        mask, stored = await asyncio.gather(
            self._store_mask(job, masked, asset_keys.mask_id(job.job_id)),
            self._store_swapped(job, swapped),
        )
        who, how = _who(masked.found), _how(swapped, job)
        told = {"warnings": who["warnings"] + how["warnings"], "mask_key": mask.key}
        return stored.outcome({**who, **how, **told})


def _who(found: FoundFaces) -> dict[str, Any]:
    """What detection says, for the record."""
    return {
        "face_index": found.chosen,
        "faces_found": len(found.faces),
        "faces": [face.box.to_json() for face in found.faces],
        "ellipse": found.face.ellipse.to_json(),
        "warnings": list(found.face.warnings),
    }


def _how(swapped: SwappedStill, job: Job) -> dict[str, Any]:
    """What the generator says, as far as it has anything to say."""
    told: dict[str, Any] = {"warnings": list(swapped.warnings)}
    if swapped.ellipse is not None:
        told["ellipse"] = swapped.ellipse.to_json()
    if swapped.request is not None:
        told["reused"] = swapped.reused
    if swapped.frame is not None:
        told["frame_key"] = _frame_key(job)
    if swapped.part is not None:
        told["frame_part"] = asdict(swapped.part)
    return told


def _frame_key(job: Job) -> str:
    return asset_keys.seedream_picture(job.order.created_at, job.job_id)
