"""What the GPU kinds need of an engine: inputs in, prompts carried out, results fetched.

Two keep these promises: `engine.engine` is a ComfyUI next to us, `hosted.engine` one elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from short_drama.comfyui_api.mishaps import Mishap
from short_drama.comfyui_api.server.endings import Ending, SavedImage
from short_drama.comfyui_api.server.events import Previewed
from short_drama.domain.errors import ShortDramaError


class Running(Protocol):
    """A prompt that is carried out; its own listener reads it whenever it has changed."""

    @property
    def started(self) -> bool: ...
    @property
    def node(self) -> str | None: ...
    @property
    def fraction(self) -> float | None:
        """Of the steps of `node`, 0 to 1."""
        ...

    @property
    def preview(self) -> Previewed | None: ...


OnChange = Callable[[Running], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A prompt of an earlier attempt, which another one must not be begun beside.

    `submitted`: it runs, waits or ended well. Else nobody knows whether the server has it: it is
    to be submitted under the same id.
    """

    prompt_id: str
    submitted: bool = True


class GpuEngine(Protocol):
    name: str
    """In records and labels."""

    def check(self) -> None:
        """Raises why it takes no work now."""
        ...

    async def usable(self) -> None:
        """Until it takes work. Raises EngineUnavailable when that takes too long."""
        ...

    async def upload(self, data: bytes, *, folder: str, name: str, content_type: str) -> object:
        """Make a picture known to it; returns what LoadImage calls it. Raises Unavailable."""
        ...

    async def find(self, prompt_ids: Sequence[str]) -> Found | None:
        """What has become of these, the latest first. Raises Unavailable."""
        ...

    async def glance(self) -> None:
        """See who waits there, for `others_before`: before a prompt, while it is got ready."""
        ...

    def others_before(self, prompt_id: str) -> int:
        """Prompts of other clients that wait there before this one, as far as is known; before one
        that is not there yet, all that wait."""
        ...

    async def carry_out(
        self, prompt_id: str, graph: Mapping[str, Any] | None, *, task: str, on_change: OnChange
    ) -> Ending:
        """Run a prompt to its end, or follow the one that has this id when `graph` is None.

        Args:
            task: the key of whose it is: one that the engine may have died of is kept apart.

        Raises:
            PromptLost: nothing of it began, and its inputs are gone.
            EngineInterrupted: it began, and was lost or stopped moving.
            EngineUnavailable: it did not begin, and the engine does not answer or move.
            EngineNotReady, EngineFailed: the engine refused it.
        """
        ...

    async def stop(self, prompt_id: str) -> None:
        """Cancel a prompt, and return when nothing of it computes any more."""
        ...

    def reject(self, prompt_id: str) -> None:
        """Nobody is to take this prompt on: it is being stopped, or its result is no good."""
        ...

    async def fetch(self, image: SavedImage) -> bytes:
        """Raises Unavailable, and EngineInterrupted when the file is gone."""
        ...


class Remedies(Protocol):
    """What is done when a job went wrong; one for all kinds of an engine."""

    async def judge(self, one: Mishap) -> ShortDramaError:
        """What the job fails with: for good, where its task is to blame, or to be tried again."""
        ...

    def fine(self) -> None:
        """A job has gone well."""
        ...
