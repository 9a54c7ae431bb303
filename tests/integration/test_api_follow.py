"""The HTTP contract, from outside: follow a task, by long poll and by events."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import aiohttp
import pytest

from short_drama.sdk.models import (
    TaskView,
)
from short_drama.wiring.components import Component
from tests.integration.http_api import Api
from tests.patience import SOON, within

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- Follow -------------------------------------------------------------------------------


async def test_waiting_ends_with_the_next_change(api: Api) -> None:
    accepted, name = await api.hold()
    task = await api.task(accepted)
    while task.progress is None:
        task = await api.task(accepted, f"?wait=5&since={task.version}")
    waiting = asyncio.create_task(api.task(accepted, f"?wait=10&since={task.version}"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    api.pace.let_go(name)
    assert (await waiting).version > task.version


async def test_waiting_for_what_has_changed_since_answers_at_once(api: Api) -> None:
    accepted, _ = await api.hold()
    with within(5):
        await api.task(accepted, "?wait=30&since=0")


async def test_waiting_without_a_change_answers_the_task_as_it_is(api: Api) -> None:
    await api.busy()
    pending = await api.submit()
    before = await api.task(pending)
    assert (await api.task(pending, f"?wait=0.1&since={before.version}")).version == before.version


async def test_waiting_for_an_ended_task_answers_at_once(api: Api) -> None:
    task = await api.ended(await api.submit())
    with within(5):
        assert await api.task(task.task_id, f"?wait=30&since={task.version}") == task


async def test_a_running_task_tells_stage_progress_and_job(api: Api) -> None:
    accepted, _ = await api.hold()
    task = await api.task(accepted)
    async with asyncio.timeout(SOON):
        while task.progress is None:
            task = await api.task(accepted, f"?wait=5&since={task.version}")
    assert (task.status, task.stage, task.progress) == ("processing", "running", 0.25)
    assert task.api_job_id
    job_url = f"{api.stack.urls[Component.COMFYUI_API]}/api/v1/jobs/{task.api_job_id}"
    job, _ = await api.call("GET", job_url, status=200)
    assert job["status"] == "processing"


async def told(api: Api, stage: str) -> TaskView:
    """The task that is in this stage, once all that are held have said in which they are."""
    stages = {}
    async with asyncio.timeout(SOON):
        for view in (await api.tasks("status=processing")).tasks:
            while view.stage in (None, "preparing"):
                view = await api.task(view, f"?wait=5&since={view.version}")  # noqa: PLW2901
            stages[view.stage] = view
    return stages[stage]


async def test_a_pending_task_tells_its_place_in_the_queue(api: Api) -> None:
    await api.ended(await api.submit())
    await api.busy()
    first, second = await api.submit(), await api.submit()
    await told(api, "running")
    assert (await api.task(first)).queue_position == 2
    view = await api.task(second)
    assert view.queue_position == 3
    async with asyncio.timeout(SOON):  # a store may remember for a moment that it did not know
        while view.eta_seconds is None:
            view = await api.task(second, f"?wait=0.2&since={view.version}")


async def test_a_task_that_waits_in_its_service_tells_its_place_there(api: Api) -> None:
    await api.ended(await api.submit())
    await api.busy()
    view = await told(api, "queued")
    assert (view.status, view.queue_position) == ("processing", 1)
    assert view.eta_seconds is not None
    assert view.timings.queued_seconds is not None


# --- Events -------------------------------------------------------------------------------


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    one: dict[str, str] = {}
    async for raw in answer.content:
        text = raw.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            one[name] = value
        elif one:
            yield one
            one = {}


async def test_events_start_with_a_snapshot_and_end_with_the_end(api: Api) -> None:
    accepted, name = await api.hold()
    seen = []
    async with asyncio.timeout(SOON), api.stack.http.get(accepted.urls.events) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        async for event in events(answer):
            seen.append(event)
            api.pace.let_go(name)
    views = [TaskView.model_validate_json(event["data"]) for event in seen]
    assert views[0].status == "processing"
    assert (views[-1].status, seen[-1]["event"]) == ("completed", "status")
    assert [int(event["id"]) for event in seen] == [view.version for view in views]
    assert all(early.version < late.version for early, late in itertools.pairwise(views))
    assert {event["event"] for event in seen} <= {"status", "progress"}


async def test_events_of_an_ended_task_are_its_end(api: Api) -> None:
    task = await api.ended(await api.submit())
    async with asyncio.timeout(SOON), api.stack.http.get(task.urls.events) as answer:
        seen = [event async for event in events(answer)]
    assert [event["id"] for event in seen] == [str(task.version)]


async def test_last_event_id_goes_on_where_the_client_was(api: Api) -> None:
    accepted, name = await api.hold()
    task = await api.task(accepted)
    while task.progress is None:
        task = await api.task(accepted, f"?wait=5&since={task.version}")
    headers = {"Last-Event-ID": str(task.version)}
    async with (
        asyncio.timeout(SOON),
        api.stack.http.get(accepted.urls.events, headers=headers) as answer,
    ):
        api.pace.let_go(name)
        seen = [int(event["id"]) async for event in events(answer)]
    assert seen
    assert all(number > task.version for number in seen)


async def test_events_of_an_unknown_task_are_a_problem(api: Api) -> None:
    found = await api.problem("GET", "/api/v1/tasks/nothing/events", status=404)
    assert found.code == "task_not_found"
