"""What a task is found by when somebody looks for words."""

import string
from collections.abc import Iterator
from typing import Final

from short_drama.domain.task_state import TaskState

PROMPTS: Final = ("prompt", "face_position_prompt")
"""Fields of requests that hold an artist's words."""
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def mentions(task: TaskState, text: str) -> bool:
    """Whether its id, its prompts or a label (`key:value`) have the text in them; capitals A to Z
    are as good as small letters."""
    sought = text.translate(_LOWER)
    return any(sought in one.translate(_LOWER) for one in _texts(task))


def _texts(task: TaskState) -> Iterator[str]:
    yield task.task_id
    yield from (task.request[name] for name in PROMPTS if name in task.request)
    yield from (f"{key}:{value}" for key, value in task.labels.items())
