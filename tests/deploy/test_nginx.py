"""The proxy in front: the real one, with the configuration that we ship."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from short_drama.domain.kinds import KINDS, Lane
from tests.deploy.nginx import CONFIGURATION, NAME, PASSWORD, PROGRAM, USER, nginx
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.samples import png
from tests.stack import running_stack

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")

BEHIND = {"public_hosts": (NAME,)}
HOST = {"Host": NAME}
LOGIN = {**HOST, "Authorization": aiohttp.encode_basic_auth(USER, PASSWORD)}


class Studio:
    """A browser's view."""

    def __init__(self, url: str, plain_port: int, http: aiohttp.ClientSession) -> None:
        self.url, self.plain_port, self.http = url, plain_port, http

    async def json(self, method: str, path: str, **options: Any) -> Any:
        async with self.http.request(method, self.url + path, headers=LOGIN, **options) as answer:
            assert answer.ok, await answer.text()
            return await answer.json()

    async def still(self) -> str:
        form = aiohttp.FormData()
        form.add_field("file", png(), filename="still.png")
        return f"asset:{(await self.json('POST', '/api/v1/assets', data=form))['key']}"


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    (tmp_path / "nginx").mkdir()
    async with (
        running_stack(tmp_path / "data", NOOP, **BEHIND) as stack,
        nginx(tmp_path / "nginx", gpu=stack.gpu, cpu=stack.cpu) as proxy,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=proxy.trusting)) as http,
    ):
        yield Studio(proxy.url, proxy.plain_port, http)


async def test_each_lanes_kinds_go_to_its_orchestrator(studio: Studio) -> None:
    still = await studio.still()
    requests = {
        "camera-angle": {"image_url": still, "zoom": 1},
        "face-mask": {"image_url": still},
    }
    for kind, request in requests.items():
        accepted = await studio.json("POST", f"/api/v1/{kind}/tasks", json=request)
        path = f"/api/v1/tasks/{accepted['task_id']}?wait=30"
        task = await studio.json("GET", path)
        assert task["kind"] == kind


async def test_events_pass_as_they_happen(studio: Studio) -> None:
    request = {"image_url": await studio.still(), "zoom": 1}
    accepted = await studio.json("POST", "/api/v1/camera-angle/tasks", json=request)
    path = f"/api/v1/tasks/{accepted['task_id']}/events"
    async with (
        asyncio.timeout(SOON),
        studio.http.get(studio.url + path, headers=LOGIN) as stream,
    ):
        assert stream.content_type == "text/event-stream"
        async for line in stream.content:
            if b'"completed"' in line:
                break
        else:
            pytest.fail("the stream ended early")


async def test_nobody_comes_in_without_the_password(studio: Studio) -> None:
    stranger = {**HOST, "Authorization": aiohttp.encode_basic_auth(USER, "pear")}
    for path in ("/api/v1/tasks", "/health", "/docs"):
        async with studio.http.get(studio.url + path, headers=stranger) as answer:
            assert answer.status == 401
            assert "max-age" in answer.headers["Strict-Transport-Security"]


async def test_figures_stay_on_the_machine(studio: Studio) -> None:
    async with studio.http.get(f"{studio.url}/metrics", headers=LOGIN) as answer:
        assert answer.status == 404


async def test_who_comes_unencrypted_is_sent_on(studio: Studio) -> None:
    url = f"http://127.0.0.1:{studio.plain_port}/api/v1/tasks"
    async with studio.http.post(url, headers=HOST, allow_redirects=False) as answer:
        assert answer.status == 308
        assert answer.headers["Location"] == f"https://{NAME}/api/v1/tasks"


async def test_an_upload_may_be_as_large_as_the_service_takes(studio: Studio) -> None:
    """20 MB pass the proxy, and it is the service that says what is wrong with them."""
    for size, status in ((20_000_000, 422), (22_000_000, 413)):
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(b"x" * size), filename="still.png")
        url = f"{studio.url}/api/v1/assets"
        async with studio.http.post(url, headers=LOGIN, data=form) as answer:
            assert answer.status == status, await answer.text()


def test_the_cpu_lanes_kinds_are_named() -> None:
    named = re.findall(r"location ~ \^/api/v1/\(([a-z|-]+)\)/", CONFIGURATION.read_text())
    kinds = {name for name, kind in KINDS.items() if kind.lane is Lane.CPU}
    assert set(named[0].split("|")) == kinds
