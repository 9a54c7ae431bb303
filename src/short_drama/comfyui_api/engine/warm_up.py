"""Prompts of the service's own: they load a workflow's models before anybody's picture has to wait
for that (10 to 15 s on an H100), and show whether the engine is well when somebody's went wrong."""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Mapping

import numpy as np

from short_drama.comfyui_api.engine.engine import Engine
from short_drama.comfyui_api.engine.health import State
from short_drama.comfyui_api.server.comfyui import result_of
from short_drama.comfyui_api.server.endings import SavedImage
from short_drama.comfyui_api.server.refusals import PromptLost
from short_drama.comfyui_api.workflows.defaults import fewest_steps
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import (
    EngineBroken,
    EngineInterrupted,
    EngineNotReady,
    EngineOutOfMemory,
    EngineUnavailable,
    ImageRejected,
    RetryableError,
)
from short_drama.images.codec import Pixels, encode
from short_drama.images.png import is_black
from short_drama.images.structure import PNG

log = logging.getLogger(__name__)

FOLDER = "short-drama/warm-up"
_SIDE = 512
_DEATHS = 2
"""How often in a row the server may go down in a workflow's prompt before that is its doing."""
_FILE = "result_00001_.png"


class WarmUp:
    """Args:
    workflows: by kind, as they are whenever it runs.
    """

    def __init__(self, engine: Engine, workflows: Mapping[str, Workflow]) -> None:
        self._engine, self._workflows = engine, workflows
        self._last: dict[str, str] = {}
        self._deaths: Counter[str] = Counter()

    async def is_warm(self, kind: str) -> bool:
        """Whether the server that answers knows our last prompt of this kind. Raises
        Unavailable."""
        last = self._last.get(kind)
        return last is not None and await self._engine.comfyui.history(last) is not None

    async def run(self, kind: str) -> None:
        """Run a kind's workflow once, with values that no other prompt has had: nothing of what is
        seen then comes from the server's cache.

        Raises EngineNotReady when it fails by itself or makes a black picture; another retryable
        error when the server goes away, or is stuck, meanwhile.
        """
        prompt_id = str(uuid.uuid4())
        try:
            seconds = await self._carry_out(self._workflows[kind], prompt_id)
        except PromptLost as lost:
            raise EngineUnavailable(str(lost)) from lost
        except EngineInterrupted as error:
            self._deaths[kind] += 1
            if self._engine.health.state is State.UNHEALTHY or self._deaths[kind] < _DEATHS:
                raise
            raise _not_ready(kind, error) from error
        except RetryableError as error:
            if isinstance(error, EngineOutOfMemory | EngineBroken):
                raise _not_ready(kind, error) from error
            raise
        except Exception as error:
            raise _not_ready(kind, error) from error
        del self._deaths[kind]
        self._last[kind] = prompt_id
        log.info("%s is warm after %s s", kind, seconds)

    async def _carry_out(self, workflow: Workflow, prompt_id: str) -> float | None:
        comfyui, prefix = self._engine.comfyui, f"{FOLDER}/{prompt_id}"
        chance = uuid.UUID(prompt_id)
        data = await asyncio.to_thread(encode, _picture(chance), PNG, label=None)
        name = await comfyui.upload(data, folder=prefix, name="grey.png", content_type=PNG)
        graph = workflow.build(
            _values(workflow, chance),
            images=dict.fromkeys(workflow.required_images, name),
            prefix=f"{prefix}/result",
        )
        ending = await self._engine.carry_out(prompt_id, graph, task=f"warm-up of {workflow.kind}")
        image = result_of(ending, node=workflow.result, otherwise=SavedImage(_FILE, prefix))
        if workflow.steps:  # without a sampler, black may be what the graph makes of grey
            await self._require_not_black(image)
        return ending.seconds

    async def _require_not_black(self, image: SavedImage) -> None:
        data = await self._engine.comfyui.view(image)
        try:
            black = await asyncio.to_thread(is_black, data)
        except ImageRejected:  # no PNG, perhaps; nothing is known against it
            return
        if black:
            raise EngineNotReady("its picture is black from edge to edge", fix="Restart ComfyUI.")


def _picture(chance: uuid.UUID) -> Pixels:
    """Two greys."""
    picture = np.full((_SIDE, _SIDE, 3), 64 + chance.bytes[0] // 2, np.uint8)
    picture[_SIDE // 2 :] = 64 + chance.bytes[1] // 2
    return picture


def _values(workflow: Workflow, chance: uuid.UUID) -> dict[str, object]:
    """The fewest steps, and a seed of its own."""
    values: dict[str, object] = {}
    steps = fewest_steps(workflow.kind, workflow.graph, workflow.manifest)
    if steps is not None:
        values["steps"] = steps
    if "seed" in workflow.inputs:
        values["seed"] = chance.int >> 75  # 53 bits
    return values


def _not_ready(kind: str, error: Exception) -> EngineNotReady:
    return EngineNotReady(f"{kind} fails in its warm-up: {error}", fix=getattr(error, "fix", None))
