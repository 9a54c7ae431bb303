"""What is said to ComfyUI, to an old one and to a new one, and to one behind a proxy."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.server.endings import Ending
from short_drama.domain.errors import EngineInterrupted, EngineNotReady, Unavailable
from tests.integration.comfyui_simulator.graphs import camera_angle, empty, png
from tests.simulators.comfyui import ComfyUISimulator
from tests.simulators.comfyui.dialects import Version

VERSIONS: tuple[Version, ...] = ("0.3.75", "0.33.0")
_LOOK_SECONDS, _LOOKS = 0.02, 5000
SLOW = 0.2
"""Seconds a step: a prompt of eight can be looked at while it runs."""


@pytest.fixture(params=VERSIONS)
async def simulator(request: pytest.FixtureRequest) -> AsyncIterator[ComfyUISimulator]:
    async with ComfyUISimulator(version=request.param, step_seconds=SLOW) as simulator:
        yield simulator


@pytest.fixture
async def comfyui(simulator: ComfyUISimulator) -> AsyncIterator[ComfyUI]:
    async with ComfyUI(simulator.url, client_id="test") as comfyui:
        yield comfyui


@pytest.mark.parametrize("running", [5, [5], [[]], [[1, "a"], ["2", "b"]]])
async def test_a_queue_that_makes_no_sense(running: object) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"queue_running": running, "queue_pending": []})

    application = web.Application()
    application.router.add_get("/queue", answer)
    async with (
        TestServer(application) as server,
        ComfyUI(str(server.make_url("/")), client_id="t") as comfyui,
    ):
        with pytest.raises(Unavailable, match="no queue"):
            await comfyui.queue()


async def sampling(comfyui: ComfyUI) -> str:
    """A prompt that runs for some seconds."""
    prompt_id, graph = str(uuid.uuid4()), camera_angle()
    image = await comfyui.upload(png(), folder="t", name="a.png", content_type="image/png")
    graph["31"]["inputs"]["image"] = image
    graph["39"] = {
        "class_type": "ImageScale",
        "inputs": {
            "image": ["31", 0], "upscale_method": "lanczos", "width": 64, "height": 48,
            "crop": "disabled",
        },
    }  # fmt: skip
    await comfyui.submit(graph, prompt_id=prompt_id)
    return prompt_id


async def ended(comfyui: ComfyUI, prompt_id: str) -> Ending:
    for _ in range(_LOOKS):
        if (ending := await comfyui.history(prompt_id)) is not None:
            return ending
        await asyncio.sleep(_LOOK_SECONDS)
    raise AssertionError("it has not ended")


async def begun(comfyui: ComfyUI, prompt_id: str) -> None:
    for _ in range(_LOOKS):
        if prompt_id in (await comfyui.queue()).running:
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise AssertionError("it has not begun")


async def idle(comfyui: ComfyUI) -> None:
    for _ in range(_LOOKS):
        queue = await comfyui.queue()
        if not (queue.running or queue.pending):
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise AssertionError("it is still at work")


async def test_a_prompt_is_followed_to_its_end(comfyui: ComfyUI) -> None:
    prompt_id = str(uuid.uuid4())
    assert await comfyui.history(prompt_id) is None
    await comfyui.submit(empty(), prompt_id=prompt_id)
    ending = await ended(comfyui, prompt_id)
    assert ending.failure is None
    assert ending.seconds is not None
    assert await comfyui.view(ending.images["2"][0])


async def test_a_running_prompt_is_cancelled_and_says_so(comfyui: ComfyUI) -> None:
    running = await sampling(comfyui)
    await begun(comfyui, running)
    await comfyui.cancel(running)
    assert isinstance((await ended(comfyui, running)).failure, EngineInterrupted)
    await comfyui.cancel(running)  # once more does nobody harm


async def test_only_the_prompt_that_is_named_is_cancelled(comfyui: ComfyUI) -> None:
    running, waiting = await sampling(comfyui), await sampling(comfyui)
    await begun(comfyui, running)
    await comfyui.cancel(waiting)
    await comfyui.cancel(str(uuid.uuid4()))
    queue = await comfyui.queue()
    assert (queue.running, queue.pending) == ([running], [])
    assert await comfyui.history(waiting) is None
    await comfyui.cancel(running)


async def test_a_server_that_gives_prompts_ids_of_its_own_is_not_used(
    simulator: ComfyUISimulator, comfyui: ComfyUI
) -> None:
    simulator.failures.own_prompt_ids = True
    with pytest.raises(EngineNotReady) as refused:
        await sampling(comfyui)
    assert "0.3.60" in (refused.value.fix or "")
    await idle(comfyui)  # what was queued under the other id does not run on
    assert {run.ending for run in simulator.runs} <= {"interrupted"}


async def test_another_version_may_come_up_on_the_same_port() -> None:
    """What an update of ComfyUI is, to a service that goes on running."""
    old, new = VERSIONS
    async with ComfyUISimulator(version=old) as first:
        port = first.port
        async with ComfyUI(first.url, client_id="test") as comfyui:
            await comfyui.cancel(str(uuid.uuid4()))
            await first.stop()
            async with ComfyUISimulator(version=new, port=port, step_seconds=SLOW) as second:
                async with await comfyui.open_socket():
                    running = await sampling(comfyui)
                    await comfyui.cancel(running)
                    await idle(comfyui)
                assert [run.ending for run in second.runs] in ([], ["interrupted"])


# --- Previews -----------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_new_server_makes_previews_of_the_prompts_that_want_them(wanted: bool) -> None:
    """However it was started, and whoever else uses it."""
    async with (
        ComfyUISimulator(version="0.33.0", previews=not wanted) as simulator,
        ComfyUI(simulator.url, client_id="test") as comfyui,
        await comfyui.open_socket() as socket,
    ):
        prompt_id, graph = str(uuid.uuid4()), camera_angle()
        graph["39"]["inputs"]["resolution_steps"] = 1
        name = await comfyui.upload(png(), folder="t", name="a.png", content_type="image/png")
        graph["31"]["inputs"]["image"] = name
        await comfyui.submit(graph, prompt_id=prompt_id, previews=wanted)
        await ended(comfyui, prompt_id)
        assert await pictures(socket) == (8 if wanted else 0)


async def pictures(socket: aiohttp.ClientWebSocketResponse) -> int:
    """How many came before the end of the prompt."""
    found = 0
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            found += 1
        elif '"execution_success"' in message.data:
            break
    return found


# --- Behind a proxy -----------------------------------------------------------------------


@pytest.mark.parametrize("authorization", ["Bearer t0ken", "Basic YW5uYTpzYWZl"])
async def test_a_server_behind_a_path_that_asks_who_is_there(authorization: str) -> None:
    async with ComfyUISimulator(prefix="/gpu/one", authorization=authorization) as simulator:
        assert simulator.url.endswith("/gpu/one")
        async with ComfyUI(simulator.url, client_id="a", authorization=authorization) as comfyui:
            prompt_id = str(uuid.uuid4())
            async with await comfyui.open_socket():
                await comfyui.submit(empty(), prompt_id=prompt_id)
                ending = await ended(comfyui, prompt_id)
            assert await comfyui.view(ending.images["2"][0])
        async with ComfyUI(simulator.url, client_id="b", authorization="Bearer x") as stranger:
            with pytest.raises(Unavailable) as refused:
                await stranger.object_info()
            assert "SHORT_DRAMA_COMFYUI_TOKEN" in (refused.value.fix or "")
            with pytest.raises(Unavailable):
                await stranger.open_socket()
