"""Clients are told how a lane is: processes of their own, which go away one after the other."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from short_drama.cli import display, host
from short_drama.cli.main import cli
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.kind_models import KindView
from short_drama.sdk.models import TaskView
from short_drama.wiring.components import Component
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.samples import png
from tests.stack import running_stack, stack_settings


class Parts:
    """Components that run side by side on one data directory, until they are stopped."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir, self._settings = data_dir, dict[str, Any]()
        self._running: dict[Component, tuple[asyncio.Event, asyncio.Task[None]]] = {}

    async def start(self, component: Component, **settings: Any) -> str:
        """Its address; "" of one without."""
        addresses: asyncio.Future[Mapping[Component, str]] = asyncio.Future()
        stop = asyncio.Event()
        task = asyncio.create_task(
            host.run(
                stack_settings(self._data_dir, **settings), [component], alone=False,
                ready=addresses.set_result, stop=stop, engines=NOOP,
            )
        )  # fmt: skip
        self._running[component] = (stop, task)
        return (await addresses)[component]

    async def stop(self, components: Iterable[Component] = ()) -> None:
        for component in [*components] or [*self._running]:
            stop, task = self._running.pop(component)
            stop.set()
            await task


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    parts = Parts(tmp_path)
    yield parts
    await parts.stop()


async def all_available(client: AsyncClient) -> Sequence[KindView]:
    while True:
        kinds = await client.kinds()
        if all(kind.available for kind in kinds):
            return kinds
        await asyncio.sleep(0.2)


async def until_told(client: AsyncClient, task_id: str, reason: str) -> TaskView:
    """The task, once its lane has this trouble, as one who follows it is told."""
    async with asyncio.timeout(SOON):
        async with contextlib.aclosing(client.follow(task_id)) as views:
            async for view in views:
                if view.lane is not None and view.lane.reason == reason:
                    return view
    raise AssertionError("the task has ended")


async def next_event(answer: aiohttp.ClientResponse, trouble: bool) -> dict[str, Any]:
    """The next one that tells of trouble, or of none."""
    async for line in answer.content:
        if line.startswith(b"data: "):
            view: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
            if (view["lane"] is not None) is trouble:
                return view
    raise AssertionError("the stream has ended")


async def test_tasks_that_wait_say_what_has_become_of_their_lane(parts: Parts) -> None:
    service = await parts.start(Component.COMFYUI_API)
    await parts.start(Component.GPU_ADAPTER, comfyui_api_url=service)
    url = await parts.start(Component.ORCHESTRATOR)
    async with (
        AsyncClient(gpu_url=url, cpu_url=url) as client,
        aiohttp.ClientSession() as http,
        asyncio.timeout(SOON),
    ):
        kinds = await all_available(client)
        assert {(kind.lane, kind.state, kind.engine) for kind in kinds} == {
            ("gpu", "ready", "noop")
        }
        await parts.stop([Component.COMFYUI_API])
        accepted = await client.submit("camera-angle", {"image_url": png(), "zoom": 1})
        async with http.get(accepted.urls.events) as events:
            told = await until_told(
                client, accepted.task_id, "the ComfyUI API service does not answer"
            )
            assert (await next_event(events, trouble=True))["task_id"] == accepted.task_id
        assert told.lane is not None
        assert (told.lane.name, told.lane.state) == ("gpu", "unavailable")
        assert told.lane.since is not None
        assert told.eta_seconds is None
        assert "waiting: the GPU lane has been away since" in display.in_words(told)
        another = await client.submit(
            "camera-angle", {"image_url": png(), "zoom": 0, "horizontal": 1}
        )
        assert another.lane == told.lane
        assert [task.lane for task in (await client.list()).tasks] == [told.lane, told.lane]
        async with http.get(f"{url}/health") as answer:
            health = await answer.json()
        assert (health["status"], health["lane"]["state"]) == ("ready", "unavailable")

        await parts.stop([Component.GPU_ADAPTER])
        told = await until_told(
            client, accepted.task_id, "no worker runs now, the last one was stopped"
        )
        assert (await client.kinds())[0].available is False
        listed = await asyncio.to_thread(CliRunner().invoke, cli, ["kinds", "--url", url])
        assert (listed.exit_code, "away since" in listed.output) == (0, True)


async def test_where_all_run_in_one_process_a_lane_is_ready_and_tasks_say_nothing_of_it(
    tmp_path: Path,
) -> None:
    async with (
        running_stack(tmp_path, NOOP) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
        asyncio.timeout(SOON),
    ):
        accepted = await client.submit("camera-angle", {"image_url": png(), "zoom": 1})
        assert accepted.lane is None
        async with contextlib.aclosing(client.follow(accepted.task_id)) as views:
            assert [view.lane async for view in views if view.lane is not None] == []
        assert {kind.lane for kind in await all_available(client)} == {"gpu", "cpu"}
