"""One task, one trace: from the client's span to the engine, through processes of their own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from short_drama import tracing
from short_drama.domain.errors import InvalidRequest
from short_drama.logs.steps import Step
from short_drama.sdk.client import AsyncClient
from tests.e2e.processes import COMMAND, ENVIRONMENT, Process
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.samples import png
from tests.stack import running_stack

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CLIENT = f"00-{TRACE}-{SPAN}-01"


@dataclass
class Collected:
    name: str
    service: str
    trace: str
    span: str
    parent: str
    begin: int
    end: int
    attributes: dict[str, str]


@dataclass
class Collector:
    """Of traces, as far as tests look at them."""

    spans: list[Collected] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    Collected(
                        one.name, named["service.name"], one.trace_id.hex(), one.span_id.hex(),
                        one.parent_span_id.hex(), one.start_time_unix_nano, one.end_time_unix_nano,
                        {each.key: each.value.string_value for each in one.attributes},
                    )
                    for one in scope.spans
                ]  # fmt: skip
        return web.Response()

    async def until(self, *names: str) -> dict[str, Collected]:
        """By name, once all of these have come."""
        async with asyncio.timeout(SOON):
            while True:
                found = {span.name: span for span in self.spans}
                if found.keys() >= {*names}:
                    return found
                await asyncio.sleep(0.1)


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app) as server:
        yield collector, str(server.make_url("/"))


async def test_a_task_through_three_processes_is_one_trace(
    tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    collected, endpoint = collector
    shared = ENVIRONMENT | {
        "SHORT_DRAMA_DATA_DIR": str(tmp_path),
        "SHORT_DRAMA_OTLP_ENDPOINT": endpoint,
        "SHORT_DRAMA_ORCHESTRATOR_PORT": "0",
        "SHORT_DRAMA_COMFYUI_API_PORT": "0",
        "SHORT_DRAMA_GPU_ADAPTER_PORT": "0",
    }
    running: list[Process] = []

    async def start(component: str, ready: str, **more: str) -> str:
        process = Process([COMMAND, "serve", component], ready, shared | more)
        running.append(process)
        await asyncio.to_thread(process.start)
        return process.found

    try:
        url = await start("orchestrator", r"(http://\S+)")
        service = await start("comfyui-api", r"(http://\S+)")
        await start("gpu-adapter", "(Ready)", SHORT_DRAMA_COMFYUI_API_URL=service)
        async with AsyncClient(gpu_url=url, cpu_url=url) as client, aiohttp.ClientSession() as http:
            image = (await client.upload(png())).image_url
            async with http.post(
                f"{url}/api/v1/qwen-image-edit/tasks",
                json={"image_url": image, "prompt": "black and white"},
                headers={"traceparent": CLIENT},
            ) as answer:
                task_id = (await answer.json())["task_id"]
            task = await client.wait(task_id, timeout=SOON)
        assert (task.status, task.trace_id) == ("completed", TRACE)
        found = await collected.until(
            "submit", "queue", "attempt", "job", "preparing", "running", "publishing"
        )
    finally:
        for process in running:
            await asyncio.to_thread(process.end, signal.SIGTERM)
    assert {span.trace for span in collected.spans} == {TRACE}
    assert {span.service for span in found.values()} == {
        "orchestrator",
        "comfyui-api",
        "gpu-adapter",
    }
    parents = {name: span.parent for name, span in found.items()}
    assert parents["submit"] == SPAN
    assert parents["queue"] == parents["attempt"] == found["submit"].span
    assert parents["job"] == found["attempt"].span
    assert parents["preparing"] == parents["running"] == found["job"].span
    assert all(span.end >= span.begin for span in collected.spans)
    for name in ("submit", "queue", "attempt", "job"):
        assert found[name].attributes["short_drama.task_id"] == task_id
    told = _told(tmp_path, task_id)
    assert {line.get("trace_id") for line in told} == {TRACE}, told
    assert {Step.SUBMITTED, Step.CLAIMED, Step.PUBLISHED, Step.COMPLETED} < {
        line["event"] for line in told
    }


def _told(data: Path, task_id: str) -> list[dict[str, Any]]:
    """The lines of every process about a task."""
    lines = (line for file in data.glob("logs/*.jsonl") for line in file.read_text().splitlines())
    return [line for line in map(json.loads, lines) if line.get("task_id") == task_id]


async def test_a_collector_that_is_away_fails_no_task_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away = "http://127.0.0.1:9"
    async with (
        running_stack(tmp_path, NOOP, otlp_endpoint=away) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
    ):
        accepted = await client.submit("camera-angle", {"image_url": png(), "zoom": 1})
        task = await client.wait(accepted.task_id, timeout=SOON)
    assert task.status == "completed"
    assert task.trace_id is not None  # of our own
    said = [one.getMessage() for one in caplog.records if "trac" in one.name]
    assert said == [f"the collector at {away}/v1/traces does not take traces; they are lost"]


async def test_without_a_collector_a_clients_trace_is_named_all_the_same(tmp_path: Path) -> None:
    async with (
        running_stack(tmp_path, NOOP) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
    ):
        image = (await client.upload(png())).image_url
        for header, trace in (
            (CLIENT, TRACE),
            ("00-zz", None),
            (CLIENT.replace("0af7", "{}"), None),
        ):
            async with stack.http.post(
                f"{stack.gpu}/api/v1/camera-angle/tasks",
                json={"image_url": image, "zoom": 1},
                headers={"traceparent": header},
            ) as answer:
                task_id = (await answer.json())["task_id"]
            assert (await client.wait(task_id, timeout=SOON)).trace_id == trace


async def test_without_opentelemetry_it_is_said_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "short_drama.tracing.export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InvalidRequest, match="not installed") as refused:
        async with tracing.opened("http://127.0.0.1:9", service="x"):
            pass
    assert "pip install 'short-drama[otel]'" in (refused.value.fix or "")
