"""The face kinds done by the local face engine: no key, no network, no charge."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from short_drama.domain import asset_keys
from short_drama.domain.kinds import FaceMaskRequest, FaceSwapRequest, FullFaceSwapRequest
from short_drama.domain.task import Outcome
from short_drama.images.codec import Pixels
from short_drama.images.labels import SourceType
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Job, Work
from short_drama.jobs.results import publish_picture
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.face_swap import Ellipse, Face, choose_face, choose_face_by_words
from short_drama.paid_api.generators import refuse_what_needs_a_provider
from short_drama.paid_api.local_faces import LocalFaces, Swapped
from short_drama.ports import AssetStore

ENGINE = "local-faces"


def face_works(
    models: Path, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    """How each face kind is done here; `models` is the folder of model files."""
    faces = LocalFaces(models)
    return {
        "face-mask": FaceMaskWork(faces, sources, assets),
        "face-swap": FaceSwapWork(faces, sources, assets),
        "full-face-swap": FullFaceSwapWork(faces, sources, assets),
    }


@dataclass(frozen=True, slots=True)
class Found:
    """What detection says, for the record."""

    faces: Sequence[Face]
    chosen: int

    def to_json(self) -> dict[str, Any]:
        return {
            "face_index": self.chosen,
            "faces_found": len(self.faces),
            "faces": [face.box.to_json() for face in self.faces],
            "ellipse": self.faces[self.chosen].ellipse.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Masked:
    image: Pixels
    found: Found


class _FaceWork:
    """What the three kinds have in common."""

    engine = ENGINE

    def __init__(self, faces: LocalFaces, sources: ImageSources, assets: AssetStore) -> None:
        self._faces, self._sources, self._assets = faces, sources, assets

    async def check(self) -> None:
        """Raises EngineNotReady."""
        self._faces.check()

    async def _two_pictures(self, job: Job, scene_field: str) -> tuple[Pixels, Pixels]:
        """The still, and the face that comes in."""
        scene, actor = [
            await self._sources.picture(getattr(job.order.request, field), field=field)
            for field in (scene_field, "target_face_url")
        ]
        return scene.pixels, actor.pixels

    async def _publish(self, job: Job, pixels: Pixels, *, suffix: str) -> str:
        key = asset_keys.face_picture(job.order.created_at, job.job_id, suffix=suffix)
        await publish_picture(
            self._assets,
            job,
            key,
            pixels,
            content_type="image/png" if suffix.endswith(".png") else "image/jpeg",
            source=SourceType.COMPOSITE_CAPTURE,
            engine=ENGINE,
        )
        return key


class FaceMaskWork(_FaceWork):
    """A PNG, so that the ellipse is exactly black."""

    async def prepare(self, job: Job) -> Pixels:
        request = cast("FaceMaskRequest", job.order.request)
        return (await self._sources.picture(request.image_url, field="image_url")).pixels

    async def make(self, job: Job, prepared: Pixels) -> Masked:
        return await in_thread(self._mask, prepared, job)

    def _mask(self, image: Pixels, job: Job) -> Masked:
        request = cast("FaceMaskRequest", job.order.request)
        faces = self._faces.find(image)
        if request.face_position_prompt is None:
            chosen = choose_face(faces, request.face_index)
        else:
            chosen = choose_face_by_words(faces, request.face_position_prompt)
        return Masked(self._faces.mask(image, faces[chosen]), Found(faces, chosen))

    async def publish(self, job: Job, made: Masked) -> Outcome:
        key = await self._publish(job, made.image, suffix=".png")
        return Outcome(result_key=key, details=made.found.to_json())


class FaceSwapWork(_FaceWork):
    """Fills a mask that face-mask, or somebody else, made."""

    async def prepare(self, job: Job) -> tuple[Pixels, Pixels, Ellipse | None]:
        request = cast("FaceSwapRequest", job.order.request)
        refuse_what_needs_a_provider(request.prompt, request.size)
        masked, actor = await self._two_pictures(job, "masked_image_url")
        given = request.ellipse
        return masked, actor, Ellipse(**given.model_dump()) if given else None

    async def make(self, job: Job, prepared: tuple[Pixels, Pixels, Ellipse | None]) -> Swapped:
        return await in_thread(self._faces.fill, *prepared)

    async def publish(self, job: Job, made: Swapped) -> Outcome:
        key = await self._publish(job, made.image, suffix=".jpg")
        details = {"ellipse": made.ellipse.to_json(), "warnings": list(made.warnings)}
        return Outcome(result_key=key, details=details)


@dataclass(frozen=True, slots=True)
class FullySwapped:
    swapped: Swapped
    masked: Masked


class FullFaceSwapWork(_FaceWork):
    """Swaps from the unmasked still, whose landmarks keep the pose; the mask is a by-product."""

    async def prepare(self, job: Job) -> tuple[Pixels, Pixels]:
        request = cast("FullFaceSwapRequest", job.order.request)
        refuse_what_needs_a_provider(request.prompt, request.size)
        return await self._two_pictures(job, "source_image_url")

    async def make(self, job: Job, prepared: tuple[Pixels, Pixels]) -> FullySwapped:
        return await in_thread(self._swap, *prepared, job)

    def _swap(self, scene: Pixels, actor: Pixels, job: Job) -> FullySwapped:
        request = cast("FullFaceSwapRequest", job.order.request)
        faces = self._faces.find(scene)
        chosen = choose_face(faces, request.face_index, picture="source_image_url")
        swapped = self._faces.swap(scene, faces[chosen], actor)
        masked = Masked(self._faces.mask(scene, faces[chosen]), Found(faces, chosen))
        return FullySwapped(swapped, masked)

    async def publish(self, job: Job, made: FullySwapped) -> Outcome:
        mask_key, key = await asyncio.gather(
            self._publish(job, made.masked.image, suffix="_mask.png"),
            self._publish(job, made.swapped.image, suffix=".jpg"),
        )
        details = made.masked.found.to_json()
        details |= {"mask_key": mask_key, "warnings": list(made.swapped.warnings)}
        return Outcome(result_key=key, details=details)
