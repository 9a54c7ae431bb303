"""What is done when a result says that the engine is ill.

Once is an accident: the models are unloaded and the task is tried again. Twice is a fact, about
the task when it runs out of memory, and about the engine when its pictures are black.
"""

from collections import OrderedDict
from contextlib import suppress

from short_drama.comfyui_api.engine.engine import Engine
from short_drama.domain.errors import (
    EngineFailed,
    EngineInterrupted,
    EngineOutOfMemory,
    PermanentError,
    RetryableError,
    Unavailable,
)

_REMEMBERED = 1000


class Remedies:
    """One for all kinds of work of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._exhausted: OrderedDict[str, None] = OrderedDict()
        self._black, self._drops = 0, engine.drops
        self._same_accident: frozenset[str] = frozenset()

    async def out_of_memory(
        self, key: str, error: EngineOutOfMemory
    ) -> RetryableError | PermanentError:
        """What the job of this key fails with."""
        if key in self._exhausted:
            del self._exhausted[key]
            return EngineFailed(
                f"{error.detail}, and again after its models were unloaded",
                fix="Use fewer reference images or a smaller one, or a GPU with more memory.",
            )
        self._exhausted[key] = None
        if len(self._exhausted) > _REMEMBERED:
            self._exhausted.popitem(last=False)
        await self._free()
        return error

    async def black(self, prompt_id: str) -> EngineInterrupted:
        """What the job fails with whose picture is black from edge to edge.

        Not-a-number values in the latents do that, with status success, and can go on doing it
        until ComfyUI is restarted. Prompts that had been queued before the models were unloaded
        may share the accident.
        """
        if prompt_id in self._same_accident:
            return EngineInterrupted("ComfyUI made an all-black picture, as just before")
        if self._drops != self._engine.drops:  # another process, perhaps: what was is forgotten
            self._drops, self._black = self._engine.drops, 0
        self._black += 1
        if self._black == 1:
            self._same_accident = self._engine.at_work()
            await self._free()
            return EngineInterrupted("ComfyUI made an all-black picture; its models were unloaded")
        self._black = 0
        reason = Unavailable(
            "ComfyUI makes only black pictures, also with its models loaded anew",
            fix="Restart ComfyUI.",
        )
        self._engine.health.unhealthy(reason, needs_restart=True)
        return EngineInterrupted("ComfyUI made an all-black picture again; it must be restarted")

    def fine(self) -> None:
        """A picture that is not black."""
        self._black = 0

    async def _free(self) -> None:
        with suppress(Unavailable):
            await self._engine.comfyui.free()
