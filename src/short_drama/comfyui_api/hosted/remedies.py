"""What is done when a hosted result says that something is ill.

Nothing can be unloaded, examined or restarted from here, and the next run may be on another
machine: once is an accident, and twice is the task's own. A device that has failed is not held
against a task: it may have failed for whoever came before.
"""

from short_drama.comfyui_api.mishaps import Mishap, Mishaps, is_the_tasks
from short_drama.domain.errors import EngineBroken, ShortDramaError


class HostedRemedies:
    """`Remedies` of a `HostedEngine`."""

    def __init__(self) -> None:
        self._mishaps = Mishaps()

    async def judge(self, one: Mishap) -> ShortDramaError:
        times = self._mishaps.count(one)
        blamed = is_the_tasks(one, times) and not isinstance(one.error, EngineBroken)
        return one.for_good() if blamed else one.again()

    def fine(self) -> None:
        """Nothing is held against the engine."""
