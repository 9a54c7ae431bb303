"""Sizes from submit to record, on a simulated ComfyUI that keeps to its models' sizes."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from short_drama.comfyui_api.workflows.model_size import model_size
from short_drama.domain.sizes import Size
from short_drama.sdk.errors import ApiError
from short_drama.sdk.models import TaskView
from tests.integration.comfyui_stage import ANGLE, EDIT, ComfyUIStage, simulated, until
from tests.samples import png
from tests.simulators.comfyui import ComfyUISimulator

FHD = Size(1920, 1080)
KEPT = """
summary = "Invert a still."
result = "save"

[inputs.image_url]
type = "image"
into = ["still.image"]
"""
GRAPH = """{
  "still": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
  "scale": {"class_type": "ImageScaleToTotalPixels", "inputs": {
    "image": ["still", 0], "upscale_method": "lanczos", "megapixels": %s}},
  "invert": {"class_type": "ImageInvert", "inputs": {"image": ["scale", 0]}},
  "save": {"class_type": "SaveImage", "inputs": {"images": ["invert", 0], "filename_prefix": "x"}}
}"""


async def uploaded(stage: ComfyUIStage, size: tuple[int, int]) -> str:
    return (await stage.client.upload(png(*size))).image_url


async def size_of(stage: ComfyUIStage, task: TaskView) -> Size:
    """Of the result's pixels, which must be what the record says."""
    data = await stage.result(task)
    size = Size(*Image.open(io.BytesIO(data)).size)
    assert task.result is not None
    assert task.result.model_dump() == {**size.to_json(), "bytes": len(data)}
    return size


def told(task: TaskView) -> list[str]:
    assert task.provenance is not None
    warnings: list[str] = task.provenance["warnings"]
    return warnings


def made(task: TaskView) -> Size:
    assert task.provenance is not None
    return Size(**task.provenance["made"])


async def test_the_size_is_the_stills_unless_another_is_asked_for(tmp_path: Path) -> None:
    worked = model_size(FHD, pixels=1024 * 1024, multiple=16, encoder_multiple=8)
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        image = await uploaded(stage, FHD)
        for kind in (ANGLE, EDIT):
            for asked, size in {"as_input": FHD, "model": worked, "960x540": (960, 540)}.items():
                task = await stage.done(kind, image_url=image, size=asked)
                assert (await size_of(stage, task), made(task)) == (size, worked)
                assert task.inputs["image_url"].model_dump() == FHD.to_json()
                assert told(task) == []


async def test_what_was_enlarged_is_told(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        large = await stage.done(EDIT, image_url=await uploaded(stage, (4096, 4096)))
        assert told(large) == [
            "The engine works at 1024 x 1024, and its result was enlarged 4.0-fold to 4096 x 4096."
        ]
        tiny = await uploaded(stage, (64, 48))
        small = await stage.done(EDIT, image_url=await uploaded(stage, (512, 512)), image2_url=tiny)
        assert await size_of(stage, small) == (512, 512)
        assert told(small) == [
            "The still is 512 x 512, enlarged 2.0-fold to 1024 x 1024 for the model.",
            "image2_url is only 64 x 48: the model finds little in it to draw from.",
        ]


async def test_a_result_is_a_still_for_the_next_task(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        first = await stage.done(ANGLE, image_url=await uploaded(stage, (719, 1279)))
        again = await stage.done(EDIT, image_url=first.result_url)
        assert again.inputs["image_url"].model_dump() == {"width": 719, "height": 1279}
        assert await size_of(stage, again) == (719, 1279)


@pytest.mark.parametrize("kind", [ANGLE, EDIT])
async def test_what_a_model_cannot_edit_is_refused_at_submit(tmp_path: Path, kind: str) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:

        async def refused(image: tuple[int, int], **changes: Any) -> tuple[str | None, str]:
            with pytest.raises(ApiError) as caught:
                await stage.submit(kind, image_url=await uploaded(stage, image), **changes)
            problem = caught.value.problem
            assert problem.status == 422
            assert problem.fix
            return problem.field, problem.detail

        assert await refused((16, 16)) == (
            "image_url", "the still is 16 x 16 pixels; each side needs 256",
        )  # fmt: skip
        assert await refused((2000, 400)) == (
            "image_url", "the still is 2000 x 400 pixels; at most 4:1 is accepted",
        )  # fmt: skip
        assert await refused((800, 600), size="1920x1080") == (
            "size", "1920x1080 would stretch the still, which is 800 x 600 pixels, by 33%",
        )  # fmt: skip
        assert (await refused((800, 600), size="large"))[0] == "size"
        assert comfyui.runs == []


async def test_a_job_without_a_task_is_refused_as_well(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        body = {"image_url": await uploaded(stage, (64, 48)), "horizontal": 1}
        url = f"{stage.service}/api/v1/{ANGLE}/jobs"
        async with stage.stack.http.post(url, json=body) as answer:
            job = (await answer.json())["job_id"]
        async with stage.stack.http.get(f"{stage.service}/api/v1/jobs/{job}?wait=10") as answer:
            ended = await answer.json()
        assert ended["status"] == "failed"
        assert (ended["error"]["code"], ended["error"]["field"]) == ("image_rejected", "image_url")


async def test_a_job_that_is_taken_on_knows_its_still(tmp_path: Path) -> None:
    async with ComfyUISimulator(step_seconds=0.2) as comfyui:
        async with simulated(tmp_path, comfyui, drain_seconds=0.1) as stage:
            image = await uploaded(stage, (333, 500))
            task = await stage.submit(EDIT, image_url=image, steps=10)
            await until(lambda: comfyui.runs)
        async with simulated(tmp_path, comfyui) as stage:
            ended = await stage.ended(task)
            assert (ended.status, len(comfyui.runs)) == ("completed", 1), ended.error
            assert await size_of(stage, ended) == (333, 500)
            assert len(told(ended)) == 1


# --- Workflows of the operator's ----------------------------------------------------------


async def invert(
    folder: Path, manifest: str, image: tuple[int, int], megapixels: float = 0.25, **changes: Any
) -> tuple[TaskView, Size]:
    """The ended task of a workflow that scales by itself, and its result's size."""
    workflows = folder / "workflows"
    workflows.mkdir()
    (workflows / "invert-api.json").write_text(GRAPH % megapixels)
    (workflows / "invert.toml").write_text(manifest)
    async with (
        ComfyUISimulator() as comfyui,
        simulated(folder / "data", comfyui, workflows_dir=workflows) as stage,
    ):
        body = {"image_url": await uploaded(stage, image), **changes}
        task = await stage.ended(await stage.client.submit("invert", body))
        assert task.status == "completed", task.error
        return task, await size_of(stage, task)


async def test_an_older_manifests_result_is_scaled_back(tmp_path: Path) -> None:
    task, size = await invert(tmp_path, KEPT, (1000, 700))
    assert (size, made(task)) == ((1000, 700), (612, 428))
    assert told(task) == [
        "The engine works at 612 x 428, and its result was enlarged 1.6-fold to 1000 x 700."
    ]


async def test_its_stills_are_held_to_no_models_limits(tmp_path: Path) -> None:
    _, size = await invert(tmp_path, KEPT, (500, 40))
    assert size == (500, 40)


async def test_an_upscaler_keeps_what_it_makes(tmp_path: Path) -> None:
    own = KEPT.replace("\n\n", '\nresult_size = "model"\n\n', 1)
    task, size = await invert(tmp_path, own, (300, 200), megapixels=1.0)
    assert size == made(task)
    assert size.pixels > 1_000_000
    assert told(task) == []
