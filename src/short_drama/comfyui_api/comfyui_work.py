"""The GPU kinds done by ComfyUI."""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from short_drama.comfyui_api import asked
from short_drama.comfyui_api.abilities import Abilities
from short_drama.comfyui_api.blame import Blame
from short_drama.comfyui_api.gpu_engine import Found, GpuEngine, Remedies, Running
from short_drama.comfyui_api.result_file import ResultFile, result_file
from short_drama.comfyui_api.result_size import said_of_images
from short_drama.comfyui_api.server.comfyui import result_of
from short_drama.comfyui_api.server.endings import Ending, SavedImage
from short_drama.comfyui_api.server.refusals import PromptLost
from short_drama.comfyui_api.unfinished import PreviewReporter
from short_drama.comfyui_api.workflows.graph import sha256_of
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain import asset_keys
from short_drama.domain.attempts import WAITING, job_id_for
from short_drama.domain.errors import (
    BlackPicture,
    EngineBroken,
    EngineFailed,
    EngineInterrupted,
    EngineNotReady,
    EngineOutOfMemory,
    EngineUnavailable,
    Unavailable,
)
from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import Size, check_asked
from short_drama.images.codec import EXTENSIONS
from short_drama.images.labels import SourceType
from short_drama.images.sources import ImageSources
from short_drama.jobs.job import Job
from short_drama.jobs.results import label_of, publish_png
from short_drama.jobs.threads import to_the_end
from short_drama.ports import AssetStore

log = logging.getLogger(__name__)

FOLDER = "short-drama"
"""Of our files on the server, in its temporary and its output folder."""
_EARLIER = 8
"""Attempts, the first and the last ones, whose prompts are looked for before another is run."""
_RESTARTS = 3
"""How often a job's inputs are given to a server that keeps restarting."""
_VIEW_AGAIN = 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0
"""Pauses, in seconds, after an answer that did not come or was cut off: long enough for a restart,
which the file outlives."""
_SOURCE = SourceType.COMPOSITE_WITH_TRAINED
_BEFORE, _STEPS = 0.05, 0.9
"""Of a job's progress: what comes before the sampler, and its steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A prompt to submit, or, with no graph, one that an earlier attempt has submitted. `workflow`:
    that suited the server then; another may suit it later. `sizes`: of the images, by field."""

    workflow: Workflow
    prompt_id: str
    graph: Mapping[str, Any] | None
    sizes: Mapping[str, Size]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    workflow: Workflow
    prompt_id: str
    image: SavedImage
    seconds: float | None
    sizes: Mapping[str, Size]
    facts: Mapping[str, object]


class ComfyUIWork:
    """One kind's workflow on one engine, as its `Work`; `engine` is that engine's name.

    Args:
        workflows: by kind, as they suit the server that is there at the time.
        abilities: which kinds the server can run.
    """

    def __init__(
        self,
        kind: str,
        workflows: Mapping[str, Workflow],
        engine: GpuEngine,
        remedies: Remedies,
        *,
        sources: ImageSources,
        assets: AssetStore,
        abilities: Abilities,
    ) -> None:
        self.engine = engine.name
        self._kind, self._workflows = kind, workflows
        self._engine, self._blame = engine, Blame(engine, remedies)
        self._sources, self._assets = sources, assets
        self._abilities = abilities
        self._prompts: dict[Job, str] = {}
        """Those that are followed, for their jobs."""

    @property
    def _workflow(self) -> Workflow:
        return self._workflows[self._kind]

    async def check(self) -> None:
        self._engine.check()
        self._abilities.check(self._workflow.kind)

    def others_before(self, job: Job) -> int:
        return self._engine.others_before(self._prompts.get(job, job.job_id))

    # --- Stages ----------------------------------------------------------------------------

    async def prepare(self, job: Job) -> Prepared:
        await self._engine.usable()
        workflow = self._workflow
        self._abilities.require(workflow.kind)
        with _not_begun():
            found = await self._engine.find(_attempts(job)) if job.attempt > 1 else None
        found = found or Found(job.job_id, submitted=False)
        if found.submitted:
            log.info(
                "a prompt of an earlier attempt is taken on", extra={"prompt_id": found.prompt_id}
            )
            sizes = await self._sizes(job)
            return Prepared(workflow=workflow, prompt_id=found.prompt_id, graph=None, sizes=sizes)
        _, (graph, sizes) = await asyncio.gather(
            self._engine.glance(), self._graph(job, workflow, found.prompt_id)
        )
        return Prepared(workflow=workflow, prompt_id=found.prompt_id, graph=graph, sizes=sizes)

    async def make(self, job: Job, prepared: Prepared) -> Made:
        job.report(stage=WAITING)
        restarted = False
        for _ in range(_RESTARTS):
            try:
                await self._engine.usable()
                return await self._run(job, prepared)
            except PromptLost as lost:
                log.warning("a prompt is given to ComfyUI again: %s", lost)
                restarted = restarted or lost.restarted
            except EngineNotReady as error:
                self._abilities.refused(self._workflow.kind, error)
                self._abilities.require(self._workflow.kind)
            except asyncio.CancelledError:
                # Else the service stops, and the next one takes the prompt on.
                if job.ended:
                    await to_the_end(asyncio.create_task(self.abandon(prepared)))
                raise
            prepared = await self.prepare(job)
        if restarted:
            raise EngineUnavailable("ComfyUI keeps being restarted before it begins the job")
        raise EngineInterrupted("ComfyUI keeps losing the job's pictures before it begins")

    async def abandon(self, prepared: Prepared) -> None:
        await self._engine.stop(prepared.prompt_id)

    async def publish(self, job: Job, made: Made) -> Outcome:
        try:
            file = await self._file(job, made)
        except (EngineInterrupted, BlackPicture):
            # Or the next attempt would find this one's prompt, and take its result for good.
            self._engine.reject(made.prompt_id)
            raise
        key = asset_keys.comfyui_result(job.order.kind, job.job_id)
        stored = await publish_png(
            self._assets, job, key, file.data, size=file.size, source=_SOURCE, engine=self.engine
        )
        details = {**self._details(job, made, file), **made.facts}
        return stored.outcome(details, engine_seconds=made.seconds)

    async def _file(self, job: Job, made: Made) -> ResultFile:
        data, still = await self._view(made.image), _still(made.workflow, made.sizes)
        file = await asyncio.to_thread(result_file, data, asked=_asked(job), still=still)
        if not made.workflow.steps:  # without a sampler, black may be what was asked for
            return file
        if file.is_black:
            earlier = [(one, _expected(one)) for one in _attempts(job)]
            raise await self._blame.black(
                job, made.prompt_id, made.workflow, _inputs(job, made.workflow), earlier
            )
        self._blame.nobody()
        return file

    # --- Before the engine -----------------------------------------------------------------

    async def _graph(
        self, job: Job, workflow: Workflow, prompt_id: str
    ) -> tuple[Mapping[str, Any], Mapping[str, Size]]:
        given = self._images(job)
        uploads = await asyncio.gather(
            *(self._upload(job, prompt_id, *one) for one in given.items())
        )
        names = {field: name for field, (name, _) in zip(given, uploads, strict=True)}
        sizes = {field: size for field, (_, size) in zip(given, uploads, strict=True)}
        graph = workflow.build(
            _inputs(job, workflow),
            images=names,
            prefix=_prefix(prompt_id),
            size=_model_size(workflow, sizes),
        )
        return graph, sizes

    async def _upload(
        self, job: Job, prompt_id: str, field: str, reference: str
    ) -> tuple[object, Size]:
        """What LoadImage calls the image, and its size."""
        image = await self._sources.file(reference, field=field, owner=job.order.owner)
        still = self._workflow.still
        if still is not None and field == still.field:
            still.check(image.size)
            check_asked(_asked(job), image.size)
        folder, name = f"{FOLDER}/{prompt_id}", f"{field}.{EXTENSIONS[image.content_type]}"
        with _not_begun():
            there = await self._engine.upload(
                image.data, folder=folder, name=name, content_type=image.content_type
            )
        return there, image.size

    async def _sizes(self, job: Job) -> Mapping[str, Size]:
        given = self._images(job).items()
        return {field: await self._sources.size(image, field=field) for field, image in given}

    def _images(self, job: Job) -> Mapping[str, str]:
        """References, by field."""
        given = {name: getattr(job.order.request, name) for name in self._workflow.image_fields}
        return {name: reference for name, reference in given.items() if reference is not None}

    # --- The engine ------------------------------------------------------------------------

    async def _run(self, job: Job, prepared: Prepared) -> Made:
        prompt_id = self._prompts[job] = prepared.prompt_id
        previews = PreviewReporter(job, label_of(job, _SOURCE, engine=self.engine))

        def report(run: Running) -> None:
            _report(job, run, prepared.workflow)
            previews.take(run.preview)

        try:
            ending = await self._engine.carry_out(
                prompt_id, prepared.graph, task=job.order.key, on_change=report
            )
        finally:
            del self._prompts[job]
            await previews.end()
        return await self._made(job, prepared, ending)

    async def _made(self, job: Job, prepared: Prepared, ending: Ending) -> Made:
        prompt_id = prepared.prompt_id
        expected = _expected(prompt_id)
        try:
            image = result_of(ending, node=prepared.workflow.result, otherwise=expected)
        except (EngineFailed, EngineBroken, EngineOutOfMemory) as error:
            workflow = prepared.workflow
            raise await self._blame.failed(
                job, prompt_id, workflow, _inputs(job, workflow), error
            ) from error
        return Made(
            workflow=prepared.workflow,
            prompt_id=prompt_id,
            image=image,
            seconds=ending.seconds,
            sizes=prepared.sizes,
            facts=ending.facts,
        )

    # --- After the engine ------------------------------------------------------------------

    async def _view(self, image: SavedImage) -> bytes:
        for pause in _VIEW_AGAIN:
            try:
                return await self._engine.fetch(image)
            except Unavailable as error:
                log.warning("ComfyUI is asked for a result again: %s", error.detail)
            await asyncio.sleep(pause)
        raise EngineInterrupted("ComfyUI does not hand out what it made")

    def _details(self, job: Job, made: Made, file: ResultFile) -> dict[str, object]:
        """What an artist needs to make the same picture again, and to judge this one."""
        workflow = made.workflow
        inputs, worked = _inputs(job, workflow), _model_size(workflow, made.sizes)
        said = said_of_images(made.sizes, still=workflow.still, worked=worked)
        details: dict[str, object] = {
            "prompt_id": made.prompt_id,
            "workflow_sha256": sha256_of(made.workflow.graph),
            "made": file.made.to_json(),
            "warnings": [*said, *file.warnings, *asked.warnings(job.order.request)],
        }
        if "seed" in inputs:
            details["seed"] = inputs["seed"]
        details["made_with"] = asked.made_with(workflow, inputs)
        if workflow.manifest.camera_words is not None:
            details["camera_prompt"] = inputs["prompt"]
        return details


def _report(job: Job, run: Running, workflow: Workflow) -> None:
    if not run.started:
        job.on_move()
        return
    progress = job.progress
    if run.node in workflow.steps and run.fraction is not None:
        progress = _BEFORE + _STEPS * run.fraction
    job.report(stage="running", progress=max(progress, job.progress, _BEFORE))


def _inputs(job: Job, workflow: Workflow) -> dict[str, object]:
    """Images apart."""
    values = asked.values(workflow, job.order.request)
    return values | {"seed": _seed(job)} if "seed" in workflow.inputs else values


def _still(workflow: Workflow, sizes: Mapping[str, Size]) -> Size | None:
    return None if workflow.still is None else sizes[workflow.still.field]


def _model_size(workflow: Workflow, sizes: Mapping[str, Size]) -> Size | None:
    still = _still(workflow, sizes)
    return None if still is None else workflow.size_for(still)


def _asked(job: Job) -> str:
    """What the result's size is to be; every kind of this lane takes it."""
    return str(job.order.request.model_dump()["size"])


def _seed(job: Job) -> int:
    """The request's, or one as good as random that is the same for all attempts at a task."""
    given = getattr(job.order.request, "seed", None)
    if isinstance(given, int):
        return given
    return int.from_bytes(hashlib.sha256(job.order.key.encode()).digest()[:6])


def _attempts(job: Job) -> list[str]:
    """Ids of the prompts of the task's attempts, the latest first; not of all, if it has many."""
    return [
        job_id_for(job.order.key, attempt)
        for attempt in range(job.attempt, 0, -1)
        if attempt <= _EARLIER or attempt > job.attempt - _EARLIER
    ]


def _expected(prompt_id: str) -> SavedImage:
    """The file of its result, where the server does not say."""
    return SavedImage("result_00001_.png", _prefix(prompt_id).rpartition("/")[0])


def _prefix(job_id: str) -> str:
    """A folder of its own: identical prompts would share their files otherwise, and the server
    lists a folder before it writes to it."""
    return f"{FOLDER}/{job_id}/result"


@contextmanager
def _not_begun() -> Iterator[None]:
    """An engine that does not answer here has not run the job: the attempt does not count."""
    try:
        yield
    except Unavailable as error:
        raise EngineUnavailable(error.detail) from error
