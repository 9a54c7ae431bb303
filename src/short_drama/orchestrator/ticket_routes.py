"""Tickets for pages whose EventSource can send no key."""

from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from short_drama.domain.rules import Strict
from short_drama.orchestrator.desk import Desk
from short_drama.sdk.models import Problem, TicketView
from short_drama.web import openapi
from short_drama.web.body import read_json
from short_drama.web.door import principal_of


class TicketRequest(Strict):
    """Whose events are to be heard."""

    task_id: Annotated[str, Field(min_length=1, max_length=80)]


def install(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/tickets",
        tags=["tasks"],
        status_code=201,
        summary="What an EventSource gives as ?ticket= instead of a key, for one task and a minute",
        openapi_extra=openapi.operation(TicketRequest, headers={}),
        responses={
            201: {"model": TicketView},
            404: {"model": Problem},
            422: {"model": Problem},
        },
    )
    async def make_ticket(request: Request) -> JSONResponse:
        wanted, principal = await read_json(request, TicketRequest), principal_of(request)
        task = await desk.find(wanted.task_id, principal)
        ticket, until = desk.tickets.make(task.task_id, principal)
        view = TicketView(ticket=ticket, expires_at=until)
        return JSONResponse(view.model_dump(mode="json"), 201, {"Cache-Control": "no-store"})
