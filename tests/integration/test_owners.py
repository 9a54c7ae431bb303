"""Two owners on one service: what belongs to one is not there for the other."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from short_drama.cli.first_key import FILE
from short_drama.domain.api_keys import make
from short_drama.domain.principal import Scope
from short_drama.sdk.client import AsyncClient
from short_drama.wiring.backend import open_backend
from short_drama.wiring.components import Component
from tests.noop_engine import NOOP
from tests.samples import png
from tests.stack import RunningStack, running_stack

WORK = (Scope.TASKS_READ, Scope.TASKS_WRITE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a key."""

    stack: RunningStack
    key: str

    async def call(
        self,
        method: str,
        path: str,
        *,
        status: int,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        url = path if path.startswith("http") else self.stack.gpu + path
        headers = {"Authorization": f"Bearer {key or self.key}", **(headers or {})}
        async with self.stack.http.request(method, url, headers=headers, **options) as answer:
            body = await answer.read()
            assert answer.status == status, (method, path, body)
            return json.loads(body) if "json" in answer.content_type else body

    async def upload(self) -> dict[str, Any]:
        data = aiohttp.FormData()
        data.add_field("file", png(), filename="still.png")
        found: dict[str, Any] = await self.call("POST", "/api/v1/assets", status=201, data=data)
        return found

    async def submit(self, image: str, *, status: int = 202) -> dict[str, Any]:
        found: dict[str, Any] = await self.call(
            "POST",
            "/api/v1/camera-angle/tasks",
            status=status,
            json={"image_url": image, "zoom": 1},
        )
        return found

    async def ended(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {"status": "pending"}
        for _ in range(100):
            found = await self.call("GET", f"/api/v1/tasks/{task_id}?wait=5", status=200)
            if found["status"] not in ("pending", "processing"):
                break
        assert found["status"] == "completed", found
        return found


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(tmp_path, require_keys=True) as opened:
        yield opened


async def caller(stack: RunningStack, owner: str, *scopes: Scope) -> Caller:
    """Made beside the running service, as the command does."""
    key, given = make(owner=owner, scopes=scopes or WORK, now=time.time())
    async with open_backend(stack.settings, assets_url="") as backend:
        await backend.keys.add(key)
    return Caller(stack, str(given))


async def test_what_is_anothers_is_not_there(stack: RunningStack) -> None:
    lin, zhou = await caller(stack, "lin"), await caller(stack, "zhou")
    still = await lin.upload()
    assert still["key"].startswith("uploads/lin/")
    task_id = (await lin.submit(still["image_url"]))["task_id"]
    done = await lin.ended(task_id)
    for method, path in [
        ("GET", f"/api/v1/tasks/{task_id}"),
        ("GET", f"/api/v1/tasks/{task_id}?wait=1"),
        ("GET", f"/api/v1/tasks/{task_id}/events"),
        ("POST", f"/api/v1/tasks/{task_id}/cancel"),
        ("POST", f"/api/v1/tasks/{task_id}/retry"),
    ]:
        told = await zhou.call(method, path, status=404)
        assert told["code"] == "task_not_found"
    await zhou.call("POST", "/api/v1/tickets", status=404, json={"task_id": task_id})
    assert (await zhou.call("GET", "/api/v1/tasks", status=200))["tasks"] == []
    assert len((await lin.call("GET", "/api/v1/tasks", status=200))["tasks"]) == 1
    await zhou.call("GET", "/api/v1/tasks?owner=lin", status=403)

    result = done["provenance"]["result_key"]
    shown = done["result_url"]
    for reference in (
        still["image_url"],
        f"asset:{result}",
        f"s3://{stack.settings.bucket}/{result}",
        shown,
        still["url"],
    ):
        refused = await zhou.submit(reference, status=422)
        assert (refused["code"], refused["field"]) == ("asset_not_found", "image_url")
    again = await lin.submit(shown)
    await lin.ended(again["task_id"])


async def test_an_operator_sees_everybodys(stack: RunningStack) -> None:
    lin = await caller(stack, "lin")
    operator = await caller(stack, "ops", *WORK, Scope.OPERATE)
    task_id = (await lin.submit((await lin.upload())["image_url"]))["task_id"]
    await lin.ended(task_id)
    await operator.call("GET", f"/api/v1/tasks/{task_id}", status=200)
    for whose, found in {"lin": 1, "*": 1, "nobody": 0, "ops": 0}.items():
        page = await operator.call("GET", f"/api/v1/tasks?owner={whose}", status=200)
        assert len(page["tasks"]) == found, whose
    assert (await operator.call("GET", "/api/v1/tasks", status=200))["tasks"] == []


async def test_the_address_of_a_picture_opens_it_and_no_other(stack: RunningStack) -> None:
    lin, zhou = await caller(stack, "lin"), await caller(stack, "zhou")
    still, other = await lin.upload(), await zhou.upload()
    plain = still["url"].partition("?")[0]
    async with stack.http.get(still["url"]) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"].startswith("private, max-age=")
    query = other["url"].partition("?")[2]
    for url in (plain, f"{plain}?{query}", re.sub(r"until=\d+", "until=99999999999", still["url"])):
        async with stack.http.get(url) as answer:
            assert answer.status == 404, url
    assert await lin.call("GET", plain, status=200)
    await zhou.call("GET", plain, status=404)


async def test_a_job_reads_only_what_is_its_owners(stack: RunningStack) -> None:
    lin = await caller(stack, "lin")
    still = await lin.upload()
    service = stack.urls[Component.COMFYUI_API]
    body = {"image_url": still["image_url"], "zoom": 1}
    async with stack.http.post(f"{service}/api/v1/camera-angle/jobs", json=body) as answer:
        assert answer.status == 401
    operator = await caller(stack, "ops", Scope.OPERATE)
    for owner, status in {"lin": "completed", "zhou": "failed"}.items():
        headers = {"Authorization": f"Bearer {operator.key}", "Task-Owner": owner}
        url = f"{service}/api/v1/camera-angle/jobs"
        async with stack.http.post(url, json=body, headers=headers) as answer:
            job = (await answer.json())["job_id"]
        for _ in range(30):
            url = f"{service}/api/v1/jobs/{job}?wait=5"
            async with stack.http.get(url, headers=headers) as answer:
                told = await answer.json()
            if told["status"] in ("completed", "failed"):
                break
        assert told["status"] == status, told


async def test_a_ticket_opens_one_tasks_events(stack: RunningStack) -> None:
    lin = await caller(stack, "lin")
    image = (await lin.upload())["image_url"]
    first, second = [(await lin.submit(image))["task_id"] for _ in range(2)]
    await asyncio.gather(lin.ended(first), lin.ended(second))
    made = await lin.call("POST", "/api/v1/tickets", status=201, json={"task_id": first})
    expected = {
        f"{first}/events?ticket={made['ticket']}": 200,
        f"{second}/events?ticket={made['ticket']}": 401,
        f"{first}?ticket={made['ticket']}": 401,
        f"{first}/events?ticket=x": 401,
    }
    for path, status in expected.items():
        async with stack.http.get(f"{stack.gpu}/api/v1/tasks/{path}") as answer:
            assert answer.status == status, path


async def test_a_revoked_key_opens_nothing_within_seconds(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("short_drama.web.key_ring.REMEMBERED_SECONDS", 0.1)
    lin = await caller(stack, "lin")
    await lin.call("GET", "/api/v1/tasks", status=200)
    async with open_backend(stack.settings, assets_url="") as backend:
        [key] = [key for key in await backend.keys.list() if key.owner == "lin"]
        await backend.keys.revoke(key.key_id, at=time.time())
    await asyncio.sleep(0.2)
    await lin.call("GET", "/api/v1/tasks", status=401)


async def test_the_first_start_makes_one_key_and_the_client_uses_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running_stack(tmp_path, NOOP, host="0.0.0.0") as stack:
        file = tmp_path / FILE
        key = file.read_text().strip()
        assert file.stat().st_mode & 0o777 == 0o600
        async with AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu, api_key=key) as client:
            assert await client.kinds()
    assert key not in "".join(capfd.readouterr())
    file.unlink()
    async with running_stack(tmp_path, NOOP, host="0.0.0.0"):
        assert not file.exists()
