"""A task as its client sees it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from short_drama.domain.lane_notices import Condition
from short_drama.domain.outcome import KEPT_KEYS
from short_drama.domain.task import Task
from short_drama.domain.timings import timings_of
from short_drama.domain.webhooks import Notification
from short_drama.ports import Outlook
from short_drama.tracing import trace_id
from short_drama.web.signed_urls import Links


def accepted_view(task: Task, base_url: str, *, lane: Condition | None = None) -> dict[str, Any]:
    """`lane`: what keeps it from going on with the task."""
    return {
        "task_id": task.task_id,
        "status": task.status,
        "message": f"Accepted. Follow it at /api/v1/tasks/{task.task_id}?wait=30.",
        "lane": _lane(task, lane),
        "urls": urls(task, base_url),
    }


def urls(task: Task, base_url: str) -> dict[str, str]:
    address = f"{base_url}/api/v1/tasks/{task.task_id}"
    return {
        "self": address,
        "events": f"{address}/events",
        "cancel": f"{address}/cancel",
        "retry": f"{address}/retry",
    }


def task_view(
    task: Task,
    assets: Links,
    *,
    base_url: str,
    now: float,
    outlook: Outlook | None = None,
    lane: Condition | None = None,
) -> dict[str, Any]:
    """The documented shape; every member is always there, null when it does not apply.

    Args:
        outlook: the store's, for what the record does not tell of a task that waits.
        lane: what keeps it from going on with the task.
    """
    return {
        "task_id": task.task_id,
        "status": task.status,
        "kind": task.kind,
        "job_type": task.job_type,
        **_end(task, assets),
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "version": task.version,
        "request": dict(task.request),
        "sources": dict(task.sources),
        "inputs": dict(task.inputs),
        "derived_from": [dict(one) for one in task.derived_from],
        "labels": dict(task.labels),
        "characters": dict(task.characters),
        "purged": None if task.purged is None else dict(task.purged),
        "waiting_for": _waiting_for(task),
        "lane": _lane(task, lane),
        **_attempt(task),
        "queue_position": _queue_position(task, outlook),
        "eta_seconds": None if lane else _eta_seconds(task, outlook, now),
        "deadline": task.deadline,
        "deleted_at": task.deleted_at,
        "trace_id": trace_id(task.traceparent),
        "timings": asdict(timings_of(task)),
        "cost": None if task.cost is None else dict(task.cost),
        "notifications": [notification_view(one) for one in task.notifications],
        "urls": urls(task, base_url),
    }


def _attempt(task: Task) -> dict[str, Any]:
    """How far the present one is, or the last."""
    return {
        "stage": task.stage,
        "progress": task.progress,
        "preview": task.preview,
        "attempts": task.attempt,
        "started_at": task.started_at,
        "api_job_id": task.api_job_id,
    }


def notification_view(one: Notification) -> dict[str, Any]:
    return {
        "webhook_id": one.endpoint_id,
        "event": one.event,
        "state": one.state,
        "tries": one.tries,
        "due_at": one.due_at,
        "delivered_at": one.delivered_at,
        "log": [dict(entry) for entry in one.log],
    }


def _end(task: Task, assets: Links) -> dict[str, Any]:
    """What came of it."""
    outcome, failure = task.outcome, task.failure
    return {
        "result_url": result_url(task, assets),
        "error_message": failure.message if failure else None,
        "error": failure.to_json() if failure else None,
        "result": outcome.result if outcome else None,
        "engine": outcome.engine if outcome else None,
        "provenance": _provenance(task, assets),
    }


def _waiting_for(task: Task) -> dict[str, Any] | None:
    """Why, and when it is tried again, as far as that is known."""
    if task.waits_for is None:
        return None
    reason, until = task.waits_for, task.outbox_due if task.parked else None
    return {"code": reason.code, "message": reason.message, "fix": reason.fix, "until": until}


def _lane(task: Task, condition: Condition | None) -> dict[str, Any] | None:
    return None if condition is None else {"name": task.lane, **condition_view(condition)}


def condition_view(condition: Condition) -> dict[str, Any]:
    return {
        "state": condition.state,
        "since": condition.since,
        "reason": condition.reason,
        "fix": condition.fix,
    }


def _queue_position(task: Task, outlook: Outlook | None) -> int | None:
    if not task.is_waiting:
        return None
    return task.queue_position or (outlook.position if outlook else None)


def _eta_seconds(task: Task, outlook: Outlook | None, now: float) -> float | None:
    if not task.is_waiting:
        return None
    if task.expected_at is not None:
        return round(max(task.expected_at - now, 0.0), 1)
    return outlook.eta_seconds if outlook else None


def result_url(task: Task, assets: Links) -> str | None:
    if task.outcome is None:
        return None
    key = task.outcome.result_key
    return assets.url(key) if key else task.outcome.result_url


def _provenance(task: Task, assets: Links) -> dict[str, Any] | None:
    """How the result came to be: the engine's own account, with links for assets it kept."""
    if task.outcome is None:
        return None
    details = _linked(task.outcome.details, assets)
    if "cast" in details:
        details["cast"] = [_linked(part, assets) for part in details["cast"]]
    if requests := _provider_requests(task):
        details["provider_requests"] = requests
    if task.consent is not None:
        details["consent"] = dict(task.consent)
    if task.characters:
        details["characters"] = dict(task.characters)
    return {"engine": task.outcome.engine, "result_key": task.outcome.result_key, **details}


def _linked(details: Mapping[str, Any], assets: Links) -> dict[str, Any]:
    """With addresses of the pictures whose keys are told."""
    links = {f"{key.removesuffix('_key')}_url": details.get(key) for key in KEPT_KEYS}
    return {**details, **{name: assets.url(key) for name, key in links.items() if key}}


def _provider_requests(task: Task) -> list[dict[str, Any]]:
    """By what names its providers know their calls."""
    calls = task.cost["calls"] if task.cost else ()
    told = ("step", "provider", "model", "request_id")
    return [{name: call.get(name) for name in told} for call in calls if call.get("request_id")]
