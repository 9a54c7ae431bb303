"""A task as its client sees it."""

from typing import Any

from short_drama.domain.task import Task, TaskStatus
from short_drama.ports import AssetStore, Outlook


def accepted_view(task: Task, base_url: str) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "status": task.status,
        "message": f"Accepted. Follow it at /api/v1/tasks/{task.task_id}?wait=30.",
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
    task: Task, assets: AssetStore, *, base_url: str, outlook: Outlook | None = None
) -> dict[str, Any]:
    """The documented shape; every member is always there, null when it does not apply."""
    outcome, failure = task.outcome, task.failure
    view: dict[str, Any] = {
        "task_id": task.task_id,
        "status": task.status,
        "kind": task.kind,
        "job_type": task.job_type,
        "result_url": _result_url(task, assets),
        "error_message": failure.message if failure else None,
        "error": failure.to_json() if failure else None,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "version": task.version,
        "request": dict(task.request),
        "sources": dict(task.sources),
        "inputs": dict(task.inputs),
        "labels": dict(task.labels),
        "stage": task.stage,
        "progress": task.progress,
        "preview": task.preview,
        "attempts": task.attempt,
        "api_job_id": task.api_job_id,
        "queue_position": None,
        "eta_seconds": None,
        "deadline": task.deadline,
        "result": outcome.result if outcome else None,
        "engine": outcome.engine if outcome else None,
        "provenance": _provenance(task, assets),
        "timings": _timings(task),
        "cost": dict(outcome.cost) if outcome and outcome.cost else None,
        "urls": urls(task, base_url),
    }
    if outlook is not None and task.status is TaskStatus.PENDING:
        each = outlook.seconds_each
        view["queue_position"] = outlook.position
        view["eta_seconds"] = None if each is None else round(each * outlook.position, 1)
    return view


def _result_url(task: Task, assets: AssetStore) -> str | None:
    if task.outcome is None:
        return None
    key = task.outcome.result_key
    return assets.url(key) if key else task.outcome.result_url


def _provenance(task: Task, assets: AssetStore) -> dict[str, Any] | None:
    """How the result came to be: the engine's own account, with links for assets it kept."""
    if task.outcome is None:
        return None
    details = dict(task.outcome.details)
    if mask := details.get("mask_key"):
        details["mask_url"] = assets.url(mask)
    return {"engine": task.outcome.engine, "result_key": task.outcome.result_key, **details}


def _timings(task: Task) -> dict[str, float | None]:
    """Seconds. Overhead is all the time a finished task took beyond its engine's own."""
    engine = task.outcome.engine_seconds if task.outcome else None
    total = _span(task.created_at, task.ended_at)
    return {
        "queued_seconds": _span(task.created_at, task.started_at),
        "running_seconds": _span(task.started_at, task.ended_at),
        "engine_seconds": engine,
        "total_seconds": total,
        "overhead_seconds": (None if total is None or engine is None else round(total - engine, 4)),
    }


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 4)
