"""Jobs that went wrong, and how often a task may before it is taken to be its own doing."""

from collections import OrderedDict
from dataclasses import dataclass, field

from short_drama.domain.errors import (
    BlackPicture,
    EngineBroken,
    EngineFailed,
    EngineInterrupted,
    EngineOutOfMemory,
    RetryableError,
    ShortDramaError,
)

_REMEMBERED = 1000
_TRIES: dict[type[ShortDramaError], int] = {
    BlackPicture: 2,
    EngineOutOfMemory: 2,
    EngineBroken: 2,
    EngineFailed: 1,
}
"""How often each may happen to a task before it fails for good. What is not here is never the
task's fault alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """A job that went wrong, by the error that its task fails with if it is to blame.

    Args:
        task: its key.
        before: prompts of its other attempts that are known to have gone wrong in the same way.
    """

    kind: str
    task: str
    prompt_id: str
    error: ShortDramaError
    before: frozenset[str] = field(default_factory=frozenset)

    def again(self) -> ShortDramaError:
        """The job's error while its task may be tried again."""
        if isinstance(self.error, RetryableError):
            return self.error
        return EngineInterrupted(self.error.detail, fix=self.error.fix)

    def for_good(self) -> ShortDramaError:
        """The job's error once its task is to blame."""
        if isinstance(self.error, EngineOutOfMemory | EngineBroken):
            return EngineFailed(f"{self.error.detail}, not for the first time", fix=self.error.fix)
        return self.error


class Mishaps:
    """What has happened to which task: a prompt is counted once, however often it is looked at."""

    def __init__(self) -> None:
        self._prompts: OrderedDict[tuple[str, str], set[str]] = OrderedDict()

    def count(self, one: Mishap) -> int:
        """How often this has happened to the task, this time included."""
        key = (one.task, one.error.code)
        prompts = self._prompts.setdefault(key, set())
        prompts |= {one.prompt_id} | one.before
        self._prompts.move_to_end(key)
        if len(self._prompts) > _REMEMBERED:
            self._prompts.popitem(last=False)
        return len(prompts)

    def forget(self) -> None:
        """It was nobody's fault, apart from what a device has died of."""
        for key in [key for key in self._prompts if key[1] != EngineBroken.code]:
            del self._prompts[key]


def is_the_tasks(one: Mishap, times: int) -> bool:
    """Whether a task that this has happened to so often is to blame, on an engine that is well."""
    return times >= _TRIES.get(type(one.error), times + 1)
