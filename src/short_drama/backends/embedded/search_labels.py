"""What tasks are found by in the table of labels: their own, and some that are made of them.

Keys of ours begin with a colon, which no task's label has in it. Each is a short way to what would
else be looked for among everything of a whole project.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from short_drama.domain.shots import EPISODE, PROJECT, SHOT, Shot
from short_drama.domain.task_state import TaskState

OF_SHOT: Final = ":shot"
"""Its value is the shot's place, so that the table has the tasks of each owner in shot order."""
_PAIRS: Final = {":episode": (PROJECT, EPISODE), ":project shot": (PROJECT, SHOT)}
_BETWEEN: Final = "\x01"
_FROM: Final = ":from "

Pair = tuple[str, str]


def searched_by(task: TaskState) -> dict[str, str]:
    """What is deleted is not found by labels."""
    if task.deleted_at is not None:
        return {}
    return with_short_ways(task.labels, [one["task_id"] for one in task.derived_from])


def with_short_ways(labels: Mapping[str, str], derived_from: Sequence[str] = ()) -> dict[str, str]:
    shot = Shot.of(labels)
    of_shot = {} if shot is None else {OF_SHOT: shot.place}
    return {**labels, **dict(_pairs(labels)), **of_shot, **dict(map(derived, derived_from))}


def derived(task_id: str) -> Pair:
    """Of tasks that work on what this one has made."""
    return f"{_FROM}{task_id}", ""


def shortest(labels: Sequence[Pair], derived_from: str | None) -> list[Pair]:
    """Of those that are asked for together: any of these leads past all that has them."""
    composed = [*_pairs(dict(labels))]
    if derived_from is not None:
        composed.append(derived(derived_from))
    return composed or [*dict.fromkeys(labels)]


def _pairs(labels: Mapping[str, Any]) -> Iterator[Pair]:
    for key, names in _PAIRS.items():
        if all(labels.get(name) for name in names):
            yield key, _BETWEEN.join(labels[name] for name in names)
