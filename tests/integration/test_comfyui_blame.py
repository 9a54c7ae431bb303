"""Blame falls on who caused it: a task that cannot be done fails by itself, with what to change,
and another artist's, submitted in between, is done without anybody's help."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from short_drama.comfyui_api import workflows
from short_drama.domain.attempts import MAX_ATTEMPTS, job_id_for
from short_drama.sdk.errors import ApiError
from short_drama.sdk.models import Accepted, TaskView
from tests.integration.comfyui_stage import ANGLE, EDIT, ComfyUIStage, simulated, until
from tests.simulators.comfyui import ComfyUISimulator, Crash, Run

UNRULED = "unruled"
"""Our editing workflow as an operator's, without the rules."""
BAD: dict[str, Any] = {"prompt": "a crowd", "steps": 1, "scheduler": "kl_optimal"}


def unruled(folder: Path) -> dict[str, Any]:
    """Settings of a service that has it."""
    folder.mkdir()
    ours = Path(workflows.__file__).parent / "sets" / "2509-fp8"
    for suffix in ("-api.json", ".toml"):
        (folder / f"{UNRULED}{suffix}").write_text((ours / f"{EDIT}{suffix}").read_text())
    return {"workflows_dir": folder}


async def bad(stage: ComfyUIStage, kind: str = EDIT, **request: Any) -> Accepted:
    return await stage.client.submit(kind, {"image_url": stage.image, "prompt": "x", **request})


def runs_of(comfyui: ComfyUISimulator, task: Accepted | TaskView) -> list[Run]:
    prompts = {job_id_for(task.task_id, attempt) for attempt in range(1, 4 * MAX_ATTEMPTS)}
    return [run for run in comfyui.runs if run.prompt_id in prompts]


async def failed(
    stage: ComfyUIStage, task: Accepted, code: str, *, within: int = MAX_ATTEMPTS
) -> TaskView:
    ended = await stage.ended(task)
    assert ended.error is not None, ended.status
    assert (ended.status, ended.error.code) == ("failed", code), ended.error
    assert ended.attempts <= within
    return ended


async def done(stage: ComfyUIStage, task: Accepted, *, attempts: int = 1) -> None:
    ended = await stage.ended(task)
    assert (ended.status, ended.attempts) == ("completed", attempts), ended.error


async def unharmed(stage: ComfyUIStage, task: Accepted) -> None:
    """Completed, and all attempts but the one that did it were given back."""
    ended = await stage.ended(task)
    assert ended.status == "completed", ended.error
    path = stage.stack.settings.data_dir / "tasks.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT record FROM tasks WHERE task_id = ?", (task.task_id,)).fetchone()
    assert json.loads(found[0])["attempts_left"] == MAX_ATTEMPTS - 1


# --- Black pictures -----------------------------------------------------------------------


async def test_settings_that_give_a_black_picture_fail_by_themselves(tmp_path: Path) -> None:
    settings = unruled(tmp_path / "workflows")
    async with (
        ComfyUISimulator() as comfyui,
        simulated(tmp_path / "data", comfyui, **settings) as stage,
    ):
        task = await bad(stage, UNRULED, **BAD)
        other = await stage.submit(ANGLE)
        ended = await failed(stage, task, "black_picture")
        assert ended.error is not None
        assert "scheduler (kl_optimal)" in str(ended.error.fix)
        assert "steps (1)" in str(ended.error.fix)
        assert (ended.attempts, len(runs_of(comfyui, task))) == (2, 2)
        await done(stage, other)
        assert (await stage.health())["status"] in ("ready", "busy")


async def test_one_artists_black_pictures_take_the_engine_from_nobody(tmp_path: Path) -> None:
    """Bad tasks in turn with good ones, and two bad ones at once."""
    settings = unruled(tmp_path / "workflows")
    async with (
        ComfyUISimulator() as comfyui,
        simulated(tmp_path / "data", comfyui, **settings) as stage,
    ):
        tasks = [await bad(stage, UNRULED, **BAD) for _ in range(2)]
        good = [await stage.submit(ANGLE) for _ in range(2)]
        tasks += [await bad(stage, UNRULED, **BAD)]
        good += [await stage.submit(ANGLE)]
        for task in tasks:
            assert (await failed(stage, task, "black_picture")).attempts <= 3
        for task in good:
            await done(stage, task)
        assert (await stage.health())["status"] in ("ready", "busy")


async def test_a_restart_of_the_service_forgets_no_black_picture(tmp_path: Path) -> None:
    settings = unruled(tmp_path / "workflows")
    async with ComfyUISimulator() as comfyui:
        async with simulated(tmp_path / "data", comfyui, drain_seconds=0.1, **settings) as stage:
            task = await bad(stage, UNRULED, **BAD)
            await until(lambda: any(run.ended for run in runs_of(comfyui, task)))
        async with simulated(tmp_path / "data", comfyui, **settings) as stage:
            ended = await failed(stage, task, "black_picture")
            assert ended.attempts <= 3
            assert len(runs_of(comfyui, task)) <= 3
            await stage.done(ANGLE)


async def test_what_is_known_to_be_undefined_is_refused_at_submit(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        with pytest.raises(ApiError) as refused:
            await bad(stage, **BAD)
        problem = refused.value.problem
        assert (problem.status, problem.field) == (422, "steps")
        assert "kl_optimal" in problem.detail
        assert "2 or more" in str(problem.fix)
        await stage.done(EDIT, **{**BAD, "steps": 2})


# --- Other failures -----------------------------------------------------------------------


async def test_a_graph_that_always_crashes_fails_by_itself(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.crash_words = "a crowd"
        comfyui.failures.crash = Crash(message="mat1 and mat2 cannot be multiplied\nat /opt/x.py")
        tasks = [await bad(stage, prompt="a crowd") for _ in range(3)]
        other = await stage.submit(ANGLE)
        for task in tasks:
            ended = await failed(stage, task, "engine_failed")
            assert ended.error is not None
            assert ended.error.message == (
                "ComfyUI failed with RuntimeError in node 'sampler' (KSampler): "
                "mat1 and mat2 cannot be multiplied"
            )
            assert "scheduler (beta)" in str(ended.error.fix)
            assert ended.attempts == 1
        await done(stage, other)


async def test_a_task_that_always_runs_out_of_memory_fails_by_itself(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.out_of_memory_words = "a crowd"
        tasks = [await bad(stage, prompt="a crowd") for _ in range(2)]
        other = await stage.submit(ANGLE)
        for task in tasks:
            ended = await failed(stage, task, "engine_failed")
            assert ended.error is not None
            assert "out of memory" in ended.error.message
            assert "fewer or smaller pictures" in str(ended.error.fix)
            assert ended.attempts == 2
        await done(stage, other)


async def test_an_engine_that_fails_everybody_is_to_blame_itself(tmp_path: Path) -> None:
    """A CUDA context that is lost fails all that comes after it."""
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.crash = Crash(message="CUDA error: an illegal memory access")
        comfyui.failures.execution_error = True
        tasks = [await stage.submit(kind) for kind in (ANGLE, EDIT)]
        health = await stage.until("unhealthy")
        assert "CUDA error" in health["reason"]
        comfyui.failures.execution_error = False
        await comfyui.restart()
        for task in tasks:
            assert (await stage.ended(task)).status == "completed"


# --- Tasks that break the device ----------------------------------------------------------


@contextlib.asynccontextmanager
async def restarted_by_a_person(
    comfyui: ComfyUISimulator, stage: ComfyUIStage
) -> AsyncIterator[list[float]]:
    """Meanwhile, whenever the service says that only that helps; when it was."""
    restarts: list[float] = []

    async def watch() -> None:
        while True:
            if (await stage.health())["status"] == "unhealthy":
                restarts.append(time.monotonic())
                await comfyui.restart()
                await stage.until("ready", "busy", "starting")
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield restarts
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.parametrize("warm_up", [True, False])
async def test_a_task_that_breaks_the_device_does_it_twice_and_charges_nobody_else(
    tmp_path: Path, warm_up: bool
) -> None:
    """A device-side assert: all that comes after it fails as well, until ComfyUI is restarted."""
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui, comfyui_warm_up=warm_up) as stage,
    ):
        comfyui.failures.crash_words, comfyui.failures.crash_lasts = "a crowd", True
        comfyui.failures.crash = Crash(message="CUDA error: device-side assert triggered")
        task = await bad(stage, prompt="a crowd")
        others = [await stage.submit(kind, steps=1) for kind in (EDIT, ANGLE, EDIT, ANGLE)]
        async with restarted_by_a_person(comfyui, stage) as restarts:
            ended = await failed(stage, task, "engine_failed", within=2)
            assert ended.error is not None
            assert "device-side assert" in ended.error.message
            assert "steps" in str(ended.error.fix)
            for other in others:
                await unharmed(stage, other)
            await until(lambda: len(restarts) == 2)
            await stage.until("ready", "busy")
        assert len(restarts) == len(runs_of(comfyui, task)) == 2


# --- Tasks that take the server with them -------------------------------------------------


@contextlib.asynccontextmanager
async def deadly(
    comfyui: ComfyUISimulator, task: Accepted, *, after: float
) -> AsyncIterator[list[str]]:
    """Meanwhile the server dies whenever this task has run for so many seconds; of which prompts
    it has died."""
    deaths: list[str] = []

    async def watch() -> None:
        while True:
            runs = [run for run in runs_of(comfyui, task) if run.ended is None]
            if runs and time.monotonic() >= runs[0].started + after:
                deaths.append(runs[0].prompt_id)
                await comfyui.restart()
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield deaths
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_task_that_kills_the_server_fails_and_nobody_else_is_charged(
    tmp_path: Path,
) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.3) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        task = await stage.submit(EDIT)
        async with deadly(comfyui, task, after=0.4) as deaths:
            others = [await stage.submit(ANGLE, steps=1) for _ in range(4)]
            ended = await failed(stage, task, "engine_interrupted")
            assert ended.error is not None
            assert f"each of the {MAX_ATTEMPTS} times" in ended.error.message
            assert "memory" in str(ended.error.fix)
            assert len(deaths) == ended.attempts == MAX_ATTEMPTS
            for other in others:
                await unharmed(stage, other)


async def test_it_is_found_out_though_nobody_sees_what_begins(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.3) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        comfyui.failures.silent_socket = True
        others = [await stage.submit(ANGLE, steps=1) for _ in range(2)]
        task = await stage.submit(EDIT)
        async with deadly(comfyui, task, after=0.0) as deaths:
            others += [await stage.submit(ANGLE, steps=1) for _ in range(2)]
            await failed(stage, task, "engine_interrupted", within=MAX_ATTEMPTS + 1)
            assert len(deaths) <= MAX_ATTEMPTS + 1  # the first in company, the others alone
            for other in others:
                await unharmed(stage, other)
