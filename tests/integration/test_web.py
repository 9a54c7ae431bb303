"""The services' HTTP plumbing on real servers."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import ClientResponse

from short_drama.sdk.models import AssetView, Problem, TaskView
from short_drama.wiring.components import Component
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.samples import png
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    async with running_stack(tmp_path_factory.mktemp("data"), NOOP) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def image(stack: RunningStack) -> AssetView:
    url, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
    async with stack.http.post(url, data=png(), headers=headers) as answer:
        return AssetView.model_validate(await answer.json())


async def problem(answer: ClientResponse) -> Problem:
    assert answer.content_type == "application/problem+json"
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return Problem.model_validate(await answer.json())


async def ended(stack: RunningStack, image: AssetView) -> TaskView:
    """A task that has ended."""
    url, headers = f"{stack.gpu}/api/v1/camera-angle/tasks", {"Prefer": "wait=20"}
    body = {"image_url": image.image_url, "zoom": 1}
    async with stack.http.post(url, json=body, headers=headers) as answer:
        assert answer.status == 200
        return TaskView.model_validate(await answer.json())


# --- Pages of other sites -----------------------------------------------------------------


@pytest.mark.parametrize("component", list(Component))
async def test_another_sites_page_changes_nothing(
    stack: RunningStack, component: Component
) -> None:
    for path in ("/api/v1/assets", "/api/v1/tasks/x/retry", "/api/v1/jobs/x"):
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            for method in ("POST", "DELETE"):
                url = stack.urls[component] + path
                async with stack.http.request(method, url, headers=headers) as answer:
                    assert answer.status == 403
                    assert (await problem(answer)).code == "origin_refused"


async def test_a_picture_is_shown_in_no_other_sites_page(
    stack: RunningStack, image: AssetView
) -> None:
    async with stack.http.get(image.url) as answer:
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


# --- Hosts --------------------------------------------------------------------------------


@pytest.mark.parametrize("component", list(Component))
@pytest.mark.parametrize("path", ["/health", "/ready", "/api/v1/tasks", "/assets/x"])
async def test_a_rebound_name_is_refused(
    stack: RunningStack, component: Component, path: str
) -> None:
    url = stack.urls[component] + path
    async with stack.http.get(url, headers={"Host": "evil.example"}) as answer:
        assert (answer.status, (await problem(answer)).code) == (421, "host_refused")


async def test_localhost_is_answered_and_named_in_addresses(
    stack: RunningStack, image: AssetView
) -> None:
    task = await ended(stack, image)
    port = urlsplit(stack.gpu).port
    url, headers = f"{stack.gpu}/api/v1/tasks/{task.task_id}", {"Host": f"localhost:{port}"}
    async with stack.http.get(url, headers=headers) as answer:
        view = TaskView.model_validate(await answer.json())
    assert view.urls.self == f"http://localhost:{port}/api/v1/tasks/{task.task_id}"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /health HTTP/1.0\r\n\r\n", b"200"), (b"GET /health HTTP/1.1\r\n\r\n", b"421")],
)
async def test_only_http_1_0_may_name_no_host(
    stack: RunningStack, request_line: bytes, status: bytes
) -> None:
    at = urlsplit(stack.gpu)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(request_line)
    assert (await asyncio.wait_for(reader.readline(), SOON)).split()[1] == status
    writer.close()
    await writer.wait_closed()


# --- HEAD ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/ready", "/docs", "/openapi.json", "{asset}", "/no"])
async def test_head_is_get_without_the_body(
    stack: RunningStack, image: AssetView, path: str
) -> None:
    url = image.url if path == "{asset}" else stack.gpu + path
    async with stack.http.get(url) as answer:
        body, expected = await answer.read(), answer
    for _ in range(2):  # the connection is good for another request
        async with stack.http.head(url) as answer:
            assert (answer.status, await answer.read()) == (expected.status, b"")
            assert int(answer.headers["Content-Length"]) == len(body)
            assert answer.content_type == expected.content_type
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


# --- Events -------------------------------------------------------------------------------


async def test_who_has_seen_the_end_need_not_reconnect(
    stack: RunningStack, image: AssetView
) -> None:
    task = await ended(stack, image)
    for seen, status in ((task.version, 204), (task.version - 1, 200), (None, 200)):
        headers = {} if seen is None else {"Last-Event-ID": str(seen)}
        async with stack.http.get(task.urls.events, headers=headers) as answer:
            assert (answer.status, bool(await answer.read())) == (status, status == 200)


# --- The API services ---------------------------------------------------------------------


async def test_a_key_that_is_used_again_for_something_else_is_refused(
    stack: RunningStack, image: AssetView
) -> None:
    base, headers = stack.urls[Component.COMFYUI_API], {"Idempotency-Key": uuid.uuid4().hex}
    camera, edit = f"{base}/api/v1/camera-angle/jobs", f"{base}/api/v1/qwen-image-edit/jobs"
    body = {"image_url": image.image_url, "zoom": 1, "seed": 7}
    again = {**headers, "Task-Attempt": "2", "Task-Created-At": "1.5"}
    async with stack.http.post(camera, json=body, headers=headers) as answer:
        job_id = (await answer.json())["job_id"]
    async with stack.http.post(camera, json=body, headers=again) as answer:
        assert (answer.status, (await answer.json())["job_id"]) == (202, job_id)
    other = {"image_url": image.image_url, "prompt": "warmer"}
    for url, changed in ((camera, {**body, "zoom": -1}), (edit, other)):
        async with stack.http.post(url, json=changed, headers=again) as answer:
            found = await problem(answer)
            assert (answer.status, found.code) == (422, "idempotency_key_reused")
            assert found.field == "Idempotency-Key"
            assert job_id in found.detail


async def test_local_engines_without_their_files_are_not_ready(tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data", cache_dir=tmp_path / "cache") as stack:
        for component in (Component.COMFYUI_API, Component.PAID_API):
            base = stack.urls[component]
            async with stack.http.get(f"{base}/ready") as answer:
                found = await problem(answer)
                assert (answer.status, found.code) == (503, "engine_not_ready")
                assert found.fix == "Run: short-drama models install"
            async with stack.http.get(f"{base}/health") as answer:
                health = await answer.json()
                assert (answer.status, health["status"]) == (200, "unhealthy")
                assert (health["reason"], health["fix"]) == (found.detail, found.fix)
