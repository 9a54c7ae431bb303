"""Where a picture comes from: read its label and its manifest, and find its task."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from short_drama.domain.errors import TaskNotFound
from short_drama.domain.principal import Principal
from short_drama.domain.task import Task
from short_drama.images.inspection import Inspection
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.uploads import FORM, image_bytes
from short_drama.orchestrator.views import urls
from short_drama.sdk.models import Problem, Verification
from short_drama.web.body import base_url
from short_drama.web.door import principal_of


def install(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/verify",
        tags=["assets"],
        summary="Where an image comes from; nothing of it is kept",
        openapi_extra={"requestBody": {"required": True, "content": FORM}},
        responses={
            200: {"model": Verification},
            413: {"model": Problem},
            422: {"model": Problem},
        },
    )
    async def verify(request: Request) -> JSONResponse:
        found = await desk.sources.inspect(await image_bytes(request))
        task = await _task(found, desk, principal_of(request))
        shown = None if task is None else _task_view(task, found, base_url(request))
        return JSONResponse({**found.to_json(), "task": shown})


async def _task(found: Inspection, desk: Desk, principal: Principal) -> Task | None:
    """The one that the picture names, if whoever asks may see it."""
    if found.task_id is None:
        return None
    try:
        return await desk.find(found.task_id, principal)
    except TaskNotFound:
        return None


def _task_view(task: Task, found: Inspection, address: str) -> dict[str, Any]:
    """`is_result`: whether these are the very bytes that the task has made."""
    made = task.outcome.details.get("sha256") if task.outcome else None
    return {
        "task_id": task.task_id,
        "kind": task.kind,
        "status": task.status,
        "is_result": made == found.sha256,
        "url": urls(task, address)["self"],
    }
