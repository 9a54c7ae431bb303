"""Shots as rows, with their takes and what was picked of them; and picking itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from short_drama.domain import shots as names
from short_drama.domain.image_reference import ImageReference
from short_drama.domain.label import LabelValue
from short_drama.domain.letters import has_unseen
from short_drama.domain.picks import Choice, Picks
from short_drama.domain.rules import Strict
from short_drama.domain.shots import Shot
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.list_query import owner_for
from short_drama.orchestrator.picking import Picked
from short_drama.orchestrator.views import result_url
from short_drama.sdk.models import Problem
from short_drama.sdk.shot_models import PickedView, ShotList
from short_drama.web import openapi
from short_drama.web.answers import JsonAnswer
from short_drama.web.body import read_json
from short_drama.web.door import principal_of

_MOST_TAKES = 50
"""Shown of one shot."""


def _note(text: str) -> str:
    if has_unseen(text.replace("\n", "")):
        raise PydanticCustomError("unseen", "has a control or format character in it")
    return text


Note = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_note)]
_Text = Annotated[str, Query(max_length=256)]


class PickRequest(Strict):
    """Why this one."""

    note: Note | None = None


class ShotRequest(Strict):
    """Which shot: as in its tasks' labels."""

    project: LabelValue = ""
    episode: LabelValue = ""
    scene: LabelValue = ""
    shot: Annotated[LabelValue, Field(min_length=1)]
    note: Note | None = None

    @property
    def of(self) -> Shot:
        return Shot(**{name: getattr(self, name) for name in names.NAMES})


class ShotPickRequest(ShotRequest):
    """A picture that goes on, whoever made it."""

    image_url: ImageReference


REQUESTS = (PickRequest, ShotRequest, ShotPickRequest)


class ShotsQuery(BaseModel):
    project: Annotated[_Text, Query(description="Empty: of tasks without one.")] = ""
    episode: Annotated[_Text | None, Query(description="Default: all of the project.")] = None
    owner: Annotated[str | None, Query(max_length=40, description="Whose, for operators.")] = None
    cursor: Annotated[str | None, Query(max_length=4000)] = None
    limit: Annotated[int, Query(ge=1, le=100)] = 50


_PICKED: dict[int | str, dict[str, Any]] = {
    200: {"model": PickedView},
    404: {"model": Problem},
    409: {"model": Problem},
    422: {"model": Problem},
}


def install(app: FastAPI, desk: Desk) -> None:
    _install_reading(app, desk)
    _install_picking(app, desk)


def _install_reading(app: FastAPI, desk: Desk) -> None:
    @app.get(
        "/api/v1/shots",
        tags=["shots"],
        summary="The shots of a project or an episode, in their order",
        responses={200: {"model": ShotList}},
    )
    async def list_shots(request: Request, query: Annotated[ShotsQuery, Query()]) -> Response:
        owner = owner_for(query.owner, principal_of(request))
        page = await desk.shots.list(
            owner, query.project, query.episode, cursor=query.cursor, limit=query.limit
        )
        rows = await _rows(desk, owner, page.shots)
        return JsonAnswer({"shots": rows, "next_cursor": page.next_cursor})


def _install_picking(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/api/v1/tasks/{task_id}/pick",
        tags=["shots"],
        summary="This take goes on; others of its shot that wait are cancelled",
        openapi_extra=openapi.operation(PickRequest, example={"note": "the light"}, headers={}),
        responses=_PICKED,
    )
    async def pick_task(task_id: str, request: Request) -> Response:
        wanted, who = await read_json(request, PickRequest), principal_of(request)
        task = await desk.find(task_id, who)
        picked = await desk.picking.pick_task(task, note=wanted.note, by=who.key_id)
        return JsonAnswer(await _picked_view(desk, picked))

    @app.post(
        "/api/v1/shots/pick",
        tags=["shots"],
        summary="A picture goes on that no task of the shot has made",
        openapi_extra=openapi.operation(ShotPickRequest, headers={}),
        responses=_PICKED,
    )
    async def pick_picture(request: Request) -> Response:
        wanted, who = await read_json(request, ShotPickRequest), principal_of(request)
        picked = await desk.picking.pick_picture(
            who.owner, wanted.of, wanted.image_url, note=wanted.note, by=who.key_id
        )
        return JsonAnswer(await _picked_view(desk, picked))

    @app.post(
        "/api/v1/shots/unpick",
        tags=["shots"],
        summary="Nothing of the shot goes on for now",
        openapi_extra=openapi.operation(ShotRequest, headers={}),
        responses=_PICKED,
    )
    async def unpick(request: Request) -> Response:
        wanted, who = await read_json(request, ShotRequest), principal_of(request)
        picked = await desk.picking.unpick(who.owner, wanted.of, note=wanted.note, by=who.key_id)
        return JsonAnswer(await _picked_view(desk, picked))


# --- Views --------------------------------------------------------------------------------


async def _picked_view(desk: Desk, picked: Picked) -> dict[str, Any]:
    (row,) = await _rows(desk, picked.picks.owner, [picked.picks.shot])
    return {"shot": row, "cancelled": list(picked.cancelled)}


async def _rows(desk: Desk, owner: str, shots: Sequence[Shot]) -> list[dict[str, Any]]:
    takes = await desk.shots.takes(owner, shots, most=_MOST_TAKES + 1)
    picks = await desk.shots.picks(owner, shots)
    return [await _row(desk, takes[shot], picks[shot]) for shot in shots]


async def _row(desk: Desk, takes: Sequence[Task], picks: Picks) -> dict[str, Any]:
    counts = Counter(task.status for task in takes[:_MOST_TAKES])
    current, shot = picks.current, picks.shot
    return {
        **{name: getattr(shot, name) for name in names.NAMES},
        "name": shot.stem(),
        "counts": {status: counts[status] for status in TaskStatus},
        "takes": [_take(desk, task) for task in takes[:_MOST_TAKES]],
        "has_more_takes": len(takes) > _MOST_TAKES,
        "pick": None if current is None else await _pick(desk, current, takes),
        "history": [asdict(choice) for choice in picks.choices],
    }


def _take(desk: Desk, task: Task) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "kind": task.kind,
        "status": task.status,
        "take": task.labels.get(names.TAKE),
        "result_url": result_url(task, desk.links),
        "created_at": task.created_at,
    }


async def _pick(desk: Desk, choice: Choice, takes: Sequence[Task]) -> dict[str, Any]:
    """`takes`: among which its task may be."""
    if choice.asset_key is not None:
        return {**asdict(choice), "result_url": desk.links.url(choice.asset_key)}
    known = {task.task_id: task for task in takes}
    task_id = choice.task_id or ""
    task = known.get(task_id) or await desk.store.get(task_id)
    return {**asdict(choice), "result_url": task and result_url(task, desk.links)}
