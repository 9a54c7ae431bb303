"""What a job fails with when its prompt went wrong, in the words of its kind."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from short_drama.comfyui_api.gpu_engine import GpuEngine, Remedies
from short_drama.comfyui_api.mishaps import Mishap
from short_drama.comfyui_api.server.endings import SavedImage
from short_drama.comfyui_api.workflows.manifest import ChoiceInput, IntegerInput, NumberInput
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import (
    BlackPicture,
    EngineInterrupted,
    EngineOutOfMemory,
    ImageRejected,
    ShortDramaError,
    Unavailable,
)
from short_drama.images.png import is_black
from short_drama.jobs.job import Job

_LESS_MEMORY = "Use fewer or smaller pictures, or a GPU with more memory."


class Blame:
    def __init__(self, engine: GpuEngine, remedies: Remedies) -> None:
        self._engine, self._remedies = engine, remedies

    def nobody(self) -> None:
        """A job has gone well."""
        self._remedies.fine()

    async def failed(
        self,
        job: Job,
        prompt_id: str,
        workflow: Workflow,
        values: Mapping[str, object],
        error: ShortDramaError,
    ) -> ShortDramaError:
        """`error` is what ComfyUI's history says of the prompt, which was made of `values`."""
        less = isinstance(error, EngineOutOfMemory)
        error.fix = _LESS_MEMORY if less else _other(workflow, values)
        return await self._judged(job, prompt_id, error, frozenset())

    async def black(
        self,
        job: Job,
        prompt_id: str,
        workflow: Workflow,
        values: Mapping[str, object],
        earlier: Iterable[tuple[str, SavedImage]],
    ) -> ShortDramaError:
        """Args:
        values: what the prompt was made of.
        earlier: prompts of the task's other attempts, with the files of their results. The server
            still has those after it, or we, have been restarted.
        """
        error = BlackPicture(
            "ComfyUI made a picture that is black from edge to edge", fix=_other(workflow, values)
        )
        before = [one for one, image in earlier if one != prompt_id and await self._is_black(image)]
        return await self._judged(job, prompt_id, error, frozenset(before))

    async def _judged(
        self, job: Job, prompt_id: str, error: ShortDramaError, before: frozenset[str]
    ) -> ShortDramaError:
        mishap = Mishap(
            kind=job.order.kind,
            task=job.order.key,
            prompt_id=prompt_id,
            error=error,
            before=before,
        )
        return await self._remedies.judge(mishap)

    async def _is_black(self, image: SavedImage) -> bool:
        with contextlib.suppress(Unavailable, EngineInterrupted, ImageRejected):
            data = await self._engine.fetch(image)
            return await asyncio.to_thread(is_black, data)
        return False


def _other(workflow: Workflow, values: Mapping[str, object]) -> str:
    """What to change: the inputs that a node may be given a wrong combination of, with their
    values."""
    told = ", ".join(
        name if (value := values.get(name)) is None else f"{name} ({value})"
        for name, each in workflow.inputs.items()
        if isinstance(each, IntegerInput | NumberInput | ChoiceInput)
    )
    return f"Change {told}, or the picture." if told else "Use another picture."
