"""The audit, for administrators."""

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from short_drama.domain.audit import AuditFilter
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.list_query import Moment
from short_drama.sdk.models import AuditPage, Problem

_Word = Annotated[str | None, Query(max_length=200)]


class AuditQuery(BaseModel):
    """What the lines may be narrowed to; all that is given must match."""

    since: Annotated[
        Moment | None, Query(description="Then or later: Unix seconds, or a date and time.")
    ] = None
    until: Annotated[Moment | None, Query(description="Earlier than then.")] = None
    owner: _Word = None
    action: _Word = None
    target: _Word = None
    cursor: Annotated[str | None, Query(max_length=400)] = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50

    def where(self) -> AuditFilter:
        return AuditFilter(
            since=self.since,
            until=self.until,
            owner=self.owner,
            action=self.action,
            target=self.target,
        )


def install(app: FastAPI, desk: Desk) -> None:
    @app.get(
        "/api/v1/audit",
        tags=["service"],
        summary="Who did what, newest first",
        responses={200: {"model": AuditPage}, 422: {"model": Problem}},
    )
    async def list_audit(query: Annotated[AuditQuery, Query()]) -> JSONResponse:
        page = await desk.audit.list(query.where(), cursor=query.cursor, limit=query.limit)
        lines = [entry.to_json() for entry in page.entries]
        return JSONResponse({"lines": lines, "next_cursor": page.next_cursor})
