"""Follow, list, cancel and repeat tasks."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from starlette.types import Receive, Send
from starlette.types import Scope as Asked

from short_drama import tracing
from short_drama.domain.errors import (
    InvalidRequest,
    KeyRefused,
    NewerFormat,
    ScopeMissing,
    Unavailable,
)
from short_drama.domain.kinds import Catalogue
from short_drama.domain.principal import Principal, Scope
from short_drama.domain.task_state import TaskStatus
from short_drama.orchestrator import events
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.submit import not_found
from short_drama.ports import TaskFilter
from short_drama.sdk.models import Accepted, Problem, TaskPage, TaskView
from short_drama.web import openapi
from short_drama.web.answers import JsonAnswer
from short_drama.web.body import base_url, idempotency_key, traceparent
from short_drama.web.clients import CLIENT
from short_drama.web.door import principal_of, require, require_still
from short_drama.web.trail import line_of
from short_drama.web.waiting import stopping

Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for a change.")]
Since = Annotated[int | None, Query(description="The `version` last seen; default: now's.")]

_ONE: dict[int | str, dict[str, Any]] = {200: {"model": TaskView}, 404: {"model": Problem}}


def _seconds(given: object) -> object:
    """Of a date and time; anything else stays, for pydantic to take or refuse as a number."""
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        return given
    if str(given).isdigit():  # a date without dashes, or rather seconds
        return given
    if moment.tzinfo is None:
        raise PydanticCustomError("moment", "has no time zone: end it with Z or +08:00")
    return moment.timestamp()


Label = Annotated[str, Field(pattern=r"^[^\s:=]+[:=]")]
Moment = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False), BeforeValidator(_seconds)]
EVERYBODY = "*"
_MOST = 20
"""As many labels as a task can have."""


class ListQuery(BaseModel):
    """What a list may be narrowed to."""

    status: Annotated[list[TaskStatus], Query(description="Any of these.")] = []
    kind: Annotated[list[str], Query(description="Any of these.")] = []
    label: Annotated[
        list[Label], Query(max_length=_MOST, description="key:value; all of these.")
    ] = []
    created_after: Annotated[
        Moment | None, Query(description="Then or later: Unix seconds, or a date and time.")
    ] = None
    created_before: Annotated[Moment | None, Query(description="Earlier than then.")] = None
    owner: Annotated[
        str | None,
        Query(max_length=40, description="Whose, for operators: a name, or * for everybody's."),
    ] = None
    cursor: Annotated[str | None, Query(max_length=400)] = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50

    def where(self, catalogue: Catalogue, principal: Principal) -> TaskFilter:
        """Raises InvalidRequest for a kind there is not, and ScopeMissing for another owner."""
        owner = principal.owner if self.owner is None else self.owner
        if not principal.sees(owner):
            raise ScopeMissing(
                f"this needs a key with the scope {Scope.OPERATE}",
                field="owner",
                fix="Leave owner out: your own tasks are listed.",
            )
        for kind in self.kind:
            if kind not in catalogue:
                raise InvalidRequest(
                    f"kind: there is no kind {kind[:80]!r}",
                    field="kind",
                    fix=f"The kinds are: {', '.join(catalogue)}.",
                )
        labels = (label.replace("=", ":", 1).partition(":") for label in self.label)
        return TaskFilter(
            owner=None if owner == EVERYBODY else owner,
            statuses=frozenset(self.status),
            kinds=frozenset(self.kind),
            labels=[(key, value) for key, _, value in labels],
            created_after=self.created_after,
            created_before=self.created_before,
        )


def install(app: FastAPI, desk: Desk) -> None:
    _install_reading(app, desk)
    _install_events(app, desk)
    _install_acting(app, desk)


def _install_reading(app: FastAPI, desk: Desk) -> None:
    @app.get(
        "/api/v1/tasks",
        tags=["tasks"],
        summary="Your tasks, newest first",
        responses={200: {"model": TaskPage}},
    )
    async def list_tasks(request: Request, query: Annotated[ListQuery, Query()]) -> Response:
        where = query.where(desk.catalogue, principal_of(request))
        page = await desk.store.list(where, cursor=query.cursor, limit=query.limit)
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
