"""A task as a record in plain JSON types: what every store keeps."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from short_drama.domain.errors import Failure
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.task import Outcome, Task, TaskStatus

_FIELDS = tuple(member.name for member in fields(Task))
_OUTCOME_FIELDS = tuple(member.name for member in fields(Outcome))


def record_of(task: Task) -> dict[str, Any]:
    """Members that are None are left out."""
    record: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(task, name)
        if isinstance(value, Failure):
            record[name] = value.to_json()
        elif isinstance(value, Outcome):
            record[name] = {part: getattr(value, part) for part in _OUTCOME_FIELDS}
        elif value is not None:
            record[name] = value
    return record


def task_of(record: Mapping[str, Any]) -> Task:
    """Lenient: members of a later version are ignored, and an earlier one's absence made up for."""
    known = {name: record[name] for name in _FIELDS if name in record}
    known["status"] = TaskStatus(record["status"])
    known["lane"] = Lane(record["lane"]) if "lane" in record else _lane_by_kind(record["kind"])
    if "failure" in known:
        known["failure"] = Failure.from_json(known["failure"])
    if "outcome" in known:
        stored = known["outcome"]
        known["outcome"] = Outcome(**{k: stored[k] for k in _OUTCOME_FIELDS if k in stored})
    return Task(**known)


def _lane_by_kind(kind: str) -> Lane:
    """Of records without a lane: all kinds beyond the usual ones were workflows."""
    return KINDS[kind].lane if kind in KINDS else Lane.GPU
