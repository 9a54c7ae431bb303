"""Several faces of one still in one task: a chain, whose every paid step is remembered.

All faces are found in the still as it came, so that their numbers are face-mask's, and then swapped
from the left, each in what the one before has made of it. A chain that breaks goes on where it was:
what was paid for is the same again, and so is what is made of it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from short_drama.domain import asset_keys, casting
from short_drama.domain.errors import FaceIndexOutOfRange, ShortDramaError
from short_drama.domain.kinds import FullFaceSwapRequest
from short_drama.domain.outcome import Outcome
from short_drama.images.codec import Pixels
from short_drama.images.structure import JPEG, PNG
from short_drama.jobs.job import Job, Work
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.detectors import FoundFaces, Wanted
from short_drama.paid_api.face_swap import Face
from short_drama.paid_api.face_work import (
    FullFaceSwapWork,
    Pipeline,
    SwapWork,
    face_works,
)
from short_drama.paid_api.generators import Order, SwappedStill
from short_drama.paid_api.masks import paint_soft
from short_drama.paid_api.paying import reuse
from short_drama.paid_api.paying.estimates import generate_step

_FOUND = 0.1
"""Progress once the faces are known; the swaps share the rest."""


def works(pipeline: Pipeline) -> Mapping[str, Work[Any, Any]]:
    return {**face_works(pipeline), "full-face-swap": OneOrSeveralWork(pipeline)}


@dataclass(frozen=True, slots=True)
class Cast:
    """The still, and by number of the face in it the picture of whoever comes in."""

    still: Pixels
    actors: Mapping[int, Pixels]


@dataclass(frozen=True, slots=True)
class Played:
    """What was made, by number of the face; the last one shows all of them."""

    found: FoundFaces
    parts: Mapping[int, SwappedStill]

    @property
    def image(self) -> Pixels:
        return [*self.parts.values()][-1].image


class CastWork(SwapWork):
    still = "source_image_url"

    async def prepare(self, job: Job) -> Cast:
        self._pipeline.generator.check_request(_request(job).prompt, "auto")
        still = await self._picture(job, self.still)
        actors = {number: await self._actor(job, number) for number in _numbers(job)}
        return Cast(still.pixels, actors)

    async def make(self, job: Job, prepared: Cast) -> Played:
        swapping: int | None = None

        def stage(stage: str) -> str:
            return stage if stage != "running" or swapping is None else _stage(swapping)

        steps = await self._pipeline.steps(job, stage=stage)
        wanted = Wanted(picture=self.still)
        found = await self._pipeline.detector.find(prepared.still, wanted, steps)
        _require_there(found.faces, _numbers(job))
        image, parts = prepared.still, dict[int, SwappedStill]()
        for number, actor in prepared.actors.items():
            swapping, share = number, len(parts) / len(prepared.actors)
            job.report(stage=_stage(number), progress=_FOUND + (1 - _FOUND) * share)
            with _telling(number):
                order = await self._ordered(job, image, found.faces[number], actor, number)
                swap = self._pipeline.generator.swap
                parts[number] = await swap(image, found.faces[number], order, steps)
            image = parts[number].image
        return Played(found, parts)

    async def publish(self, job: Job, made: Played) -> Outcome:
        """Frames first: they were paid for."""
        told = [await self._told(job, number, part) for number, part in made.parts.items()]
        key = asset_keys.face_picture(job.order.created_at, job.job_id)
        stored = await self._store(job, key, made.image, PNG)
        faces = made.found.faces
        warnings = [
            f"face {one['face']}: {warning}" for one in told for warning in one.pop("warnings")
        ]
        return stored.outcome(
            {
                "faces_found": len(faces),
                "faces": [face.box.to_json() for face in faces],
                "cast": told,
                "warnings": warnings,
            }
        )

    # --- One face --------------------------------------------------------------------------

    async def _actor(self, job: Job, number: int) -> Pixels:
        field = casting.field_of(number)
        reference = job.order.images[field]
        owner = job.order.owner
        return (await self._pipeline.sources.picture(reference, field=field, owner=owner)).pixels

    async def _ordered(
        self, job: Job, image: Pixels, face: Face, actor: Pixels, number: int
    ) -> Order:
        request, feather = _request(job), self._pipeline.feather
        return Order(
            masked=await in_thread(paint_soft, image, face.ellipse, feather=feather),
            actor=actor,
            ellipse=face.ellipse,
            prompt=request.prompt,
            size="auto",
            fields=(self.still, casting.field_of(number)),
            reuse=request.reuse,
            owner=job.order.owner,
            step=generate_step(number),
            is_part=True,
        )

    async def _told(self, job: Job, number: int, part: SwappedStill) -> dict[str, Any]:
        """For the record; its frame is stored, and may be used again if the client allows it."""
        told: dict[str, Any] = {"face": number, "warnings": [*part.warnings]}
        if part.ellipse is not None:
            told["ellipse"] = part.ellipse.to_json()
        if part.part is not None:
            told["frame_part"] = asdict(part.part)
        if part.frame is not None:
            frame = asset_keys.cast_id(job.job_id, number)
            key = asset_keys.seedream_picture(job.order.created_at, frame)
            told["frame_key"] = (await self._store(job, key, part.frame, JPEG)).key
            if part.request is not None:
                told["reused"] = part.reused
                await reuse.keep(self._pipeline.assets, part.request, key=key)
        return told


class OneOrSeveralWork:
    """The work of full-face-swap, by what its request asks for."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._one, self._several = FullFaceSwapWork(pipeline), CastWork(pipeline)
        self.engine = self._several.engine = self._one.engine

    async def check(self) -> None:
        await self._one.check()

    async def weigh(self, job: Job) -> int:
        return await self._of(job).weigh(job)

    async def prepare(self, job: Job) -> Any:
        return await self._of(job).prepare(job)

    async def make(self, job: Job, prepared: Any) -> Any:
        return await self._of(job).make(job, prepared)

    async def publish(self, job: Job, made: Any) -> Outcome:
        return await self._of(job).publish(job, made)

    def _of(self, job: Job) -> FullFaceSwapWork | CastWork:
        return self._one if _request(job).cast is None else self._several


def _request(job: Job) -> FullFaceSwapRequest:
    return cast("FullFaceSwapRequest", job.order.request)


def _numbers(job: Job) -> list[int]:
    return casting.numbers({"cast": _request(job).cast})


def _stage(number: int) -> str:
    return f"face {number}"


def _require_there(faces: Sequence[Face], numbers: Sequence[int]) -> None:
    """Before any is paid for. Raises FaceIndexOutOfRange."""
    if (last := max(numbers)) >= len(faces):
        found = "1 face was found" if len(faces) == 1 else f"{len(faces)} faces were found"
        raise FaceIndexOutOfRange(
            f"cast names the face {last}, but {found}",
            field=casting.field_of(last),
            fix=f"Faces count from 0, the leftmost, to {len(faces) - 1}.",
        )


@contextlib.contextmanager
def _telling(number: int) -> Iterator[None]:
    """Which face an error is about, where it speaks of one alone."""
    try:
        yield
    except ShortDramaError as error:
        error.detail = f"face {number}: {error.detail}"
        if error.field in (None, "target_face_url", "source_image_url"):
            error.field = casting.field_of(number)
        raise
