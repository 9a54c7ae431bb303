"""Kinds that a process cannot do: told at submit, or waited for; never a failure of ours."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from short_drama.wiring.components import Component
from tests.integration.adapter_line import eventually
from tests.integration.test_aws_stack import running
from tests.noop_engine import NOOP
from tests.samples import png
from tests.stack import running_stack, stack_settings

OWN = "double-exposure"
PATH = f"/api/v1/{OWN}/tasks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the workflow of docs/workflows.md, word for word."""
    page = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text()
    part = page[page.index("## Add a workflow") :]
    graph, manifest = (
        found
        for found in re.findall(r"```(?:json|toml)\n(.*?)```", part, re.DOTALL)
        if "ImageBlend" in found or ("over_url" in found and "summary" in found)
    )
    json.loads(graph)
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / f"{OWN}-api.json").write_text(graph)
    (folder / f"{OWN}.toml").write_text(manifest)
    return folder


async def body(http: aiohttp.ClientSession, url: str) -> dict[str, str]:
    headers = {"Content-Type": "image/png"}
    async with http.post(f"{url}/api/v1/assets", data=png(), headers=headers) as answer:
        image = (await answer.json())["image_url"]
    return {"image_url": image, "over_url": image}


async def view(http: aiohttp.ClientSession, url: str) -> Mapping[str, Any]:
    async with http.get(url) as answer:
        found: Mapping[str, Any] = await answer.json()
        return found


async def test_a_workflow_of_ones_own_without_comfyui_is_refused_with_what_helps(
    tmp_path: Path, folder: Path
) -> None:
    async with running_stack(tmp_path / "data", NOOP, workflows_dir=folder) as stack:
        asked = await body(stack.http, stack.gpu)
        accepted: list[str] = []
        told: dict[str, Any] = {}

        async def refused() -> bool:
            async with stack.http.post(stack.gpu + PATH, json=asked) as answer:
                told.update(await answer.json())
                if answer.status == 202:
                    accepted.append(told["task_id"])
                return answer.status == 503

        await eventually(refused)
        assert told["code"] == "kind_not_available"
        assert OWN in told["detail"]
        assert "SHORT_DRAMA_COMFYUI_URL" in told["fix"]
        for task_id in accepted:  # before anybody could know
            task = await view(stack.http, f"{stack.gpu}/api/v1/tasks/{task_id}")
            assert (task["status"] in ("pending", "processing"), task["error"]) == (True, None)
        health = await view(stack.http, f"{stack.urls[Component.COMFYUI_API]}/health")
        assert (health["status"], health["kinds"][OWN]["ready"]) == ("ready", False)


async def test_a_kind_that_the_service_has_never_heard_of_is_waited_for(
    tmp_path: Path, folder: Path
) -> None:
    """The folder is where the orchestrator is, and nowhere else."""
    settings = stack_settings(tmp_path / "data", sweep_seconds=0.1)
    theirs = settings.model_copy(update={"workflows_dir": folder})
    async with (
        aiohttp.ClientSession() as http,
        running(theirs, (Component.ORCHESTRATOR,), NOOP) as urls,
        running(settings, (Component.COMFYUI_API, Component.GPU_ADAPTER), NOOP),
    ):
        url = urls[Component.ORCHESTRATOR]
        async with http.post(url + PATH, json=await body(http, url)) as answer:
            assert answer.status == 202
            where = f"{url}{answer.headers['Location']}"

        async def waits() -> bool:
            return (await view(http, where))["waiting_for"] is not None

        await eventually(waits)
        task = await view(http, where)
        assert task["waiting_for"]["code"] == "kind_not_available"
        assert OWN in task["waiting_for"]["message"]
        assert "SHORT_DRAMA_WORKFLOWS_DIR" in task["waiting_for"]["fix"]
        assert (task["status"], task["error"]) == ("pending", None)


async def test_a_kind_that_the_orchestrator_has_never_heard_of_is_not_found(
    tmp_path: Path, folder: Path
) -> None:
    settings = stack_settings(tmp_path / "data")
    theirs = settings.model_copy(update={"workflows_dir": folder})
    async with (
        aiohttp.ClientSession() as http,
        running(settings, (Component.ORCHESTRATOR,), NOOP) as urls,
        running(theirs, (Component.COMFYUI_API, Component.GPU_ADAPTER), NOOP) as theirs_at,
    ):
        url = urls[Component.ORCHESTRATOR]
        async with http.post(url + PATH, json=await body(http, url)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "route_not_found")
        assert (await view(http, f"{theirs_at[Component.COMFYUI_API]}/health"))["kinds"][OWN]
