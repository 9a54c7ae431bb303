"""Each set of models does both kinds, on the servers and cards that it is for."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from short_drama.cli.main import cli
from short_drama.comfyui_api.workflows.library import MODEL_SETS
from short_drama.sdk.errors import ApiError
from short_drama.settings import load
from short_drama.wiring.engines import open_catalogue
from tests.integration.comfyui_stage import ANGLE, EDIT, simulated
from tests.model_sets import PACKS, files_of
from tests.samples import png
from tests.simulators.comfyui import ComfyUISimulator, Version

OLDEST: dict[str, Version] = {"2511-int8": "0.33.0", "qwen-image-2.1-int8": "0.33.0"}
LEFT = {
    "2511-int8": "<sks> left side view eye-level shot medium shot",
}
COMMANDED = "将镜头向左旋转90度 Rotate the camera 90 degrees to the left."


def server(model_set: str, version: Version, card: str = "h100") -> ComfyUISimulator:
    """That has what this set needs and nothing else."""
    packs = [PACKS[model_set]] if model_set in PACKS else []
    return ComfyUISimulator(version=version, models=files_of(model_set), packs=packs, card=card)


@pytest.mark.parametrize("model_set", MODEL_SETS)
async def test_both_kinds_are_done_with_what_is_there(tmp_path: Path, model_set: str) -> None:
    version = OLDEST.get(model_set, "0.3.75")
    async with server(model_set, version) as comfyui, simulated(tmp_path, comfyui) as stage:
        turned = await stage.done(ANGLE, horizontal=-2)
        assert turned.provenance is not None
        assert turned.provenance["camera_prompt"] == LEFT.get(model_set, COMMANDED)
        assert turned.provenance["made_with"]["model_set"] == model_set
        second = (await stage.client.upload(png(80, 60, (1, 2, 3)))).image_url
        more = {"image2_url": second, "cfg": 2.5, "denoise": 0.6, "steps": 3}
        for asked in ({}, more):
            edited = await stage.done(EDIT, **asked)
            assert edited.provenance is not None
            assert edited.provenance["made_with"]["model_set"] == model_set
            steps = 25 if "2.1" in model_set else 4
            assert edited.provenance["made_with"]["steps"] == asked.get("steps", steps)


async def test_a_pose_behind_the_subject(tmp_path: Path) -> None:
    async with server("2511-int8", "0.33.0") as comfyui, simulated(tmp_path, comfyui) as stage:
        task = await stage.done(ANGLE, horizontal=4, vertical=1)
        assert task.provenance is not None
        assert task.provenance["camera_prompt"] == "<sks> back view elevated shot medium shot"


@pytest.mark.parametrize(
    ("named", "told"), [("2511-int8", ["2511-int8"]), ("auto", list(MODEL_SETS))]
)
async def test_clients_are_told_which_pad_to_draw(
    tmp_path: Path, named: str, told: list[str]
) -> None:
    async with (
        server("2511-int8", "0.33.0") as comfyui,
        simulated(tmp_path, comfyui, comfyui_model_set=named) as stage,
        stage.stack.http.get(f"{stage.stack.gpu}/openapi.json") as answer,
    ):
        schema = (await answer.json())["components"]["schemas"]["CameraAngleTask"]
    poses = schema["x-camera-poses"]
    assert sorted(poses) == sorted(told)
    assert poses["2511-int8"]["horizontal"]["4"] == "back view"
    assert schema["properties"]["horizontal"]["maximum"] == 4


async def test_no_pose_beyond_the_named_models_is_accepted(tmp_path: Path) -> None:
    async with (
        server("2509-fp8", "0.3.75") as comfyui,
        simulated(tmp_path, comfyui, comfyui_model_set="2509-fp8") as stage,
    ):
        with pytest.raises(ApiError) as refused:
            await stage.submit(ANGLE, horizontal=-3)
        assert (refused.value.problem.status, refused.value.problem.field) == (422, "horizontal")
        async with stage.stack.http.get(f"{stage.stack.gpu}/openapi.json") as answer:
            schema = (await answer.json())["components"]["schemas"]["CameraAngleTask"]
        pad = schema["properties"]["horizontal"]
        assert (pad["minimum"], pad["maximum"], pad["default"]) == (-2, 2, 0)
        await stage.done(ANGLE, horizontal=-2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"comfy_v2_url": "https://cloud.comfy.org"}, ["2509-fp8"]),
        ({"comfy_v2_url": "https://cloud.comfy.org", "comfyui_model_set": "2511-int8"},
         ["2511-int8"]),
        ({}, ["local-preview"]),
    ],
)  # fmt: skip
def test_where_no_server_says_what_it_has(
    settings: dict[str, str], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMFYUI_URL", raising=False)
    schema = open_catalogue(load(settings))[ANGLE].task_request.model_json_schema()
    assert list(schema["x-camera-poses"]) == told


async def test_a_set_of_which_a_file_is_missing_is_passed_over(tmp_path: Path) -> None:
    files = files_of("2511-int8")
    files["checkpoints"] = files_of("2509-fp8")["checkpoints"]
    files["loras"] = [name for name in files["loras"] if "Lightning" not in name]
    files["diffusion_models"] += files_of("2509-fp8")["diffusion_models"]
    files["loras"] += files_of("2509-fp8")["loras"]
    async with (
        ComfyUISimulator(version="0.33.0", models=files, card="a10g") as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        for kind in (ANGLE, EDIT):
            task = await stage.done(kind)
            assert task.provenance is not None
            assert task.provenance["made_with"]["model_set"] == "2509-fp8"


@pytest.mark.parametrize(
    ("card", "model_set", "said"),
    [
        ("h100", "2509-fp8", "camera-angle: can run with 2509-fp8; fits: 21.0 of 80.0 GiB"),
        ("a10g", "2511-int8", "camera-angle: can run with 2511-int8; fits"),
        ("t4", "2509-gguf", "computes in fp32 on this card (Tesla T4), expect minutes"),
        ("cpu", "2509-fp8", "this server computes on a CPU"),
    ],
)
async def test_the_command_says_what_the_card_can_do(card: str, model_set: str, said: str) -> None:
    async with server(model_set, "0.33.0", card) as comfyui:
        told = await _check(comfyui.url)
    assert said in told.output
    assert told.exit_code == 0, told.output


async def _check(url: str) -> Result:
    asked = ["workflows", "check", "--comfyui-url", url]
    return await asyncio.to_thread(CliRunner().invoke, cli, asked)


async def test_the_command_refuses_a_lora_whose_words_are_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lora = "qwen-image-edit-2511-multiple-angles-lora.safetensors"
    monkeypatch.setenv("SHORT_DRAMA_COMFYUI_MODELS", f"camera_lora={lora}")
    files = files_of("2509-fp8")
    files["loras"].append(lora)
    async with ComfyUISimulator(models=files) as comfyui:
        told = await _check(comfyui.url)
        assert told.exit_code == 1
        assert f"{lora} learnt poses, and would be told relative" in told.output
        assert "SHORT_DRAMA_COMFYUI_CAMERA_WORDS=poses" in told.output
        monkeypatch.setenv("SHORT_DRAMA_COMFYUI_CAMERA_WORDS", "poses")
        assert (await _check(comfyui.url)).exit_code == 0
