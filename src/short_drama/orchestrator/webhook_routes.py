"""Register endpoints, prove them, and have them told once more."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from short_drama.domain.letters import checked_label
from short_drama.domain.rules import Strict
from short_drama.domain.webhooks import Endpoint, chosen
from short_drama.images.guard import MAX_URL_LENGTH
from short_drama.newest import advance
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.webhooks.courier import replayed
from short_drama.sdk.models import Problem, TaskView
from short_drama.sdk.webhooks import EventName, WebhookList, WebhookView, WebhookWithSecret
from short_drama.web import openapi
from short_drama.web.answers import JsonAnswer
from short_drama.web.body import base_url, read_json
from short_drama.web.door import principal_of
from short_drama.web.trail import note_target

_ALL = "/api/v1/webhooks"
_ONE = _ALL + "/{webhook_id}"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": WebhookView},
    404: {"model": Problem},
    422: {"model": Problem},
}
_PRIVATE = {"Cache-Control": "no-store"}

_Events = Annotated[tuple[EventName, ...], Field(max_length=20, description="None for all.")]
_Label = Annotated[str, Field(max_length=200)]


class WebhookRequest(Strict):
    """A new endpoint."""

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH)]
    events: _Events = ()
    label: _Label = ""


class WebhookChange(Strict):
    """What is left out stays. A disabled endpoint opens again by being verified."""

    events: _Events | None = None
    label: _Label | None = None
    disabled: Literal[True] | None = None


class ReplayRequest(Strict):
    """Which endpoint is to be told once more; all that were told, without one."""

    webhook_id: Annotated[str | None, Field(max_length=80)] = None


BODIES = (WebhookRequest, WebhookChange, ReplayRequest)


def install(app: FastAPI, desk: Desk) -> None:
    _install_all(app, desk)
    _install_one(app, desk)
    _install_proofs(app, desk)
    _install_replay(app, desk)


def _install_all(app: FastAPI, desk: Desk) -> None:
    @app.post(
        _ALL,
        tags=["webhooks"],
        status_code=201,
        summary="Register an endpoint; its secret is shown only now",
        openapi_extra=openapi.operation(WebhookRequest, headers={}),
        responses={201: {"model": WebhookWithSecret}, 422: {"model": Problem}},
    )
    async def create_webhook(request: Request) -> JSONResponse:
        wanted, owner = await read_json(request, WebhookRequest), principal_of(request).owner
        endpoint, secret = await desk.webhooks.make(
            owner, wanted.url, events=wanted.events, label=wanted.label
        )
        note_target(request, endpoint.endpoint_id)
        view = {**endpoint_view(endpoint), "secret": secret}
        return JSONResponse(view, 201, {**_PRIVATE, "Location": f"{_ALL}/{endpoint.endpoint_id}"})

    @app.get(
        _ALL,
        tags=["webhooks"],
        summary="Your endpoints, oldest first",
        responses={200: {"model": WebhookList}},
    )
    async def list_webhooks(request: Request) -> JSONResponse:
        found = await desk.webhooks.all(principal_of(request).owner)
        return JSONResponse({"webhooks": [endpoint_view(one) for one in found]})


def _install_one(app: FastAPI, desk: Desk) -> None:
    @app.get(_ONE, tags=["webhooks"], summary="An endpoint", responses=_ANSWERS)
    async def get_webhook(webhook_id: str, request: Request) -> JSONResponse:
        found = await desk.webhooks.find(principal_of(request).owner, webhook_id)
        return JSONResponse(endpoint_view(found))

    @app.patch(
        _ONE,
        tags=["webhooks"],
        summary="Change what an endpoint is told, or tell it nothing more",
        openapi_extra=openapi.operation(WebhookChange, headers={}),
        responses=_ANSWERS,
    )
    async def change_webhook(webhook_id: str, request: Request) -> JSONResponse:
        wanted, owner = await read_json(request, WebhookChange), principal_of(request).owner
        now = desk.clock()

        def change(found: Endpoint) -> Endpoint:
            if wanted.events is not None:
                found = replace(found, events=chosen(wanted.events))
            if wanted.label is not None:
                found = replace(found, label=checked_label(wanted.label))
            return found.disabled("its owner said so", now=now) if wanted.disabled else found

        return JSONResponse(endpoint_view(await desk.webhooks.change(owner, webhook_id, change)))

    @app.delete(
        _ONE,
        tags=["webhooks"],
        summary="Forget an endpoint; what it was to be told is dropped",
        responses=_ANSWERS,
    )
    async def delete_webhook(webhook_id: str, request: Request) -> JSONResponse:
        owner = principal_of(request).owner
        found = await desk.webhooks.find(owner, webhook_id)
        await desk.webhooks.remove(owner, webhook_id)
        return JSONResponse(endpoint_view(found))


def _install_proofs(app: FastAPI, desk: Desk) -> None:
    @app.post(
        _ONE + "/verify",
        tags=["webhooks"],
        summary="Send an endpoint a challenge; once it has returned that, it is told of tasks",
        responses=_ANSWERS,
    )
    async def verify_webhook(webhook_id: str, request: Request) -> JSONResponse:
        owner = principal_of(request).owner
        return JSONResponse(endpoint_view(await desk.webhooks.verify(owner, webhook_id)))

    @app.post(
        _ONE + "/rotate",
        tags=["webhooks"],
        summary="A new secret; for a day messages are signed with the earlier one as well",
        responses={**_ANSWERS, 200: {"model": WebhookWithSecret}},
    )
    async def rotate_webhook(webhook_id: str, request: Request) -> JSONResponse:
        owner, now = principal_of(request).owner, desk.clock()
        changed = await desk.webhooks.change(owner, webhook_id, lambda one: one.rotated(now=now))
        secret = desk.webhooks.secrets_of(changed)[0]
        return JSONResponse({**endpoint_view(changed), "secret": secret}, 200, _PRIVATE)


def _install_replay(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/tasks/{task_id}/webhooks/replay",
        tags=["webhooks"],
        summary="Tell endpoints of a task's end once more",
        openapi_extra=openapi.operation(ReplayRequest, headers={}),
        responses={
            200: {"model": TaskView},
            404: {"model": Problem},
            409: {"model": Problem},
            422: {"model": Problem},
        },
    )
    async def replay_webhooks(task_id: str, request: Request) -> JsonAnswer:
        wanted = await read_json(request, ReplayRequest)
        task, now = await desk.find(task_id, principal_of(request)), desk.clock()
        changed = await advance(
            desk.store, task, lambda found: replayed(found, wanted.webhook_id, now=now)
        )
        return JsonAnswer(await desk.view(changed, base_url(request)))


def endpoint_view(endpoint: Endpoint) -> dict[str, Any]:
    """The documented shape; the secret is never a part of it."""
    state = "unverified" if endpoint.verified_at is None else "open"
    return {
        "webhook_id": endpoint.endpoint_id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "label": endpoint.label,
        "state": "disabled" if endpoint.disabled_at is not None else state,
        "created_at": endpoint.created_at,
        "verified_at": endpoint.verified_at,
        "disabled_at": endpoint.disabled_at,
        "disabled_because": endpoint.disabled_because,
    }
