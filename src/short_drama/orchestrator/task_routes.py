"""Follow, list, cancel, repeat, delete and restore tasks."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as Asked

from short_drama import tracing
from short_drama.domain.errors import KeyRefused, NewerFormat, Unavailable
from short_drama.domain.principal import Scope
from short_drama.newest import advance
from short_drama.orchestrator import events
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.list_query import FilterQuery, ListQuery
from short_drama.orchestrator.submit import not_found
from short_drama.sdk.models import Accepted, Problem, TaskCountView, TaskPage, TaskView
from short_drama.web import openapi
from short_drama.web.answers import JsonAnswer
from short_drama.web.body import base_url, idempotency_key, traceparent
from short_drama.web.clients import CLIENT
from short_drama.web.door import principal_of, require, require_still
from short_drama.web.trail import line_of
from short_drama.web.waiting import stopping

Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for a change.")]
Since = Annotated[int | None, Query(description="The `version` last seen; default: now's.")]

_MOST_COUNTED = 10_000

_ONE: dict[int | str, dict[str, Any]] = {200: {"model": TaskView}, 404: {"model": Problem}}


def install(app: FastAPI, desk: Desk) -> None:
    _install_counting(app, desk)
    _install_reading(app, desk)
    _install_events(app, desk)
    _install_acting(app, desk)
    _install_deleting(app, desk)


def _install_counting(app: FastAPI, desk: Desk) -> None:
    @app.get(
        "/api/v1/tasks/count",
        tags=["tasks"],
        summary="How many match, up to 10,000",
        responses={200: {"model": TaskCountView}},
    )
    async def count_tasks(request: Request, query: Annotated[FilterQuery, Query()]) -> Response:
        where = query.where(desk.catalogue, principal_of(request))
        found = await desk.store.count(where, most=_MOST_COUNTED)
        return JsonAnswer({"count": found.count, "at_least": not found.is_whole})

    async def count_all(request: Request) -> Response:
        return await count_tasks(request, FilterQuery())

    app.state.direct.add("GET", "/api/v1/tasks/count", count_all)


def _install_reading(app: FastAPI, desk: Desk) -> None:
    @app.get(
        "/api/v1/tasks",
        tags=["tasks"],
        summary="Your tasks: newest first, oldest first, or by shot",
        responses={200: {"model": TaskPage}},
    )
    async def list_tasks(request: Request, query: Annotated[ListQuery, Query()]) -> Response:
        where = query.where(desk.catalogue, principal_of(request))
        query.require_order()
        page = await desk.store.list(
            where, cursor=query.cursor, limit=query.limit, order=query.sort
        )
        tasks = [await desk.short_view(task, base_url(request)) for task in page.tasks]
        return JsonAnswer(
            {"tasks": tasks, "next_cursor": page.next_cursor, "left_out": page.left_out}
        )

    @app.get(
        "/api/v1/tasks/{task_id}",
        tags=["tasks"],
        summary="A task; ?wait= follows it",
        responses=_ONE,
    )
    async def get_task(
        task_id: str, request: Request, wait: Wait = 0, since: Since = None
    ) -> Response:
        task = await desk.find(task_id, principal_of(request))
        if wait and not task.status.is_terminal:
            version = task.version if since is None else since
            with desk.listeners.place(CLIENT.get()):
                changed, _ = await events.news(
                    desk, task, since=version, timeout=wait, stopping=stopping(request)
                )
            if changed is None:
                raise not_found(task_id)
            await require_still(request)
            task = changed
        return JsonAnswer(await desk.view(task, base_url(request)))

    async def get_task_as_it_is(request: Request) -> Response:
        return await get_task(request.path_params["task_id"], request)

    app.state.direct.add("GET", "/api/v1/tasks/{task_id}", get_task_as_it_is)


class _Listened(StreamingResponse):
    """A stream that keeps a listener's place from before it begins, however it ends."""

    def __init__(
        self, content: AsyncIterator[str], place: AbstractContextManager[None], **how: Any
    ) -> None:
        super().__init__(content, **how)
        self._place = place

    async def __call__(self, scope: Asked, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


def _install_events(app: FastAPI, desk: Desk) -> None:
    writer = events.EventWriter(desk)

    @app.get(
        "/api/v1/tasks/{task_id}/events",
        tags=["tasks"],
        summary="A task as it changes, as server-sent events",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {}}},
            204: {"description": "It has ended, and Last-Event-ID is its end: do not reconnect"},
            404: {"model": Problem},
        },
    )
    async def task_events(
        task_id: str, request: Request, last_event_id: Annotated[int | None, Header()] = None
    ) -> Response:
        task = await desk.find(task_id, principal_of(request))
        if task.status.is_terminal and last_event_id == task.version:
            return Response(status_code=204)

        async def stream() -> AsyncIterator[str]:
            changes = events.changes(desk, task, seen=last_event_id, stopping=stopping(request))
            # The answer has begun, so an outage can only end it: the client reconnects. So does a
            # key that was revoked meanwhile, and its client is told why when it does.
            async with contextlib.aclosing(changes):
                with contextlib.suppress(Unavailable, NewerFormat, KeyRefused):
                    async for change in changes:
                        await require_still(request)
                        if change is None:
                            yield events.HEARTBEAT
                        else:
                            yield await writer.event(change, base_url(request))

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        place = desk.listeners.place(CLIENT.get())
        return _Listened(stream(), place, media_type="text/event-stream", headers=headers)


_RETRY_HEADERS = {
    "Idempotency-Key": "Makes the retry safe to repeat: the same key and task, one new task."
}


def _install_acting(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/tasks/{task_id}/cancel",
        tags=["tasks"],
        summary="Cancel a task that has not ended",
        responses={**_ONE, 409: {"model": Problem}},
    )
    async def cancel_task(task_id: str, request: Request) -> Response:
        task = await desk.find(task_id, principal_of(request))
        cancelled = await desk.submitter.cancel(task, line=line_of(request))
        return JsonAnswer(await desk.view(cancelled, base_url(request)))

    @app.post(
        "/api/v1/tasks/{task_id}/retry",
        tags=["tasks"],
        status_code=202,
        summary="A new task with the same request",
        openapi_extra=openapi.bodiless(_RETRY_HEADERS),
        responses={
            202: {"model": Accepted},
            404: {"model": Problem},
            409: {"model": Problem},
            422: {"model": Problem},
        },
    )
    async def retry_task(task_id: str, request: Request) -> Response:
        key = idempotency_key(request)
        with tracing.span("retry", traceparent(request), of=task_id) as traced:
            who = principal_of(request)
            earlier = await desk.find(task_id, who)
            kind = desk.catalogue.get(earlier.kind)
            if kind is not None and kind.is_face_swap:
                require(request, Scope.FACE_SWAP)
            told = await desk.webhooks.told(earlier.owner)
            task = await desk.submitter.retry(
                earlier, key=key, key_id=who.key_id, webhooks=told, line=line_of(request)
            )
            traced.tell(task_id=task.task_id, kind=task.kind)
        headers = {"Location": f"/api/v1/tasks/{task.task_id}"}
        return JsonAnswer(await desk.accepted_view(task, base_url(request)), 202, headers)


def _install_deleting(app: FastAPI, desk: Desk) -> None:
    @app.delete(
        "/api/v1/tasks/{task_id}",
        tags=["tasks"],
        summary="Hide a task that has ended; it is removed for good later",
        responses={**_ONE, 409: {"model": Problem}},
    )
    async def delete_task(task_id: str, request: Request) -> Response:
        task = await desk.find(task_id, principal_of(request))
        deleted = await desk.picking.delete(task, line=line_of(request))
        return JsonAnswer(await desk.view(deleted, base_url(request)))

    @app.post(
        "/api/v1/tasks/{task_id}/restore",
        tags=["tasks"],
        summary="Show a deleted task again",
        responses=_ONE,
    )
    async def restore_task(task_id: str, request: Request) -> Response:
        task = await desk.find(task_id, principal_of(request))
        line = line_of(request)
        restored = await advance(
            desk.store,
            task,
            lambda found: found.restore(),
            line=line and line.on(task.task_id, task.kind),
        )
        return JsonAnswer(await desk.view(restored, base_url(request)))
