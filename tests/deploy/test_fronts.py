"""The proxies in front: the real ones, with the configurations that we ship."""

import asyncio
import io
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from short_drama.domain.api_keys import make
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.principal import Scope
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore
from short_drama.settings import Settings
from short_drama.wiring.backend import open_backend
from tests.deploy.fronts import CADDY, NAME, NGINX, Front, Program, front
from tests.noop_engine import NoopWork
from tests.patience import SOON
from tests.samples import png
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROXY = "127.0.0.1"
BEHIND = {"public_hosts": (NAME,), "require_keys": True, "trusted_proxies": (PROXY,)}
SPOOFED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "localhost",
    "Forwarded": "for=203.0.113.9;proto=http;host=localhost",
}


class Held(NoopWork):
    """Waits until it is let go."""

    may_go = asyncio.Event()

    async def make(self, job: Job, prepared: bytes) -> bytes:
        await self.may_go.wait()
        return await super().make(job, prepared)


def held(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    return dict.fromkeys(KINDS, Held(assets))


class Studio:
    """What somebody with a key sees of it."""

    def __init__(
        self, stack: RunningStack, proxy: Front, http: aiohttp.ClientSession, key: str
    ) -> None:
        self.stack, self.proxy, self.http, self.key = stack, proxy, http, key

    def asked(
        self, method: str, path: str, *, key: str | None = None, headers: Any = (), **options: Any
    ) -> Any:
        url = path if path.startswith("http") else self.proxy.url + path
        own = {"Host": NAME, "Authorization": f"Bearer {key or self.key}", **dict(headers)}
        return self.http.request(method, url, headers=own, server_hostname=NAME, **options)

    async def json(self, method: str, path: str, **options: Any) -> Any:
        async with self.asked(method, path, **options) as answer:
            assert answer.ok, await answer.text()
            return await answer.json()

    def here(self, url: str) -> str:
        """An address of the studio's, as this machine reaches it."""
        assert url.startswith(f"https://{NAME}/"), url
        return self.proxy.url + url.removeprefix(f"https://{NAME}")

    async def upload(self) -> Any:
        form = aiohttp.FormData()
        form.add_field("file", png(), filename="still.png")
        return await self.json("POST", "/api/v1/assets", data=form)

    async def submit(self, kind: str = "camera-angle", **more: Any) -> Any:
        still = (await self.upload())["image_url"]
        request = {"image_url": still, **({"zoom": 1} if kind == "camera-angle" else {})}
        return await self.json("POST", f"/api/v1/{kind}/tasks", json=request, **more)

    async def ended(self, accepted: Any) -> Any:
        async with asyncio.timeout(SOON):
            while True:
                path = f"{self.here(accepted['urls']['self'])}?wait=30"
                task = await self.json("GET", path, headers=SPOOFED)
                if task["status"] not in ("pending", "processing"):
                    return task


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[
        pytest.param(
            program,
            id=program.name,
            marks=pytest.mark.skipif(not program.is_installed, reason="it is not installed"),
        )
        for program in (NGINX, CADDY)
    ],
)
async def studio(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Studio]:
    program: Program = request.param
    Held.may_go = asyncio.Event()
    async with (
        running_stack(
            tmp_path_factory.mktemp("data"), dict.fromkeys(Lane, held), **BEHIND
        ) as stack,
        front(program, tmp_path_factory.mktemp("front"), gpu=stack.gpu, cpu=stack.cpu) as proxy,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=proxy.trusting)) as http,
    ):
        key, given = make(owner="lin", scopes=frozenset(Scope), now=time.time())
        async with open_backend(stack.settings, assets_url="") as backend:
            await backend.keys.add(key)
        yield Studio(stack, proxy, http, str(given))


async def test_events_pass_as_they_happen(studio: Studio) -> None:
    """The first of them while the task has yet to end."""
    Held.may_go.clear()
    accepted = await studio.submit()
    seen = b""
    async with (
        asyncio.timeout(SOON),
        studio.asked("GET", studio.here(accepted["urls"]["events"])) as stream,
    ):
        assert stream.content_type == "text/event-stream"
        async for line in stream.content:
            if line.startswith(b"data:"):
                seen, before = line, seen
                if not before:
                    assert not Held.may_go.is_set()
                    Held.may_go.set()
                if json.loads(line.removeprefix(b"data:"))["status"] == "completed":
                    break
        else:
            pytest.fail(f"the stream ended early: {seen!r}")


async def test_each_lanes_kinds_go_to_its_orchestrator(studio: Studio) -> None:
    Held.may_go.set()
    for kind in ("camera-angle", "face-mask"):
        accepted = await studio.submit(kind)
        task = await studio.json("GET", f"/api/v1/tasks/{accepted['task_id']}?wait=30")
        assert task["kind"] == kind


async def test_addresses_are_those_by_which_the_client_came(studio: Studio) -> None:
    """Whatever the client says of itself."""
    Held.may_go.set()
    uploaded = await studio.upload()
    assert uploaded["url"].startswith(f"https://{NAME}/assets/")
    accepted = await studio.submit(headers=SPOOFED)
    for name in ("self", "events", "cancel", "retry"):
        assert accepted["urls"][name].startswith(f"https://{NAME}/api/v1/tasks/")
    task = await studio.ended(accepted)
    async with studio.http.get(
        studio.here(task["result_url"]), headers={"Host": NAME}, server_hostname=NAME
    ) as answer:
        assert answer.status == 200
    again = await studio.json(
        "POST", "/api/v1/camera-angle/tasks", json={"image_url": uploaded["url"], "zoom": 1}
    )
    assert again["task_id"]


async def test_a_ticket_opens_the_events_there(studio: Studio) -> None:
    Held.may_go.set()
    accepted = await studio.submit()
    body = {"task_id": accepted["task_id"]}
    ticket = (await studio.json("POST", "/api/v1/tickets", json=body))["ticket"]
    url = f"{studio.here(accepted['urls']['events'])}?ticket={ticket}"
    async with studio.http.get(url, headers={"Host": NAME}, server_hostname=NAME) as answer:
        assert answer.status == 200
    assert ticket not in studio.proxy.written


async def test_nobody_comes_in_without_a_key(studio: Studio) -> None:
    for path in ("/api/v1/tasks", "/api/v1/kinds"):
        async with studio.asked("GET", path, key="sd_aaaaaaaa_wrong") as answer:
            assert answer.status == 401
            assert answer.headers.getall("Strict-Transport-Security") == ["max-age=31536000"]
    assert studio.key not in studio.proxy.written


async def test_figures_stay_on_the_machine(studio: Studio) -> None:
    async with studio.asked("GET", "/metrics") as answer:
        assert answer.status == 404


async def test_who_comes_unencrypted_is_sent_on(studio: Studio) -> None:
    url = f"http://127.0.0.1:{studio.proxy.plain_port}/api/v1/tasks"
    async with studio.http.post(url, headers={"Host": NAME}, allow_redirects=False) as answer:
        assert answer.status == 308
        assert re.fullmatch(rf"https://{NAME}(:\d+)?/api/v1/tasks", answer.headers["Location"])


async def test_an_upload_may_be_as_large_as_the_service_takes(studio: Studio) -> None:
    """20 MB pass the proxy, and it is the service that says what is wrong with them."""
    for size, status in ((20_000_000, 422), (22_000_000, 413)):
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(b"x" * size), filename="still.png")
        async with studio.asked("POST", "/api/v1/assets", data=form) as answer:
            assert answer.status == status, await answer.text()


async def test_another_name_is_nobodys(studio: Studio) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": NAME}
    async with studio.asked("GET", "/api/v1/tasks", headers=headers) as answer:
        # Caddy knows no such name, and says nothing; nginx passes all names on.
        assert answer.status == 421 or not await answer.read()


@pytest.mark.parametrize("program", [NGINX, CADDY], ids=lambda program: program.name)
async def test_the_cpu_lanes_kinds_are_named(program: Program) -> None:
    text = program.configuration.read_text()
    named = set(re.findall(r"face-mask|face-swap|full-face-swap", text))
    assert named == {name for name, kind in KINDS.items() if kind.lane is Lane.CPU}


@pytest.mark.parametrize("program", [NGINX, CADDY], ids=lambda program: program.name)
async def test_the_proxy_ends_idle_connections_before_we_do(program: Program) -> None:
    kept = re.findall(r"keep(?:alive_timeout|alive) (\d+)s", program.configuration.read_text())
    assert kept
    assert all(int(seconds) < Settings().keep_alive_seconds for seconds in kept)
