"""What a ComfyUI must do for the GPU lane, and the lane with it: the same tests against the
simulator and against a real server.

`--comfyui real` starts the one that `make test-comfyui` installs, or the checkout that
COMFYUI_SOURCE names, on the CPU with tiny models; COMFYUI_URL takes any that runs, with whatever
models it has.
"""

import asyncio
import io
import os
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from short_drama.cli.main import cli
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.workflows.library import library
from short_drama.domain.errors import EngineNotReady
from short_drama.sdk.models import TaskView
from tests.emulators.comfy_proxy import comfy_proxy
from tests.integration.comfyui_stage import ANGLE, EDIT, ComfyUIStage, comfyui_stage
from tests.real_comfyui.server import RealComfyUI
from tests.samples import png
from tests.simulators.comfyui import VERSIONS, ComfyUISimulator, Version

pytestmark = [pytest.mark.comfyui, pytest.mark.timeout(900)]
PAGE = Path(__file__).parents[2] / "docs" / "workflows.md"
EXPOSURE = "double-exposure"


OWN = pytest.mark.parametrize("comfyui", ["comfyui"], indirect=True)
"""For what only a ComfyUI of one's own says of itself."""


class Server(Protocol):
    @property
    def url(self) -> str: ...

    async def restart(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Hosted:
    """A ComfyUI that is only spoken to by the Comfy API v2 of a proxy in front of it."""

    proxy: str
    behind: Server

    @property
    def url(self) -> str:
        return self.behind.url

    async def restart(self) -> None:
        await self.behind.restart()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A server that somebody else runs: it is not ours to restart."""

    url: str

    async def restart(self) -> None:
        pytest.skip("this server is not ours to restart")


SERVERS: Mapping[str, Version] = {"comfyui": VERSIONS[0], "newer-comfyui": VERSIONS[-1]}


@pytest.fixture(params=[*SERVERS, "comfy-api-v2"])
async def comfyui(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    """A ComfyUI, which is of one version where it is real; and one behind the hosted API."""
    real = request.config.getoption("--comfyui") == "real" or "COMFYUI_URL" in os.environ
    if request.param == "newer-comfyui" and real:
        pytest.skip("a real ComfyUI is of one version")
    if request.param in SERVERS:
        async with served(request, tmp_path, version=SERVERS[request.param]) as server:
            yield server
        return
    (tmp_path / "proxy").mkdir()
    async with served(request, tmp_path, version=VERSIONS[-1]) as server:
        if not await cancels_atomically(server):
            pytest.skip("this ComfyUI has no atomic cancel, which the proxy needs")
        with comfy_proxy(tmp_path / "proxy", server.url) as proxy:
            yield Hosted(proxy, server)


@asynccontextmanager
async def served(
    request: pytest.FixtureRequest, tmp_path: Path, *, version: Version
) -> AsyncIterator[Server]:
    """`version`: of a simulated one."""
    if url := os.environ.get("COMFYUI_URL"):
        yield Elsewhere(url)
    elif request.config.getoption("--comfyui") == "real":
        folder = tmp_path / "comfyui"
        folder.mkdir()
        async with RealComfyUI(folder, request.getfixturevalue("comfyui_program")) as real:
            yield real
    else:
        async with ComfyUISimulator(step_seconds=0.05, version=version) as simulated:
            yield simulated


async def cancels_atomically(server: Server) -> bool:
    path = f"/api/jobs/{uuid.uuid4()}/cancel"
    async with aiohttp.ClientSession(server.url) as http, http.post(path) as answer:
        return answer.status == HTTPStatus.OK


@asynccontextmanager
async def opened(tmp_path: Path, comfyui: Server, **settings: Any) -> AsyncIterator[ComfyUIStage]:
    times = {"lease_seconds": 60.0, "drain_seconds": 60.0}
    if isinstance(comfyui, Hosted):
        settings |= {"comfyui_url": None, "comfy_v2_url": comfyui.proxy}
    async with comfyui_stage(
        tmp_path / "data", comfyui.url, image=photograph(), **(times | settings)
    ) as stage:
        await stage.until("ready")
        yield stage


def photograph() -> bytes:
    """Something with shapes in it; models make little of a single colour."""
    across, down = np.meshgrid(np.linspace(0, 1, 400), np.linspace(0, 1, 300))
    waves = [np.sin(9 * across + 5 * down), np.cos(7 * down), np.sin(13 * across * down)]
    pixels = (np.stack(waves, axis=-1) * 100 + 128).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


async def pixels(stage: ComfyUIStage, task: TaskView) -> np.ndarray[Any, Any]:
    data = await stage.result(task)
    assert b"KSampler" not in data
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


# --- The published graphs -----------------------------------------------------------------


async def test_camera_angle_as_it_is_published(tmp_path: Path, comfyui: Server) -> None:
    async with opened(tmp_path, comfyui, progress_seconds=0.1) as stage:
        task = await stage.submit(ANGLE, steps=20)
        told = {view.progress async for view in stage.client.follow(task.task_id)}
        ended = await stage.ended(task)
        assert ended.status == "completed", ended.error
        assert len(told) > 2
        assert (await pixels(stage, ended)).std() > 1
        assert ended.timings.engine_seconds is not None


@pytest.mark.parametrize("images", [1, 2, 3])
async def test_image_edit_as_it_is_published(tmp_path: Path, comfyui: Server, images: int) -> None:
    async with opened(tmp_path, comfyui) as stage:
        more = (await stage.client.upload(png(200, 120, (90, 10, 60)))).image_url
        others = dict.fromkeys(("image2_url", "image3_url")[: images - 1], more)
        task = await stage.done(EDIT, **others, steps=4 if images == 1 else 1)
        assert (await pixels(stage, task)).std() > 1


async def test_the_same_request_again_is_another_file(tmp_path: Path, comfyui: Server) -> None:
    """ComfyUI has everything but the saving in its cache."""
    async with opened(tmp_path, comfyui) as stage:
        first = await stage.done(EDIT, seed=7, steps=1)
        again = await stage.done(EDIT, seed=7, steps=1)
        assert first.result_url != again.result_url
        assert np.array_equal(await pixels(stage, first), await pixels(stage, again))


SIZES = [
    (256, 256), (257, 1028), (333, 500), (640, 360), (719, 1279), (1024, 1024), (1080, 1920),
    (1477, 2056), (1920, 1080), (2048, 858), (3000, 2000), (3840, 2160), (8192, 2048), (8192, 4882),
]  # fmt: skip
"""From the least to the most, portrait and landscape, to 1:4 and 4:1, odd sides among them."""


@pytest.mark.parametrize("kind", [ANGLE, EDIT])
async def test_a_result_has_the_stills_own_size(
    request: pytest.FixtureRequest, tmp_path: Path, comfyui: Server, kind: str
) -> None:
    first = kind == ANGLE and request.node.callspec.params["comfyui"] == "comfyui"
    at_once = isinstance(comfyui, ComfyUISimulator)
    sizes = SIZES if first and at_once else SIZES[1:8:3]  # all would take a CPU half an hour
    async with opened(tmp_path, comfyui) as stage:
        for width, height in sizes:
            still = (await stage.client.upload(png(width, height))).image_url
            task = await stage.done(kind, image_url=still, steps=1)
            with Image.open(io.BytesIO(await stage.result(task))) as result:
                assert result.size == (width, height)
            assert task.result is not None
            assert (task.result.width, task.result.height) == (width, height)
            assert task.inputs["image_url"].model_dump() == {"width": width, "height": height}
            assert task.provenance is not None
            assert [side % 16 for side in task.provenance["made"].values()] == [0, 0]  # none cut


# --- Interruptions ------------------------------------------------------------------------


async def running(stage: ComfyUIStage, **changes: Any) -> str:
    """A task whose sampler is at work."""
    task = await stage.submit(ANGLE, **changes)
    async for view in stage.client.follow(task.task_id):
        if view.stage == "running" and (view.progress or 0) > 0.05:
            break
    return task.task_id


async def test_a_cancel_stops_the_job_and_no_other(tmp_path: Path, comfyui: Server) -> None:
    async with opened(tmp_path, comfyui, progress_seconds=0.1) as stage:
        long = await running(stage, steps=50)
        following = await stage.submit(EDIT, steps=1)
        await stage.client.cancel(long)
        assert (await stage.client.wait(long)).status == "cancelled"
        assert (await stage.ended(following)).status == "completed"


async def test_a_restart_in_the_middle_of_a_job(tmp_path: Path, comfyui: Server) -> None:
    async with opened(tmp_path, comfyui, progress_seconds=0.1) as stage:
        task_id = await running(stage, steps=24)
        await comfyui.restart()
        task = await stage.client.wait(task_id, timeout=600)
        assert (task.status, task.attempts) == ("completed", 2), task.error


async def test_the_next_service_takes_on_what_runs(tmp_path: Path, comfyui: Server) -> None:
    async with opened(tmp_path, comfyui, progress_seconds=0.1, drain_seconds=0.1) as stage:
        task_id = await running(stage, steps=8)
        prompt_id = (await stage.client.get(task_id)).api_job_id
    async with opened(tmp_path, comfyui) as stage:
        task = await stage.client.wait(task_id, timeout=600)
        assert task.status == "completed", task.error
        assert task.provenance is not None
        assert task.provenance["prompt_id"] == prompt_id


# --- What is missing ----------------------------------------------------------------------


@OWN
async def test_a_bad_model_name_is_said_before_a_job_fails(tmp_path: Path, comfyui: Server) -> None:
    role = {"lightning_lora": "no-such-lora.safetensors"}
    async with comfyui_stage(tmp_path / "data", comfyui.url, comfyui_models=role) as stage:
        told = (await stage.until("ready"))["kinds"][ANGLE]  # which the other kind is
        assert told["ready"] is False
        assert "no-such-lora.safetensors for lightning_lora.lora_name" in told["reason"]
        assert "models/loras" in told["fix"]


@OWN
async def test_a_refused_prompt_names_node_and_model(comfyui: Server) -> None:
    graph = library(None, {"vae": "no-such-vae.safetensors"})[ANGLE].build(
        {"prompt": "x"}, images={"image_url": "x.png [temp]"}, prefix="short-drama/test/x"
    )
    graph["image"] = {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0},
    }
    async with ComfyUI(comfyui.url, client_id="contract") as client:
        with pytest.raises(EngineNotReady, match=r"no-such-vae.* of node 'vae' \(VAELoader\)"):
            await client.submit(graph, prompt_id=str(uuid.uuid4()))


@OWN
async def test_the_command_checks_the_server(comfyui: Server) -> None:
    asked = ["workflows", "check", "--comfyui-url", comfyui.url]
    told = await asyncio.to_thread(CliRunner().invoke, cli, asked)
    assert told.exit_code == 0, told.output
    assert "camera-angle: can run" in told.output
    missing = {"SHORT_DRAMA_COMFYUI_MODELS": "vae=no-such-vae.safetensors"}
    told = await asyncio.to_thread(CliRunner(env=missing).invoke, cli, asked)
    assert told.exit_code == 1
    assert "camera-angle: cannot run" in told.output
    assert "no-such-vae.safetensors" in told.output


# --- A workflow of the operator's ---------------------------------------------------------


@pytest.fixture
def exposure(tmp_path: Path) -> Path:
    """The example of the operators' page, as files."""
    blocks: Mapping[str, str] = dict(
        re.findall(r"```(json|toml)\n(.*?)```", PAGE.read_text(), re.DOTALL)[::-1]
    )
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / f"{EXPOSURE}-api.json").write_text(blocks["json"])
    (folder / f"{EXPOSURE}.toml").write_text(blocks["toml"])
    return folder


async def test_a_workflow_that_was_dropped_in_is_a_kind(
    tmp_path: Path, comfyui: Server, exposure: Path
) -> None:
    async with opened(tmp_path, comfyui, workflows_dir=exposure, comfyui_warm_up=False) as stage:
        white = (await stage.client.upload(png(320, 240, (255, 255, 255)))).image_url
        request = {"image_url": stage.image, "over_url": white, "strength": 0.5}
        task = await stage.ended(await stage.client.submit(EXPOSURE, request))
        assert task.status == "completed", task.error
        still = np.asarray(Image.open(io.BytesIO(photograph())), np.int16)
        assert (await pixels(stage, task)).shape == still.shape
        refused = await stage.stack.http.post(
            f"{stage.stack.gpu}/api/v1/{EXPOSURE}/tasks", json={**request, "mode": "magic"}
        )
        assert refused.status == 422
        assert (await refused.json())["field"] == "mode"
