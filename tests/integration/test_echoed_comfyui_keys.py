"""A ComfyUI, or a proxy before it, that says our own key in all it says: nothing lets it in."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from short_drama.comfyui_api.hosted.client import ComfyAPI
from short_drama.comfyui_api.hosted.stream import Stepped, read_stream
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.server.events import read_binary, read_text
from short_drama.domain.errors import ShortDramaError
from short_drama.logs.redaction import Redactor

KEYS = ["0a1b2c3d4e5f60718293a4b5c6d7e8f9", "gw-7f3kq9-team-drama", "k3y!"]
SIZE = web.AppKey("SIZE", int)


async def parrot(request: web.Request) -> web.Response:
    key = request.headers["Authorization"].partition(" ")[2]
    size = request.app[SIZE]
    told = {key: f"key {key}", "of": [key], "more": ["x" * 1000] * (size // 1000)}
    if "/api/v2/" in request.path:
        error = {"code": "invalid_request", "message": f"the key {key} may not"}
        return web.json_response({"error": error}, status=400)
    return web.json_response({"node": told})


@pytest.fixture
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    application = web.Application()
    application[SIZE] = request.param
    application.router.add_route("*", "/{path:.*}", parrot)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def comfyui(url: str, key: str) -> ComfyUI:
    return ComfyUI(url, client_id="c", authorization=f"Bearer {key}", secrets=["of-others-1234"])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("url", [0, 100_000], indirect=True, ids=["short", "long"])
async def test_no_answer_of_comfyui_says_it(url: str, key: str) -> None:
    async with comfyui(url, key) as server:
        told = await server.object_info()
    assert key not in str(told)
    assert "***" in str(told)


@pytest.mark.parametrize("url", [1_000_000], indirect=True, ids=["megabytes"])
async def test_nor_does_one_that_is_very_long(url: str) -> None:
    async with comfyui(url, KEYS[1]) as server:
        told = await server.object_info()
    assert KEYS[1] not in str(told)
    assert len(told["node"]["more"]) == 1000


@pytest.mark.parametrize("key", [*KEYS, "of-others-1234"])
def test_no_event_says_it(key: str) -> None:
    clean = comfyui("http://localhost:1", KEYS[0] if key not in KEYS else key).cleaned
    node = base64.b64encode(key.encode()).decode()
    text = f'{{"type": "executing", "data": {{"prompt_id": "p", "node": "{key} {node}"}}}}'
    event = read_text(clean(text))
    assert "***" in str(event)
    assert key not in str(event)
    head = f'{{"prompt_id": "p", "image_type": "image/{key}"}}'.encode()
    picture = read_binary(struct.pack(">II", 4, len(head)) + head + key.encode(), clean=clean)
    assert picture is not None
    assert key not in picture.content_type
    assert picture.data == key.encode()  # pixels are left alone


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("url", [0], indirect=True, ids=["short"])
async def test_no_refusal_of_a_hosted_comfyui_says_it(url: str, key: str) -> None:
    async with ComfyAPI(url, key=key) as server:
        with pytest.raises(ShortDramaError) as refused:
            await server.submit({}, key="once")
    assert "***" in refused.value.detail
    assert key not in str(vars(refused.value))


@pytest.mark.parametrize("key", KEYS)
async def test_no_event_of_a_hosted_comfyui_says_it(key: str) -> None:
    lines = asyncio.StreamReader()
    lines.feed_data(f'event: progress\ndata: {{"current_node": "at {key}"}}\n\n'.encode())
    lines.feed_eof()
    told = [one async for one in read_stream(lines, clean=Redactor([key]).answer)]
    assert told == [Stepped("at ***", None)]
