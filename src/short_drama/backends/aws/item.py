"""A task as a DynamoDB item, readable in the console: one attribute for each member."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from short_drama.domain.task import Task

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

Item = dict[str, Any]

KEPT_SECONDS = 90 * 24 * 60 * 60.0
"""How long an ended task's record is kept."""
STATUS_INDEX, DUE_INDEX = "status-created_at-index", "lane-due_at-index"
IN_STATUS_INDEX = ("owner", "kind", "lane", "labels")
"""Set once and never changed, so that only a change of the status writes the index."""


def to_item(task: Task, *, write_id: str) -> Item:
    """The item of a task's next version. `write_id` tells whose write it was."""
    view: dict[str, Any] = {
        **task.to_json(),
        "lane": task.lane.value,
        "job_type": task.job_type,
        "due_at": task.due_at,
        "result_url": task.outcome and task.outcome.result_url,
        "error_message": task.failure and task.failure.message,
        "expires_at": task.ended_at and int(task.ended_at + KEPT_SECONDS),
        "write_id": write_id,
    }
    return {name: _attribute(value) for name, value in view.items() if value is not None}


def to_task(item: Mapping[str, Any]) -> Task:
    """Members that are not the task's own are ignored."""
    return Task.from_json({name: _value(attribute) for name, attribute in item.items()})


def new_write_id() -> str:
    return uuid.uuid4().hex


def _attribute(value: object) -> AttributeValueTypeDef:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": repr(value)}
        case str():
            return {"S": str(value)}
        case Mapping():
            return {"M": {str(key): _attribute(part) for key, part in value.items()}}
        case Sequence():
            return {"L": [_attribute(part) for part in value]}
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _value(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return _number(value)
        case "M":
            return {key: _value(part) for key, part in value.items()}
        case "L":
            return [_value(part) for part in value]
        case "NULL":
            return None
    return value


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
