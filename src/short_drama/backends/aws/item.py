"""A task as a DynamoDB item, readable in the console: one attribute for each member."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from short_drama.domain.errors import InvalidRequest
from short_drama.domain.lifetimes import USUAL, Lifetimes
from short_drama.domain.record import record_of, task_of
from short_drama.domain.task import Task

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

Item = dict[str, Any]

DELETED = "deleted"
"""The status of an item whose task is deleted, so that no look at others' comes past it; what it
was is in `ended_as`."""
STATUS_INDEX, DUE_INDEX = "status-created_at-index", "lane-due_at-index"
IN_STATUS_INDEX = ("owner", "kind", "lane", "labels")
"""Set once and never changed, so that only a change of the status writes the index."""
_WHOLE, _LARGEST, _SMALLEST = 10**38, 1e126, 1e-130
"""What a number may be: 38 digits, in this range (DynamoDB developer guide, data types)."""


def to_item(task: Task, *, write_id: str, lifetimes: Lifetimes = USUAL) -> Item:
    """The item of a task's next version. `write_id` tells whose write it was. DynamoDB may take two
    days more than its lifetime to delete one; until then it is shown, for it is still true.

    Raises InvalidRequest for a number that is too large for DynamoDB.
    """
    view: dict[str, Any] = {
        **record_of(task),
        "job_type": task.job_type,
        "due_at": task.due_at,
        "result_url": task.outcome and task.outcome.result_url,
        "error_message": task.failure and task.failure.message,
        "expires_at": _expires_at(task, lifetimes),
        "write_id": write_id,
    }
    if task.deleted_at is not None:
        view |= {"status": DELETED, "ended_as": task.status}
    return {name: attribute(value) for name, value in view.items() if value is not None}


def _expires_at(task: Task, lifetimes: Lifetimes) -> int | None:
    goes_at = lifetimes.goes_at(ended_at=task.ended_at, deleted_at=task.deleted_at)
    return None if goes_at is None else int(goes_at)


def to_task(item: Mapping[str, Any]) -> Task:
    """Members that are not the task's own are ignored."""
    record = {name: read_attribute(found) for name, found in item.items()}
    return task_of({**record, "status": record.get("ended_as", record["status"])})


def new_write_id() -> str:
    return uuid.uuid4().hex


def attribute(value: object) -> AttributeValueTypeDef:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": _digits(value)}
        case str():
            return {"S": str(value)}
        case Mapping():
            return {"M": {str(key): attribute(part) for key, part in value.items()}}
        case Sequence():
            return {"L": [attribute(part) for part in value]}
    raise TypeError(f"{type(value).__name__} has no place in a record")


def read_attribute(found: Mapping[str, Any]) -> Any:
    ((kind, value),) = found.items()
    match kind:
        case "N":
            return _number(value)
        case "M":
            return {key: read_attribute(part) for key, part in value.items()}
        case "L":
            return [read_attribute(part) for part in value]
        case "NULL":
            return None
    return value


def _digits(value: float) -> str:
    """Exactly this number; 0 for one that is nearer to it than DynamoDB can tell.

    Servers write 1e+20 as 100000000000000000000: what is whole is read back as an int, so it is
    written digit by digit, because a float's shortest form is not its exact value.
    """
    if abs(value) < _SMALLEST:
        return "0"
    if abs(value) < _WHOLE:
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, float) and abs(value) < _LARGEST:
        return repr(value)
    raise InvalidRequest(
        f"{value!r:.50} is too large to be stored", fix="Send numbers below 1e126 in size."
    )


def _number(text: str) -> int | float:
    try:
        whole = int(text)
    except ValueError:
        return float(text)
    return whole if abs(whole) < _WHOLE else float(text)
