"""What goes on after the door closes with the key."""

import asyncio
import time
from pathlib import Path

import pytest

from short_drama.wiring.backend import open_backend
from tests.integration.paced_engine import Pace
from tests.integration.test_owners import Caller, caller
from tests.patience import SOON
from tests.stack import RunningStack, running_stack


async def revoke(stack: RunningStack, owner: str) -> None:
    async with open_backend(stack.settings, assets_url="") as backend:
        for key in await backend.keys.list():
            if key.owner == owner:
                await backend.keys.revoke(key.key_id, at=time.time())


async def to_its_end(lin: Caller, path: str, *, begun: asyncio.Event, key: bool) -> bytes:
    headers = {"Authorization": f"Bearer {lin.key}"} if key else {}
    seen = b""
    async with lin.stack.http.get(lin.stack.gpu + path, headers=headers) as stream:
        assert stream.status == 200
        async for line in stream.content:
            seen += line
            begun.set()
    return seen


async def test_streams_tickets_and_polls_end_with_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("short_drama.web.key_ring.REMEMBERED_SECONDS", 0.1)
    monkeypatch.setattr("short_drama.orchestrator.events.HEARTBEAT_SECONDS", 0.3)
    pace = Pace()
    async with (
        asyncio.timeout(SOON),
        running_stack(tmp_path, pace.engines(), require_keys=True) as stack,
    ):
        lin = await caller(stack, "lin")
        still = (await lin.upload())["image_url"]
        request = {"image_url": still, "prompt": "hold a"}
        path = "/api/v1/qwen-image-edit/tasks"
        task_id = (await lin.call("POST", path, status=202, json=request))["task_id"]
        await pace.held("a")
        made = await lin.call("POST", "/api/v1/tickets", status=201, json={"task_id": task_id})
        events = f"/api/v1/tasks/{task_id}/events"
        ticket = f"{events}?ticket={made['ticket']}"
        begun = [asyncio.Event(), asyncio.Event()]
        streams = [
            asyncio.create_task(to_its_end(lin, events, begun=begun[0], key=True)),
            asyncio.create_task(to_its_end(lin, ticket, begun=begun[1], key=False)),
        ]
        for one in begun:
            await one.wait()
        await revoke(stack, "lin")
        for stream in streams:
            assert b'"completed"' not in await stream
        await lin.call("GET", f"/api/v1/tasks/{task_id}?wait=60", status=401)
        async with stack.http.get(stack.gpu + ticket) as answer:
            assert answer.status == 401
        pace.let_go("a")


async def test_a_poll_that_waits_tells_nothing_to_a_key_that_was_revoked_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("short_drama.web.key_ring.REMEMBERED_SECONDS", 0.0)
    pace, quiet = Pace(), {"progress_seconds": 10.0, "require_keys": True}
    async with running_stack(tmp_path, pace.engines(), **quiet) as stack:
        lin = await caller(stack, "lin")
        request = {"image_url": (await lin.upload())["image_url"], "prompt": "hold a"}
        path = "/api/v1/qwen-image-edit/tasks"
        task_id = (await lin.call("POST", path, status=202, json=request))["task_id"]
        await pace.held("a")
        path = f"/api/v1/tasks/{task_id}?wait=60"
        poll = asyncio.create_task(lin.call("GET", path, status=401))
        await asyncio.sleep(0.3)
        await revoke(stack, "lin")
        pace.let_go("a")
        assert (await poll)["code"] == "key_refused"
