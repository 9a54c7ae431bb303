"""A provider, or a gateway before it, that says our own key in all it says: nobody hears it."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from short_drama.logs.redaction import Redactor
from short_drama.paid_api.providers.calls import CallRefused
from short_drama.paid_api.providers.endpoint import Provider
from short_drama.wiring.components import Component
from tests.integration.provider_stage import still
from tests.stack import running_stack

KEYS = [
    "sk-0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "5eed0000-1234-4abc-8def-0123456789ab",
    "gw-7f3kq9-team-drama",
    "k3y!",
]


@dataclass
class Parrot:
    """Answers each call with a status, and the caller's key wherever it can."""

    status: int = 400
    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        key = request.headers["Authorization"].removeprefix("Bearer ")
        self.asked.append(key)
        encoded = base64.b64encode(key.encode()).decode()
        body = {
            "error": {"code": f"Bad.{key}", "message": f"key {key} ({encoded}) may not", key: key},
            "request_id": f"rid-{key}-1",
            "choices": [{"message": {"content": f"{key} sees no face"}}],
            "model": key,
        }
        headers = {"x-request-id": f"rid-{key}", "Server": key, "Location": f"http://{key}/"}
        return web.json_response(body, status=self.status, headers=headers)


@pytest.fixture
async def parrot() -> AsyncIterator[Parrot]:
    parrot, application = Parrot(), web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", parrot.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    parrot.port = runner.addresses[0][1]
    yield parrot
    await runner.cleanup()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_that_is_echoed_is_nowhere(
    key: str, parrot: Parrot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, heard = f"http://127.0.0.1:{parrot.port}/v1", []
    accounts: dict[str, Any] = {
        "dashscope_api_key": key,
        "dashscope_base_url": url,
        "ark_api_key": key,
        "ark_base_url": url,
    }
    async with running_stack(tmp_path / "data", **accounts) as stack:

        async def hear(component: Component, path: str) -> None:
            async with stack.http.get(stack.urls[component] + path) as answer:
                heard.append(await answer.text())

        headers = {"Content-Type": "image/png"}
        uploads = f"{stack.cpu}/api/v1/assets"
        async with stack.http.post(uploads, data=still(), headers=headers) as answer:
            image = (await answer.json())["image_url"]
        bodies = {
            "face-mask": {"image_url": image},
            "face-swap": {"masked_image_url": image, "target_face_url": image},
        }
        for parrot.status in (400, 200, 500, 401):
            for kind, body in bodies.items():
                submits = f"{stack.cpu}/api/v1/{kind}/tasks"
                async with stack.http.post(submits, json=body) as answer:
                    task = (await answer.json())["task_id"]
                await hear(Component.CPU_ORCHESTRATOR, f"/api/v1/tasks/{task}?wait=1")
                await hear(Component.CPU_ORCHESTRATOR, f"/api/v1/tasks/{task}?wait=1&since=2")
        await hear(Component.CPU_ORCHESTRATOR, "/api/v1/tasks")
        for component in Component:
            for path in ("/health", "/ready", "/metrics"):
                await hear(component, path)
    assert set(parrot.asked) == {key}
    told = "\n".join([*heard, *(str(vars(record)) for record in caplog.records)])
    assert "***" in told
    encoded = base64.b64encode(key.encode()).decode().rstrip("=")
    for secret in (key, encoded):
        assert secret not in told
        assert secret.encode() not in everything_in(tmp_path / "data")


async def test_the_key_is_taken_out_where_nobody_tells_of_others(parrot: Parrot) -> None:
    key = "another-key-of-ours"
    address = f"http://127.0.0.1:{parrot.port}"
    async with Provider("qwen", address, key) as provider:
        with pytest.raises(CallRefused) as refused:
            await provider.post("/", {})
    said = vars(refused.value)
    assert key not in str(said)
    assert "***" in said["request_id"]
    assert "may not" in said["message"]


def test_an_answer_keeps_what_only_looks_like_a_secret() -> None:
    clean = Redactor(["gw-7f3kq9-team-drama"]).answer
    url = "https://tos.example/a.jpg?X-Tos-Signature=0a1b2c&token=d4e5f6"
    picture = base64.b64encode(bytes(range(256)) * 1024).decode()
    answer: dict[str, Any] = {"url": url, "b64_json": picture, "n": [1, 2.5, None, True]}
    assert clean(answer) == answer
    assert clean({"b64_json": picture + "gw-7f3kq9-team-drama"})["b64_json"] == picture + "***"
