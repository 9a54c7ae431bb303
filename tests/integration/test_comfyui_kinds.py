"""Each kind is ready on its own: what one lacks leaves the others running, and submits are told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from short_drama.domain.errors import InvalidRequest
from short_drama.sdk.errors import ApiError
from short_drama.settings import Settings
from short_drama.wiring.engines import open_catalogue
from tests.integration.comfyui_stage import ANGLE, EDIT, ComfyUIStage, comfyui_stage
from tests.simulators.comfyui import MODELS, ComfyUISimulator, Crash

CHECKPOINT = "Qwen-Rapid-AIO-NSFW-v11.safetensors"


async def kinds(stage: ComfyUIStage, base: str | None = None) -> dict[str, dict[str, Any]]:
    """What a service's /health says of them."""
    async with stage.stack.http.get(f"{base or stage.service}/health") as answer:
        found: dict[str, dict[str, Any]] = (await answer.json())["kinds"]
        return found


async def told(stage: ComfyUIStage, kind: str, *, ready: bool) -> None:
    """Until the orchestrator has heard so of the kind."""
    for _ in range(5000):
        if (await kinds(stage, stage.stack.gpu))[kind]["ready"] is ready:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(await kinds(stage))


async def refused(stage: ComfyUIStage, kind: str) -> ApiError:
    await told(stage, kind, ready=False)
    with pytest.raises(ApiError) as error:
        await stage.submit(kind)
    assert (error.value.problem.status, error.value.code) == (503, "kind_not_available")
    return error.value


async def test_a_kind_without_its_models_leaves_the_other_running(tmp_path: Path) -> None:
    models = {**MODELS, "checkpoints": []}
    async with (
        ComfyUISimulator(models=models) as comfyui,
        comfyui_stage(tmp_path, comfyui.url) as stage,
    ):
        assert (await stage.until("ready", "busy"))["kinds"][ANGLE] == {"ready": True}
        view = (await kinds(stage))[EDIT]
        assert (view["ready"], view["code"]) == (False, "engine_not_ready")
        assert CHECKPOINT in view["reason"]
        assert "models/checkpoints" in view["fix"]
        await stage.done(ANGLE)
        error = await refused(stage, EDIT)
        assert CHECKPOINT in error.problem.detail
        assert "models/checkpoints" in str(error.problem.fix)
        models["checkpoints"] = [CHECKPOINT]
        await told(stage, EDIT, ready=True)
        await stage.done(EDIT)


async def test_models_that_go_while_all_is_well_are_missed(tmp_path: Path) -> None:
    models = dict(MODELS)
    async with (
        ComfyUISimulator(models=models) as comfyui,
        comfyui_stage(tmp_path, comfyui.url) as stage,
    ):
        await stage.done(EDIT)
        models["checkpoints"] = []
        waiting = await stage.submit(EDIT)
        error = await refused(stage, EDIT)
        assert CHECKPOINT in error.problem.detail
        await stage.done(ANGLE)
        assert (await stage.client.get(waiting.task_id)).status in ("pending", "processing")
        models["checkpoints"] = [CHECKPOINT]
        ended = await stage.ended(waiting)
        assert ended.status == "completed", ended.error


async def test_a_kind_that_fails_in_its_warm_up_leaves_the_other_running(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui:
        comfyui.failures.crash = Crash("CheckpointLoaderSimple", message="size mismatch for x")
        comfyui.failures.execution_error = 1
        async with comfyui_stage(tmp_path, comfyui.url, comfyui_warm_up=True) as stage:
            await stage.until("ready")
            views = await kinds(stage)
            failing = [kind for kind, view in views.items() if not view["ready"]]
            assert len(failing) == 1
            assert "fails in its warm-up" in views[failing[0]]["reason"]
            other = ANGLE if failing == [EDIT] else EDIT
            await stage.done(other)
            await refused(stage, failing[0])


async def test_a_kind_is_switched_off(tmp_path: Path) -> None:
    models = {**MODELS, "checkpoints": []}
    async with (
        ComfyUISimulator(models=models) as comfyui,
        comfyui_stage(tmp_path, comfyui.url, kinds_off=frozenset({EDIT})) as stage,
    ):
        await stage.until("ready")
        error = await refused(stage, EDIT)
        assert error.problem.detail == "qwen-image-edit is switched off"
        assert "SHORT_DRAMA_KINDS_OFF" in str(error.problem.fix)
        await stage.done(ANGLE)


def test_a_kind_that_is_none_cannot_be_switched_off() -> None:
    with pytest.raises(InvalidRequest, match="camera-angel"):
        open_catalogue(Settings(kinds_off=frozenset({"camera-angel"})))


async def test_an_engine_that_is_away_refuses_nobody(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, comfyui_stage(tmp_path, comfyui.url) as stage:
        await told(stage, ANGLE, ready=True)
        await comfyui.stop()
        await stage.until("starting")
        assert (await kinds(stage))[ANGLE]["code"] == "engine_starting"
        task = await stage.submit(ANGLE)
        await comfyui.start()
        assert (await stage.ended(task)).status == "completed"
