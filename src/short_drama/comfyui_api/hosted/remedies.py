"""What is done when a hosted result says that something is ill.

Nothing can be unloaded or restarted from here, and the next run may be on another machine: once is
an accident, and twice is the task's own.
"""

from collections import OrderedDict

from short_drama.domain.errors import (
    EngineFailed,
    EngineInterrupted,
    EngineOutOfMemory,
    PermanentError,
    RetryableError,
)

_REMEMBERED = 1000


class HostedRemedies:
    """`Remedies` of a `HostedEngine`."""

    def __init__(self) -> None:
        self._exhausted: OrderedDict[str, None] = OrderedDict()

    async def out_of_memory(
        self, key: str, error: EngineOutOfMemory
    ) -> RetryableError | PermanentError:
        if key in self._exhausted:
            del self._exhausted[key]
            return EngineFailed(
                f"{error.detail}, and again in another run",
                fix="Use fewer reference images or a smaller one, or a plan with a larger GPU.",
            )
        self._exhausted[key] = None
        if len(self._exhausted) > _REMEMBERED:
            self._exhausted.popitem(last=False)
        return error

    async def black(self, prompt_id: str) -> EngineInterrupted:
        return EngineInterrupted("the hosted ComfyUI made an all-black picture")

    def fine(self) -> None:
        """Nothing is held against anybody."""
