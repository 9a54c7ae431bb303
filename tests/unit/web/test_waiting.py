"""Waiting calls end when the process stops."""

import asyncio
import logging

import pytest
from fastapi import FastAPI, Response

from short_drama.web.app import create_app
from short_drama.web.waiting import unless_stopped
from tests.patience import SOON
from tests.unit.web.asgi import answered


async def never(ended: asyncio.Event) -> str:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.02)  # to let go takes a while
        ended.set()
    return "never"


async def at_once() -> str:
    return "change"


async def fails() -> str:
    raise ZeroDivisionError


async def test_a_wait_gives_what_it_gives() -> None:
    stopping = asyncio.Event()
    assert await unless_stopped(stopping, at_once(), otherwise="known") == "change"
    with pytest.raises(ZeroDivisionError):
        await unless_stopped(stopping, fails(), otherwise="known")


async def test_a_stop_ends_the_wait_with_what_is_known() -> None:
    stopping, ended = asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(unless_stopped(stopping, never(ended), otherwise="known"))
    done, _ = await asyncio.wait([waiting], timeout=0.02)
    assert not done
    stopping.set()
    assert await asyncio.wait_for(waiting, SOON) == "known"
    assert ended.is_set(), "the wait still holds what it held"


async def test_a_wait_that_begins_after_the_stop_ends_as_well() -> None:
    stopping = asyncio.Event()
    stopping.set()
    wait = unless_stopped(stopping, never(asyncio.Event()), otherwise="known")
    assert await asyncio.wait_for(wait, SOON) == "known"


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    ended = asyncio.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(
            unless_stopped(asyncio.Event(), never(ended), otherwise="known"), 0.02
        )
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_answer_the_server_does_not_wait_for_is_a_problem_to_be_retried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = slow_app()
    asking = asyncio.create_task(answered(app, "/slow"))
    await asyncio.wait([asking], timeout=0.02)
    asking.cancel()  # as a server does that has waited long enough
    answer = await asking
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert answer.headers["x-request-id"]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def slow_app() -> FastAPI:
    async def report() -> dict[str, str]:
        return {}

    app = create_app(service="under-test", title="t", description="d", report=report)

    @app.get("/slow")
    async def slow() -> Response:
        await asyncio.sleep(60)
        return Response()

    return app
