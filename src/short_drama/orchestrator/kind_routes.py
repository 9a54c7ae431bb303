"""What kinds of task there are: all that a client needs to draw a form of each, and whether they
can be done now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from short_drama.domain.kinds import Lane, TaskKind
from short_drama.domain.lane_notices import KindNotice, LaneState
from short_drama.domain.sizes import MAX_PIXELS, MAX_SIDE
from short_drama.domain.spending import usd
from short_drama.images.codec import EXTENSIONS
from short_drama.images.structure import MAX_BYTES
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.kind_facts import KindFacts
from short_drama.orchestrator.views import condition_view
from short_drama.sdk.kind_models import KindList
from short_drama.web.body import MAX_JSON_BYTES

_LIMITS: Final[Mapping[str, Any]] = {
    "image_bytes": MAX_BYTES,
    "image_pixels": MAX_PIXELS,
    "image_side": MAX_SIDE,
    "image_types": [*EXTENSIONS],
    "request_bytes": MAX_JSON_BYTES,
}
"""Of every kind; those of its fields are in its schema."""
_POSES: Final = "x-camera-poses"


@dataclass(frozen=True, slots=True)
class _Described:
    """What of a kind does not change while we run."""

    kind: TaskKind
    schema: Mapping[str, Any]
    facts: KindFacts

    def view(self, notice: KindNotice | None, refused: Mapping[str, Any]) -> dict[str, Any]:
        """Every member is always there; those of which nothing is known are null."""
        told = {"state": None, "since": None, "reason": None, "fix": None}
        if notice is not None:
            told = condition_view(notice.condition)
        return {
            "name": self.kind.name,
            "lane": self.kind.lane,
            "summary": self.kind.summary,
            "available": None if notice is None else told["state"] is LaneState.READY,
            "accepted": refused["ready"] is not False,
            **told,
            "engine": notice and notice.engine,
            "models": list(self.facts.models),
            "expected_seconds": notice and notice.expected_seconds,
            "price": _price(self.facts),
            "image_fields": list(self.kind.image_fields),
            "poses": self.schema.get(_POSES),
            "limits": _LIMITS,
            "example": self.kind.example,
            "request_schema": self.schema,
        }


def install(app: FastAPI, lane: Lane, desk: Desk) -> None:
    kinds = [_described(kind, desk) for kind in desk.catalogue.of(lane)]

    @app.get(
        "/api/v1/kinds",
        tags=["submit"],
        summary="The kinds of task that are submitted here, and whether they can be done now",
        responses={200: {"model": KindList}},
    )
    async def list_kinds() -> JSONResponse:
        now = await desk.availability.view((one.kind.name for one in kinds), lane)
        views = [
            one.view(await desk.availability.of_kind(one.kind.name, lane), now[one.kind.name])
            for one in kinds
        ]
        return JSONResponse({"lane": lane, "kinds": views})


def _described(kind: TaskKind, desk: Desk) -> _Described:
    facts = desk.kind_facts.get(kind.name, KindFacts())
    return _Described(kind, kind.task_request.model_json_schema(), facts)


def _price(facts: KindFacts) -> dict[str, Any]:
    """In US dollars, for a task; 0 where nothing is paid for, but for the machine."""
    return {"currency": "USD", "at_most": usd(facts.most_micros)}
