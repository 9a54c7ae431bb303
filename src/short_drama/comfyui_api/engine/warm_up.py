"""Run each workflow once before it counts: the first prompt loads the models, 10 to 15 s on an
H100, and nobody's picture should wait for that."""

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence

import numpy as np

from short_drama.comfyui_api.engine.engine import Engine
from short_drama.comfyui_api.server.comfyui import result_of
from short_drama.comfyui_api.server.endings import SavedImage
from short_drama.comfyui_api.server.refusals import PromptLost
from short_drama.comfyui_api.workflows.manifest import IntegerInput
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import EngineNotReady, EngineUnavailable, RetryableError
from short_drama.images.codec import encode
from short_drama.images.structure import PNG

log = logging.getLogger(__name__)

FOLDER = "short-drama/warm-up"
_SIDE = 512


def _fewest_steps(workflow: Workflow) -> dict[str, object]:
    steps = workflow.inputs.get("steps")
    return {"steps": steps.minimum} if isinstance(steps, IntegerInput) else {}


class WarmUp:
    """Args:
    workflows: by kind, as they are whenever it runs.
    kinds: in the order in which they run; the last one's models stay loaded.
    """

    def __init__(
        self, engine: Engine, workflows: Mapping[str, Workflow], kinds: Sequence[str]
    ) -> None:
        self._engine, self._workflows, self._kinds = engine, workflows, kinds
        self._last: str | None = None

    async def run(self) -> None:
        """Unless the server that answers is warm already: it then knows our last prompt.

        Raises Unavailable and EngineUnavailable when it goes away meanwhile, EngineNotReady when
        a workflow fails.
        """
        comfyui = self._engine.comfyui
        if self._last is not None and await comfyui.history(self._last) is not None:
            return
        last = None
        for kind in self._kinds:
            last = await self._run(self._workflows[kind])
        self._last = last  # only now: one that has failed is tried again

    async def _run(self, workflow: Workflow) -> str:
        picture = np.full((_SIDE, _SIDE, 3), 127, np.uint8)
        data = await asyncio.to_thread(encode, picture, PNG, label=None)
        comfyui, prompt_id = self._engine.comfyui, str(uuid.uuid4())
        name = await comfyui.upload(data, folder=FOLDER, name="grey.png", content_type=PNG)
        graph = workflow.build(
            _fewest_steps(workflow),
            images=dict.fromkeys(workflow.required_images, name),
            prefix=f"{FOLDER}/{prompt_id}",
        )
        try:
            ending = await self._engine.carry_out(prompt_id, graph)
            result_of(ending, node=workflow.result, otherwise=SavedImage(""))
        except PromptLost as lost:
            raise EngineUnavailable(str(lost)) from lost
        except RetryableError:
            raise
        except Exception as error:
            raise EngineNotReady(f"{workflow.kind} fails in its warm-up: {error}") from error
        log.info("%s is warm after %s s", workflow.kind, ending.seconds)
        return prompt_id
