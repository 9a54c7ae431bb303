"""Canaries in place of every secret: after a whole run nobody has heard one of them sing."""

import contextlib
import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from short_drama.cli.first_key import FILE
from short_drama.domain.principal import Scope
from short_drama.wiring.components import Component
from tests.integration.provider_stage import still
from tests.integration.test_owners import Caller, caller
from tests.samples import png
from tests.simulators.qwen_vl import QwenVLSimulator
from tests.simulators.seedream import SeeDreamSimulator
from tests.stack import running_stack

QWEN, SEEDREAM, TOKEN = (f"{name}-{'0f1e2d3c4b5a6978' * 3}" for name in ("sk", "ark", "token"))
WRONG = f"sd_aaaaaaaa_{'w' * 48}"


@contextlib.asynccontextmanager
async def collected(traces: io.BytesIO) -> AsyncIterator[str]:
    """The address of a collector, which keeps what it is sent."""

    async def take(request: web.Request) -> web.Response:
        traces.write(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def swap(lin: Caller, scene: bytes, *, status: str) -> str:
    """A paid task, to its end or until it waits for a person."""
    headers = {"Content-Type": "image/png"}
    images = [
        (await lin.call("POST", "/api/v1/assets", status=201, data=data, headers=headers))[
            "image_url"
        ]
        for data in (scene, png(200, 240, (220, 180, 150)))
    ]
    body = {"source_image_url": images[0], "target_face_url": images[1]}
    url = f"{lin.stack.cpu}/api/v1/full-face-swap/tasks"
    task_id = (await lin.call("POST", url, status=202, json=body))["task_id"]
    task = {"status": "pending"}
    for _ in range(200):
        task = await lin.call("GET", f"/api/v1/tasks/{task_id}?wait=5", status=200)
        if task["status"] not in ("pending", "processing") or task.get("waiting_for"):
            break
    assert task["status"] == status, task
    return json.dumps(task)


async def refusals(lin: Caller, first: str) -> AsyncIterator[str]:
    """What is told to keys in all places where they do not belong."""
    read_only = await caller(lin.stack, "reader", Scope.TASKS_READ)
    yield json.dumps(await read_only.call("POST", "/api/v1/assets", status=403, data=b"x"))
    for key in (WRONG, lin.key, first):
        status = 401 if key == WRONG else 404
        yield json.dumps(await lin.call("GET", "/nowhere", status=status, key=key))
        for path in (f"/api/v1/tasks/{key}", f"/api/v1/tasks/{key}/events?ticket={key}"):
            await lin.call("GET", path, status=status, key=key)
        url = lin.stack.urls[Component.PAID_API]
        await lin.call("GET", f"{url}/api/v1/jobs/x", status=status, key=key)
        await lin.call("GET", f"{url}/api/v1/jobs/x", status=401, key=f"{key}x")


def arguments() -> str:
    """Of this process and all of its children: what `ps` shows to everybody on the machine."""
    own, told = os.getpid(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if own in (int(process.name), int(parent)):
                told.append((process / "cmdline").read_text(errors="replace"))
    assert told
    return "".join(told)


async def test_no_secret_is_in_logs_records_figures_answers_traces_or_arguments(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """While paid tasks are done and fail, and people are refused."""
    caplog.set_level("DEBUG")
    told, traces, data = list[str](), io.BytesIO(), tmp_path / "data"
    async with (
        collected(traces) as collector,
        QwenVLSimulator(key=QWEN) as qwen,
        SeeDreamSimulator(key=SEEDREAM) as seedream,
        running_stack(
            data,
            host="0.0.0.0",
            otlp_endpoint=collector,
            service_token=TOKEN,
            dashscope_api_key=QWEN,
            dashscope_base_url=qwen.base_url,
            ark_api_key=SEEDREAM,
            ark_base_url=seedream.base_url,
            sweep_seconds=0.2,
        ) as stack,
    ):
        lin = await caller(stack, "lin", *Scope)
        first = (data / FILE).read_text().strip()
        (data / FILE).unlink()
        told.append(await swap(lin, still(), status="completed"))
        assert json.loads(told[-1])["cost"]["calls"]
        qwen.failures.turn_on("invalid_api_key", True)
        told.append(await swap(lin, png(480, 320), status="pending"))
        assert json.loads(told[-1])["waiting_for"]
        told += [answer async for answer in refusals(lin, first)]
        told.append(arguments())
        for url in stack.urls.values():
            told.append((await lin.call("GET", f"{url}/metrics", status=200)).decode())
            told.append(json.dumps(await lin.call("GET", f"{url}/health", status=200)))
    told += [*capfd.readouterr(), caplog.text]
    stored = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    sung, sent = "".join(told), traces.getvalue()
    assert b"full-face-swap" in sent
    assert b"completed" in stored
    for secret in (lin.key, first, WRONG, QWEN, SEEDREAM, TOKEN):
        canary = secret.rpartition("_")[2]
        assert canary not in sung
        assert canary.encode() not in stored
        assert canary.encode() not in sent
