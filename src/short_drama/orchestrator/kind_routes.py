"""What kinds of task there are, and whether they can be done now."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from short_drama.domain.kinds import Lane, TaskKind
from short_drama.domain.lane_notices import KindNotice, LaneState
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.views import condition_view
from short_drama.sdk.models import KindList


def install(app: FastAPI, lane: Lane, desk: Desk) -> None:
    @app.get(
        "/api/v1/kinds",
        tags=["submit"],
        summary="The kinds of task that are submitted here, and whether they can be done now",
        responses={200: {"model": KindList}},
    )
    async def list_kinds() -> JSONResponse:
        kinds = [
            kind_view(kind, await desk.availability.of_kind(kind.name, lane))
            for kind in desk.catalogue.of(lane)
        ]
        return JSONResponse({"kinds": kinds})


def kind_view(kind: TaskKind, notice: KindNotice | None) -> dict[str, Any]:
    """Every member is always there; those of which nothing is known are null."""
    told = {"state": None, "since": None, "reason": None, "fix": None}
    if notice is not None:
        told = condition_view(notice.condition)
    return {
        "name": kind.name,
        "lane": kind.lane,
        "available": None if notice is None else told["state"] is LaneState.READY,
        **told,
        "engine": notice and notice.engine,
        "expected_seconds": notice and notice.expected_seconds,
    }
