"""The orchestrators' application: submit here; both lanes share the rest of the contract."""

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel

from short_drama import tracing
from short_drama.domain.errors import InvalidRequest, Unavailable
from short_drama.domain.kinds import Lane, TaskKind
from short_drama.domain.principal import Scope
from short_drama.orchestrator import (
    audit_routes,
    character_routes,
    events,
    kind_routes,
    shot_routes,
    task_routes,
    ticket_routes,
    uploads,
    verification,
    webhook_routes,
)
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.queue_sight import waited
from short_drama.orchestrator.views import condition_view
from short_drama.sdk.models import Accepted, Problem, TaskView
from short_drama.web import app as web_app
from short_drama.web import assets as web_assets
from short_drama.web import openapi
from short_drama.web.answers import JsonAnswer
from short_drama.web.body import base_url, idempotency_key, read_json, traceparent
from short_drama.web.clients import CLIENT
from short_drama.web.door import Lock, principal_of, require
from short_drama.web.prefer import preferences
from short_drama.web.proxies import Proxies
from short_drama.web.trail import line_of
from short_drama.web.waiting import stopping


def create_orchestrator(
    lane: Lane,
    desk: Desk,
    *,
    hosts: Iterable[str] = (),
    lock: Lock | None = None,
    proxies: Proxies | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """`hosts`: names it answers to beside the loopback ones; `lock`: of its door; `proxies`: those
    in front of it."""
    kinds = desk.catalogue.of(lane)

    async def report() -> dict[str, Any]:
        depth = await desk.queues[lane].depth()
        age = waited(await desk.store.oldest_pending(lane), clock())
        return {
            "queue": {
                "name": lane.queue,
                "waiting": depth.waiting,
                "in_flight": depth.in_flight,
                "oldest_seconds": round(age, 3),
            },
            "lane": await _lane(lane, desk),
            "kinds": await desk.availability.view((kind.name for kind in kinds), lane),
        }

    app = web_app.create_app(
        service=f"orchestrator-{lane}",
        title=f"short-drama orchestrator ({lane.upper()} tasks)",
        description="Submit tasks and follow them. Errors are RFC 9457 problem documents.",
        report=report,
        check=desk.check,
        remark=desk.remark,
        hosts=hosts,
        lock=lock,
        rate=desk.rate,
        proxies=proxies,
    )
    _install_routes(app, lane, desk)
    return app


def _install_routes(app: FastAPI, lane: Lane, desk: Desk) -> None:
    kinds = desk.catalogue.of(lane)
    for kind in kinds:
        _install_submit(app, kind, desk)
    kind_routes.install(app, lane, desk)
    task_routes.install(app, desk)
    shot_routes.install(app, desk)
    ticket_routes.install(app, desk)
    audit_routes.install(app, desk)
    uploads.install(app, desk.sources, desk.links)
    uploads.install_direct(app, desk.assets)
    verification.install(app, desk)
    webhook_routes.install(app, desk)
    character_routes.install(app, desk)
    if desk.serves_assets:
        web_assets.install(app, desk.assets, desk.signatures)
    bodies: list[type[BaseModel]] = [kind.task_request for kind in kinds]
    bodies += [uploads.DirectUploadRequest, ticket_routes.TicketRequest]
    bodies += [*webhook_routes.BODIES, *character_routes.BODIES, *shot_routes.REQUESTS]
    openapi.document(app, bodies, choices={"kind": desk.catalogue})


async def _lane(lane: Lane, desk: Desk) -> dict[str, Any] | None:
    """None while nobody can say how it is."""
    condition = await desk.availability.of_lane(lane)
    return None if condition is None else condition_view(condition)


_SUBMIT_HEADERS = {
    "Idempotency-Key": "Makes the submit safe to repeat: the same key and body, the same task.",
    "Prefer": "wait=N answers when the task has ended, or after N seconds (at most 60).",
}


_SUBMIT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": TaskView, "description": "It ended within Prefer: wait"},
    202: {"model": Accepted},
    403: {"model": Problem},
    422: {"model": Problem},
    429: {"model": Problem},
    503: {"model": Problem},
}


def _install_submit(app: FastAPI, kind: TaskKind, desk: Desk) -> None:
    path = f"/api/v1/{kind.name}/tasks"

    @app.post(
        path,
        tags=["submit"],
        status_code=202,
        summary=kind.summary,
        operation_id=f"create_{kind.name.replace('-', '_')}_task",
        openapi_extra=openapi.operation(
            kind.task_request, example=kind.example, headers=_SUBMIT_HEADERS
        ),
        responses=_SUBMIT_ANSWERS,
    )
    async def submit(request: Request) -> Response:
        if kind.is_face_swap:
            require(request, Scope.FACE_SWAP)
        wait, who = _preferred_wait(request), principal_of(request)
        key, body = idempotency_key(request), await read_json(request, kind.task_request)
        with tracing.span("submit", traceparent(request), kind=kind.name) as traced:
            task = await desk.submitter.submit(
                kind,
                body,
                owner=who.owner,
                key=key,
                key_id=who.key_id,
                webhooks=await desk.webhooks.told(who.owner),
                line=line_of(request),
            )
            traced.tell(task_id=task.task_id)
        headers = {"Location": f"/api/v1/tasks/{task.task_id}"}
        if wait is not None:
            # Where too many wait, the preference is not applied: the task is accepted all the same.
            with contextlib.suppress(Unavailable), desk.listeners.place(CLIENT.get()):
                task = await events.wait_for_end(
                    desk.store, task, timeout=wait, stopping=stopping(request)
                )
                headers["Preference-Applied"] = f"wait={wait:g}"
        if "Preference-Applied" not in headers:
            return JsonAnswer(await desk.accepted_view(task, base_url(request)), 202, headers)
        view = await desk.view(task, base_url(request))
        view["message"] = f"The task is {task.status}."
        return JsonAnswer(view, 200 if task.status.is_terminal else 202, headers)

    app.state.direct.add("POST", path, submit)


def _preferred_wait(request: Request) -> float | None:
    """Of `Prefer: wait=30`, at most a minute."""
    wait = preferences(request.headers.getlist("prefer")).get("wait")
    if wait is None:
        return None
    if wait.isascii() and wait.isdecimal():
        return min(float(wait), 60.0)
    raise InvalidRequest(
        "Prefer: wait takes whole seconds", field="Prefer", fix="Send Prefer: wait=30."
    )
