"""What is done when a hosted result says that something is ill.

Nothing can be unloaded, examined or restarted from here, and the next run may be on another
machine: once is an accident, and twice is the task's own.
"""

from short_drama.comfyui_api.mishaps import Mishap, Mishaps, is_the_tasks
from short_drama.domain.errors import ShortDramaError


class HostedRemedies:
    """`Remedies` of a `HostedEngine`."""

    def __init__(self) -> None:
        self._mishaps = Mishaps()

    async def judge(self, one: Mishap) -> ShortDramaError:
        blamed = is_the_tasks(one, self._mishaps.count(one))
        return one.for_good() if blamed else one.again()

    def fine(self) -> None:
        """Nothing is held against the engine."""
