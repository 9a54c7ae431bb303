"""A task, and its page of the ledger, as records in plain JSON types: what every store keeps.

Whoever reads is lenient: members of a later version are ignored, and an earlier one's absence made
up for. What says that it must not be read so raises NewerFormat.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from short_drama.domain import formats
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.domain.webhooks import Notification

_FIELDS = tuple(member.name for member in fields(Task))
_IF_ANY = ("webhooks", "notifications", "derived_from")
_OUTCOME_FIELDS = tuple(member.name for member in fields(Outcome))
_PAGE_FIELDS = tuple(member.name for member in fields(TaskSpend))
_CALL_FIELDS = tuple(member.name for member in fields(PaidCall))


def record_of(task: Task) -> dict[str, Any]:
    """Members that are None are left out, and those of which there are none."""
    record = formats.TASK.marked({}, as_of=None if task.characters else formats.FIRST)
    for name in _FIELDS:
        value = getattr(task, name)
        if name in _IF_ANY and not value:
            continue
        if isinstance(value, Failure):
            record[name] = value.to_json()
        elif isinstance(value, Outcome):
            record[name] = {part: getattr(value, part) for part in _OUTCOME_FIELDS}
        elif name == "notifications":
            record[name] = [one.to_json() for one in value]
        elif value is not None:
            record[name] = value
    return record


def task_of(record: Mapping[str, Any]) -> Task:
    """Raises NewerFormat."""
    formats.TASK.require_known(record)
    known = {name: record[name] for name in _FIELDS if name in record}
    known["status"] = formats.TASK.word(TaskStatus, record["status"])
    known["lane"] = _lane_of(record)
    known["derived_from"] = tuple(record.get("derived_from", ()))
    for name in ("failure", "waits_for"):
        if name in known:
            known[name] = Failure.from_json(known[name])
    if "outcome" in known:
        stored = known["outcome"]
        known.setdefault("cost", stored.get("cost"))  # where earlier versions kept it
        known["outcome"] = Outcome(**{k: stored[k] for k in _OUTCOME_FIELDS if k in stored})
    known["webhooks"] = tuple(known.get("webhooks", ()))
    told = known.get("notifications", ())
    known["notifications"] = tuple(Notification.from_json(one) for one in told)
    return Task(**known)


def _lane_of(record: Mapping[str, Any]) -> Lane:
    """In records without one, all kinds beyond the usual ones were workflows."""
    if "lane" in record:
        return formats.TASK.word(Lane, record["lane"])
    kind = record["kind"]
    return KINDS[kind].lane if kind in KINDS else Lane.GPU


def record_of_page(page: TaskSpend) -> dict[str, Any]:
    """Members that are None are left out."""
    record = formats.PAGE.marked({name: getattr(page, name) for name in _PAGE_FIELDS})
    record["calls"] = [{name: getattr(call, name) for name in _CALL_FIELDS} for call in page.calls]
    return {name: value for name, value in record.items() if value is not None}


def page_of(record: Mapping[str, Any]) -> TaskSpend:
    """Raises NewerFormat."""
    formats.PAGE.require_known(record)
    known = {name: record[name] for name in _PAGE_FIELDS if name in record}
    known["calls"] = tuple(_call_of(call) for call in record["calls"])
    return TaskSpend(**known)


def _call_of(record: Mapping[str, Any]) -> PaidCall:
    known = {name: record[name] for name in _CALL_FIELDS if name in record}
    return PaidCall(**{**known, "state": formats.PAGE.word(CallState, record["state"])})
