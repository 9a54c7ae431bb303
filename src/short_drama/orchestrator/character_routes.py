"""Characters over HTTP."""

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response

from short_drama.consent_gate import not_found
from short_drama.domain.characters import Character
from short_drama.orchestrator.character_bodies import (
    CharacterBody,
    CharacterChange,
    ConsentBody,
    character_view,
)
from short_drama.orchestrator.character_purge import CharacterPurge
from short_drama.orchestrator.desk import Desk
from short_drama.sdk.characters import CharacterList, CharacterView, PurgeView, RevocationView
from short_drama.sdk.models import (
    Problem,
    TaskPage,
)
from short_drama.web import openapi
from short_drama.web.answers import JsonAnswer
from short_drama.web.body import base_url, read_json
from short_drama.web.door import principal_of
from short_drama.web.trail import note_target

BODIES = (CharacterBody, CharacterChange, ConsentBody)
_ALL, _ONE = "/api/v1/characters", "/api/v1/characters/{name}"
_TAGS: list[Any] = ["characters"]
Cursor = Annotated[str | None, Query(max_length=400)]
Limit = Annotated[int, Query(ge=1, le=200)]


def _answers(model: type[Any], *problems: int, status: int = 200) -> dict[int | str, Any]:
    return {status: {"model": model}, **{one: {"model": Problem} for one in (404, *problems)}}


def install(app: FastAPI, desk: Desk) -> None:
    _install_keeping(app, desk)
    _install_changing(app, desk)
    _install_consent(app, desk)
    _install_made(app, desk)


def _answer(character: Character, desk: Desk, status: int = 200) -> JsonAnswer:
    headers = {"Location": f"{_ALL}/{character.name}"} if status == 201 else None
    return JsonAnswer(character_view(character, now=desk.clock()), status, headers)


def _install_keeping(app: FastAPI, desk: Desk) -> None:
    office = desk.characters

    @app.get(_ALL, tags=_TAGS, summary="Your characters", responses={200: {"model": CharacterList}})
    async def list_characters(request: Request) -> Response:
        found = await office.characters.list(principal_of(request).owner)
        views = [character_view(one, now=desk.clock()) for one in found]
        return JsonAnswer({"characters": views})

    @app.post(
        _ALL,
        tags=_TAGS,
        status_code=201,
        summary="A person whose face may come into stills, with 1 to 20 pictures",
        openapi_extra=openapi.operation(CharacterBody),
        responses={
            201: {"model": CharacterView},
            **{one: {"model": Problem} for one in (409, 422)},
        },
    )
    async def create_character(request: Request) -> Response:
        wanted = await read_json(request, CharacterBody)
        note_target(request, wanted.name)
        return _answer(await office.create(principal_of(request).owner, wanted), desk, 201)


def _install_changing(app: FastAPI, desk: Desk) -> None:
    office = desk.characters

    @app.get(_ONE, tags=_TAGS, summary="A character", responses=_answers(CharacterView))
    async def get_character(name: str, request: Request) -> Response:
        return _answer(await office.find(principal_of(request).owner, name), desk)

    @app.patch(
        _ONE,
        tags=_TAGS,
        summary="Give a character another title, other faces or portraits",
        openapi_extra=openapi.operation(CharacterChange),
        responses=_answers(CharacterView, 422),
    )
    async def change_character(name: str, request: Request) -> Response:
        wanted = await read_json(request, CharacterChange)
        return _answer(await office.change(principal_of(request).owner, name, wanted), desk)

    @app.delete(
        _ONE,
        tags=_TAGS,
        status_code=204,
        summary="Delete a character of which nothing was made, or nothing is left",
        responses={404: {"model": Problem}, 409: {"model": Problem}},
    )
    async def delete_character(name: str, request: Request) -> Response:
        await office.remove(principal_of(request).owner, name)
        return Response(status_code=204)

    @app.get(
        _ONE + "/faces/{number}",
        tags=_TAGS,
        summary="One of its pictures, for its owner alone",
        response_class=Response,
        responses={200: {"content": {"image/*": {}}}, 404: {"model": Problem}},
    )
    async def get_face(name: str, number: int, request: Request) -> Response:
        character = await office.find(principal_of(request).owner, name)
        if not 1 <= number <= len(character.faces):
            raise not_found(f"{name}/{number}")
        key = character.faces[number - 1].key
        kind = (await office.assets.head(key)).content_type
        headers = {"Cache-Control": "private, no-store"}
        return Response(await office.assets.get(key), 200, headers, kind)


def _install_consent(app: FastAPI, desk: Desk) -> None:
    office = desk.characters

    @app.put(
        _ONE + "/consent",
        tags=_TAGS,
        summary="Record what the person has agreed to; it counts from now on, instead of earlier",
        openapi_extra=openapi.operation(ConsentBody),
        responses=_answers(CharacterView, 409, 422),
    )
    async def put_consent(name: str, request: Request) -> Response:
        body = await read_json(request, ConsentBody)
        return _answer(await office.agree(principal_of(request).owner, name, body), desk)

    @app.post(
        _ONE + "/revoke",
        tags=_TAGS,
        summary="The person agrees no longer: what waits and runs is stopped, nothing new is made",
        responses=_answers(RevocationView),
    )
    async def revoke_consent(name: str, request: Request) -> Response:
        owner = principal_of(request).owner
        character, stopped = await office.revoke(owner, name)
        made = len(await office.characters.uses(owner, name))
        view = character_view(character, now=desk.clock())
        return JsonAnswer({"character": view, "stopped": stopped, "tasks": made})


def _install_made(app: FastAPI, desk: Desk) -> None:
    office = desk.characters
    purging = CharacterPurge(office=office, ledger=desk.ledger)

    @app.get(
        _ONE + "/tasks",
        tags=_TAGS,
        summary="The tasks that a character is used in, page by page, in the order of their ids",
        responses=_answers(TaskPage),
    )
    async def list_made(
        name: str, request: Request, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        owner = principal_of(request).owner
        await office.find(owner, name)
        uses = [one for one in await office.characters.uses(owner, name) if one > (cursor or "")]
        found = [await office.tasks.get(task_id) for task_id in uses[:limit]]
        base = base_url(request)
        tasks = [await desk.short_view(task, base) for task in found if task is not None]
        following = uses[limit - 1] if len(uses) > limit else None
        return JsonAnswer({"tasks": tasks, "next_cursor": following, "left_out": 0})

    @app.post(
        _ONE + "/purge",
        tags=_TAGS,
        summary="Delete its pictures and what was made of them; repeat while there is a cursor",
        responses=_answers(PurgeView, 409),
    )
    async def purge_character(name: str, request: Request, cursor: Cursor = None) -> Response:
        who = principal_of(request)
        by = who.key_id or who.owner
        purged = await purging.purge(who.owner, name, by=by, cursor=cursor)
        return JsonAnswer(
            {
                "deleted": purged.deleted,
                "left": purged.left,
                "next_cursor": purged.next_cursor,
            }
        )
