"""The GPU kinds on a simulated ComfyUI: from submit to published picture."""

import asyncio
import io
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from PIL import Image

from short_drama.images.codec import decode
from short_drama.images.labels import SourceType
from short_drama.sdk.models import TaskView
from tests.integration.comfyui_stage import ANGLE, EDIT, comfyui_stage, simulated, until
from tests.samples import png
from tests.simulators.comfyui import MODELS, ComfyUISimulator


def facts(task: TaskView) -> dict[str, Any]:
    assert task.provenance is not None
    return task.provenance


async def test_both_kinds_end_in_a_labelled_picture(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        for kind in (ANGLE, EDIT):
            task = await stage.done(kind)
            data = await stage.result(task)
            assert task.engine == "comfyui"
            assert f"/images/comfyui-results/{kind}/{task.api_job_id}.png" in str(task.result_url)
            assert b"KSampler" not in data  # what ComfyUI writes into its files
            label = decode(data).label
            assert label is not None
            assert label.source == SourceType.COMPOSITE_WITH_TRAINED
            assert Image.open(io.BytesIO(data)).format == "PNG"
        assert [run.prompt_id for run in comfyui.runs] == [
            task.task_id and task.api_job_id for task in (await stage.client.list()).tasks[::-1]
        ]


async def test_a_seed_is_drawn_recorded_and_repeatable(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        drawn, other = await stage.done(EDIT), await stage.done(EDIT)
        seed = facts(drawn)["seed"]
        assert seed != facts(other)["seed"]
        again = await stage.done(EDIT, seed=seed)
        pictures = [
            np.asarray(Image.open(io.BytesIO(await stage.result(task))))
            for task in (drawn, other, again)
        ]
        assert np.array_equal(pictures[0], pictures[2])
        assert not np.array_equal(pictures[0], pictures[1])


async def test_the_pads_words_and_the_artists_reach_the_model(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        task = await stage.done(ANGLE, horizontal=-1, prompt="in the rain", steps=3)
        async with stage.stack.http.get(f"{comfyui.url}/history/{task.api_job_id}") as answer:
            graph = (await answer.json())[task.api_job_id]["prompt"][2]
        assert graph["positive"]["inputs"]["prompt"] == (
            "将镜头向左旋转45度 Rotate the camera 45 degrees to the left. in the rain"
        )
        assert graph["sampler"]["inputs"]["steps"] == 3
        assert facts(task)["camera_prompt"] == graph["positive"]["inputs"]["prompt"]


async def test_a_prompt_that_contradicts_the_pad_is_said_in_the_record(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        task = await stage.done(ANGLE, horizontal=-1, prompt="向右旋转45度")
        other = await stage.done(ANGLE, horizontal=-1, prompt="in the rain")
        assert "The pad moves the camera to the left, and the prompt to the right" in str(
            facts(task)["warnings"]
        )
        assert "pad" not in str(facts(other)["warnings"])


async def test_a_pose_that_the_model_cannot_make_is_refused_by_name(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        task = await stage.ended(await stage.submit(ANGLE, horizontal=4))
        assert task.status == "failed"
        assert "horizontal is 4; this model goes from -2 to 2" in str(task.error)
        assert not comfyui.runs


async def test_images_that_are_not_given_are_not_in_the_graph(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        second = (await stage.client.upload(png(80, 60, (1, 2, 3)))).image_url
        task = await stage.done(EDIT, image3_url=second)
        async with stage.stack.http.get(f"{comfyui.url}/history/{task.api_job_id}") as answer:
            graph = (await answer.json())[task.api_job_id]["prompt"][2]
        assert "image2" not in graph
        assert "image2" not in graph["positive"]["inputs"]
        names = {graph[node]["inputs"]["image"] for node in ("image", "image3")}
        folder = f"short-drama/{task.api_job_id}"
        assert names == {f"{folder}/image_url.png [temp]", f"{folder}/image3_url.png [temp]"}


async def test_steps_are_told_while_the_job_runs(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.3) as comfyui,
        simulated(tmp_path, comfyui, progress_seconds=0.05) as stage,
    ):
        task = await stage.submit(steps=10)
        seen = [view async for view in stage.client.follow(task.task_id)]
        told = [view.progress for view in seen if view.progress is not None]
        assert told == sorted(told)
        assert len([progress for progress in told if 0.1 < progress < 0.95]) >= 3
        assert "running" in {view.stage for view in seen}


async def test_the_next_prompt_waits_inside_comfyui(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.05) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        tasks = [await stage.submit(steps=4) for _ in range(8)]
        ended = await asyncio.gather(*(stage.ended(task) for task in tasks))
        assert {task.status for task in ended} == {"completed"}
        waiting = [
            sum(other.asked <= run.ended < other.started for other in comfyui.runs)
            for run in comfyui.runs
            if run.ended is not None
        ]
        assert max(waiting) == 1  # what waits there can no longer be put in a better order
        assert median(waiting) == 1


async def test_jobs_of_the_loaded_workflow_go_first(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.01, swap_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        tasks = [await stage.submit(kind, steps=2) for kind in (ANGLE, EDIT) * 8]
        ended = await asyncio.gather(*(stage.ended(task) for task in tasks))
        assert {task.status for task in ended} == {"completed"}
        kinds = [run.kind for run in comfyui.runs]
        swaps = sum(one != other for one, other in pairwise(kinds))
        assert swaps <= 6  # in the order of arrival, 15


async def test_nobody_is_passed_over_for_ever(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.02) as comfyui,
        simulated(tmp_path, comfyui, comfyui_swap_wait_seconds=0.01) as stage,
    ):
        tasks = [await stage.submit(kind, steps=2) for kind in (ANGLE, EDIT) * 4]
        await asyncio.gather(*(stage.ended(task) for task in tasks))
        kinds = [run.kind for run in comfyui.runs]
        assert sum(one != other for one, other in pairwise(kinds)) >= 5


# --- Cancelling ---------------------------------------------------------------------------


async def test_a_running_job_is_interrupted_and_no_other(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        first = await stage.submit(steps=50)
        await until(lambda: comfyui.runs)
        second = await stage.submit(steps=2)
        await stage.client.cancel(first.task_id)
        assert (await stage.ended(first)).status == "cancelled"
        assert (await stage.ended(second)).status == "completed"
        assert [run.ending for run in comfyui.runs] == ["interrupted", "success"]


async def test_a_waiting_job_never_runs(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        tasks = [await stage.submit(steps=50)]
        await until(lambda: comfyui.runs)
        tasks += [await stage.submit(steps=2) for _ in range(3)]
        for task in tasks[1:3]:
            await stage.client.cancel(task.task_id)
        ended = await asyncio.gather(*(stage.ended(task) for task in tasks))
        statuses = [task.status for task in ended]
        assert statuses == ["completed", "cancelled", "cancelled", "completed"]
        assert [run.ending for run in comfyui.runs] == ["success", "success"]


# --- What there is to say -----------------------------------------------------------------


async def test_health_says_what_the_engine_is_doing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        task = await stage.submit(steps=8)
        assert (await stage.until("busy"))["engines"][ANGLE] == "comfyui"
        await stage.ended(task)
        await stage.until("ready")
        await comfyui.stop()
        starting = await stage.until("starting")
        assert "ComfyUI" in starting["reason"]
        while "fix" not in starting:  # when it has been asked
            await asyncio.sleep(0.02)
            starting = await stage.until("starting")
        assert comfyui.url in starting["reason"]
        assert "SHORT_DRAMA_COMFYUI_URL" in starting["fix"]
        await comfyui.start()
        await stage.until("ready")
    told = [record.getMessage() for record in caplog.records]
    assert [one for one in told if one.startswith("ComfyUI is")] == [
        "ComfyUI is away",
        "ComfyUI is back",
    ]


async def test_workflows_are_warm_before_the_service_is_ready(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator() as comfyui,
        simulated(tmp_path, comfyui, comfyui_warm_up=True) as stage,
    ):
        assert [run.kind for run in comfyui.runs] == [ANGLE, EDIT]
        comfyui.drop_sockets()
        await stage.done()
        await stage.until("ready")
        assert len(comfyui.runs) == 3  # a socket that breaks leaves models where they are
        await comfyui.restart()
        await until(lambda: len(comfyui.runs) == 5)
        await stage.until("ready")


async def test_a_missing_model_is_said_by_name(tmp_path: Path) -> None:
    """Where no kind can run; one that can is another matter."""
    models, role = {**MODELS, "checkpoints": []}, {"vae": "other_vae.safetensors"}
    async with (
        ComfyUISimulator(models=models) as comfyui,
        comfyui_stage(tmp_path, comfyui.url, comfyui_models=role) as stage,
    ):
        health = await stage.until("unhealthy")
        assert "other_vae.safetensors" in health["reason"]
        assert "models/vae" in health["fix"]
        models["vae"] = ["other_vae.safetensors"]
        assert (await stage.until("ready"))["kinds"][ANGLE] == {"ready": True}
