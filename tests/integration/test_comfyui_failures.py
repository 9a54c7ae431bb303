"""Everything ComfyUI has been seen to do wrong: each task ends right, and runs no more often than
it has attempts."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from short_drama.comfyui_api import workflows
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.workflows.library import library
from short_drama.domain.attempts import job_id_for
from short_drama.domain.errors import Unavailable
from short_drama.images.structure import PNG
from short_drama.sdk.models import TaskView
from tests.integration.comfyui_stage import (
    ANGLE,
    EDIT,
    ComfyUIStage,
    comfyui_stage,
    simulated,
    until,
)
from tests.samples import png
from tests.simulators.comfyui import ComfyUISimulator, Crash, Run


def runs_of(comfyui: ComfyUISimulator, *tasks: TaskView) -> list[Run]:
    """The tasks' runs, none of which are of an attempt that there was not; the service may have
    run prompts of its own beside them."""
    prompts = {
        job_id_for(task.task_id, attempt)
        for task in tasks
        for attempt in range(1, task.attempts + 1)
    }
    found = [run for run in comfyui.runs if run.prompt_id in prompts]
    assert len({run.prompt_id for run in found}) == len(found), found
    return found


async def all_done(stage: ComfyUIStage, count: int, **changes: object) -> Sequence[TaskView]:
    kinds = [(ANGLE, EDIT)[number % 2] for number in range(count)]
    tasks = [await stage.submit(kind, **changes) for kind in kinds]
    ended = await asyncio.gather(*(stage.ended(task) for task in tasks))
    assert [task.status for task in ended] == ["completed"] * count, [one.error for one in ended]
    return ended


# --- The socket ---------------------------------------------------------------------------


async def test_a_socket_that_breaks_costs_nothing(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.05) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        comfyui.failures.drop_socket = True
        ended = await all_done(stage, 4)
        assert [task.attempts for task in ended] == [1] * 4
        assert len(comfyui.runs) == 4


async def test_a_silent_socket_costs_seconds_at_most(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.silent_socket = True
        ended = await all_done(stage, 2)
        assert [task.attempts for task in ended] == [1, 1]
        assert len(comfyui.runs) == 2
        assert all((task.timings.overhead_seconds or 0) < 6 for task in ended)


# --- Endings ------------------------------------------------------------------------------


async def test_a_late_history_is_waited_for(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.late_history = 0.3
        (task,) = await all_done(stage, 1)
        assert (task.attempts, len(comfyui.runs)) == (1, 1)


async def test_a_cached_run_that_names_no_file_is_run_anew(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.cached_no_outputs = 1
        (task,) = await all_done(stage, 1)
        assert task.attempts <= 2
        runs_of(comfyui, task)


async def test_a_file_that_is_gone_is_made_again(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.missing_file = 1
        (task,) = await all_done(stage, 1)
        assert task.attempts == 2
        runs_of(comfyui, task)


async def test_a_download_that_breaks_off_is_repeated(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.truncated_view = 2
        (task,) = await all_done(stage, 1)
        assert (task.attempts, len(comfyui.runs)) == (1, 1)


# --- Failures of the work -----------------------------------------------------------------


async def test_running_out_of_memory_once_is_an_accident(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.out_of_memory = 1
        (task,) = await all_done(stage, 1)
        assert (task.attempts, len(comfyui.runs)) == (2, 2)


async def test_running_out_of_memory_twice_fails_with_advice(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.out_of_memory_words = "a crowd"
        task = await stage.ended(await stage.submit(prompt="a crowd"))
        assert task.error is not None
        assert (task.status, task.error.code) == ("failed", "engine_failed")
        assert "ran out of memory in node 'sampler' (KSampler)" in task.error.message
        assert "smaller" in str(task.error.fix)
        assert (task.attempts, len(runs_of(comfyui, task))) == (2, 2)
        await stage.done()


async def test_a_failing_node_is_named_and_no_path_of_the_server(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.crash = Crash("VAEDecode", "ValueError", "bad file /opt/comfyui/secret")
        comfyui.failures.execution_error = True
        task = await stage.ended(await stage.submit())
        assert task.error is not None
        assert task.error.message == (
            "ComfyUI failed with ValueError in node 'decode' (VAEDecode): bad file (a path)"
        )
        assert (task.status, task.attempts, len(comfyui.runs)) == ("failed", 1, 1)


async def test_a_black_picture_is_made_again(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.black_image = 1
        (task,) = await all_done(stage, 1)
        assert (task.attempts, len(comfyui.runs)) == (2, 2)
        assert (await stage.health())["status"] == "ready"


async def test_an_engine_that_makes_only_black_pictures_gets_no_more_work(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.black_image = True
        first = await stage.submit()
        health = await stage.until("unhealthy")
        assert "black" in health["reason"]
        ran = len(comfyui.runs)
        second = await stage.submit()
        await asyncio.sleep(1)
        assert len(comfyui.runs) == ran
        comfyui.failures.black_image = False
        await comfyui.restart()
        ended = [await stage.ended(task) for task in (first, second)]
        assert [task.status for task in ended] == ["completed", "completed"]
        runs_of(comfyui, *ended)


# --- A server that does not answer, or is gone --------------------------------------------


async def test_a_prompt_whose_answer_was_lost_runs_once(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.lost_prompt_reply = 1
        (task,) = await all_done(stage, 1)
        assert (task.attempts, len(comfyui.runs)) == (1, 1)


async def test_tasks_wait_for_a_server_that_refuses(tmp_path: Path) -> None:
    async with ComfyUISimulator() as comfyui, simulated(tmp_path, comfyui) as stage:
        comfyui.failures.refuse = 503
        tasks = [await stage.submit() for _ in range(3)]
        await asyncio.sleep(2)
        comfyui.failures.refuse = 0
        ended = [await stage.ended(task) for task in tasks]
        assert [task.status for task in ended] == ["completed"] * 3
        assert len(comfyui.runs) == 3


async def test_a_restart_in_the_middle_of_a_job(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        tasks = [await stage.submit(steps=8) for _ in range(3)]
        await until(lambda: comfyui.runs)
        await comfyui.restart()
        ended = [await stage.ended(task) for task in tasks]
        assert [task.status for task in ended] == ["completed"] * 3, [t.error for t in ended]
        runs_of(comfyui, *ended)
        assert len(comfyui.runs) == 4  # only what had begun has begun again


async def test_a_restart_that_takes_a_while(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        tasks = [await stage.submit(steps=5) for _ in range(3)]
        await until(lambda: comfyui.runs)
        await comfyui.stop()
        await asyncio.sleep(3)
        await comfyui.start()
        ended = [await stage.ended(task) for task in tasks]
        assert [task.status for task in ended] == ["completed"] * 3, [t.error for t in ended]
        runs_of(comfyui, *ended)


async def test_a_finished_job_is_never_run_again_by_the_next_service(tmp_path: Path) -> None:
    async with ComfyUISimulator(step_seconds=0.15) as comfyui:
        async with simulated(tmp_path, comfyui, drain_seconds=0.1) as stage:
            tasks = [await stage.submit(steps=6) for _ in range(2)]
            await until(lambda: comfyui.runs)
        async with simulated(tmp_path, comfyui) as stage:
            ended = [await stage.ended(task) for task in tasks]
            assert [task.status for task in ended] == ["completed"] * 2
            assert [run.ending for run in comfyui.runs] == ["success"] * 2


# --- A server that is stuck ---------------------------------------------------------------


def restart_command(folder: Path) -> dict[str, Any]:
    """Settings of an engine whose restart command leaves a file, for a test to see and obey."""
    script = folder / "restart.py"
    script.write_text(f"open({str(folder / 'asked')!r}, 'a').write('.')")
    return {
        "comfyui_stuck_seconds": 1.5,
        "comfyui_restart_command": f"{sys.executable} {script}",
    }


@pytest.mark.parametrize("switch", ["stuck", "zombie"])
async def test_a_stuck_server_is_restarted_and_its_tasks_are_done(
    tmp_path: Path, switch: str
) -> None:
    settings = restart_command(tmp_path)
    async with (
        ComfyUISimulator(step_seconds=0.05) as comfyui,
        simulated(tmp_path / "data", comfyui, **settings) as stage,
    ):
        setattr(comfyui.failures, switch, True)
        tasks = [await stage.submit() for _ in range(2)]
        await until((tmp_path / "asked").exists)
        setattr(comfyui.failures, switch, False)
        await comfyui.restart()
        ended = [await stage.ended(task) for task in tasks]
        assert [task.status for task in ended] == ["completed"] * 2, [t.error for t in ended]
        runs_of(comfyui, *ended)
        assert (tmp_path / "asked").read_text() == "."


async def test_without_a_command_a_stuck_server_waits_for_a_person(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator() as comfyui,
        simulated(tmp_path, comfyui, comfyui_stuck_seconds=1.0) as stage,
    ):
        comfyui.failures.zombie = True
        task = await stage.submit()
        health = await stage.until("unhealthy")
        assert "no progress for 1 seconds" in health["reason"]
        assert "Restart ComfyUI" in health["fix"]
        comfyui.failures.zombie = False
        await comfyui.restart()
        assert (await stage.ended(task)).status == "completed"


# --- Several things at once ---------------------------------------------------------------


async def test_a_cancel_is_insisted_on(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        task = await stage.submit(steps=40)
        await until(lambda: comfyui.runs)
        comfyui.failures.refuse = 503
        await stage.client.cancel(task.task_id)
        await asyncio.sleep(0.5)
        comfyui.failures.refuse = 0
        await until(lambda: comfyui.runs[0].ended is not None)
        assert comfyui.runs[0].ending == "interrupted"


async def test_what_a_service_has_taken_on_is_stopped_with_its_task(tmp_path: Path) -> None:
    async with ComfyUISimulator(step_seconds=0.5) as comfyui:
        async with simulated(tmp_path, comfyui, drain_seconds=0.1) as stage:
            tasks = [await stage.submit(steps=40) for _ in range(3)]
            await until(lambda: comfyui.runs)
        async with simulated(tmp_path, comfyui, gpu_lookahead=3) as stage:
            await asyncio.sleep(1)
            for task in tasks:
                await stage.client.cancel(task.task_id)
            await until(lambda: all(run.ended is not None for run in comfyui.runs))
            await asyncio.sleep(0.5)
            assert {run.ending for run in comfyui.runs} == {"interrupted"}


async def test_one_accident_is_not_counted_twice(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.05) as comfyui,
        simulated(tmp_path, comfyui) as stage,
    ):
        comfyui.failures.black_image = 2
        ended = await all_done(stage, 2)
        assert (await stage.health())["status"] == "ready"
        runs_of(comfyui, *ended)


async def test_a_broken_socket_makes_no_ill_engine_well(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator() as comfyui,
        simulated(tmp_path, comfyui, drain_seconds=0.1) as stage,
    ):
        comfyui.failures.black_image = True
        await stage.submit()
        await stage.until("unhealthy")
        ran = len(comfyui.runs)
        comfyui.drop_sockets()
        await asyncio.sleep(3)
        assert len(comfyui.runs) == ran
        assert (await stage.health())["status"] == "unhealthy"


async def test_what_runs_for_somebody_else_is_waited_for(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1) as comfyui,
        simulated(tmp_path, comfyui, comfyui_stuck_seconds=0.8) as stage,
    ):
        graph = library(None, {})[ANGLE].build(
            {"prompt": "somebody else's", "steps": 30},
            images={"image_url": "theirs.png [temp]"},
            prefix="theirs",
        )
        async with ComfyUI(comfyui.url, client_id="somebody else") as theirs:
            name = await theirs.upload(png(), folder="", name="theirs.png", content_type=PNG)
            assert name == "theirs.png [temp]"
            await theirs.submit(graph, prompt_id="theirs")
            (task,) = await all_done(stage, 1)
        assert task.attempts == 1
        assert [run.ending for run in comfyui.runs] == ["success", "success"]


async def test_an_engine_that_is_stuck_when_it_warms_up_is_restarted(tmp_path: Path) -> None:
    settings = restart_command(tmp_path) | {"comfyui_warm_up": True}
    async with ComfyUISimulator() as comfyui:
        comfyui.failures.zombie = True
        async with comfyui_stage(tmp_path / "data", comfyui.url, **settings) as stage:
            await until((tmp_path / "asked").exists)
            comfyui.failures.zombie = False
            await comfyui.restart()
            await stage.until("ready")


async def test_an_operators_workflow_that_cannot_run_takes_down_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    ours = Path(workflows.__file__).parent / "sets" / "2509-fp8"
    for suffix in ("-api.json", ".toml"):
        text = (ours / f"{EDIT}{suffix}").read_text()
        (folder / f"extra{suffix}").write_text(text.replace("Qwen-Rapid-AIO-NSFW-v11", "none"))
    async with (
        ComfyUISimulator() as comfyui,
        simulated(tmp_path / "data", comfyui, workflows_dir=folder) as stage,
    ):
        await stage.done()
        told = (await stage.health())["kinds"]
        assert "none.safetensors" in told["extra"]["reason"]
        assert all(view["ready"] for kind, view in told.items() if kind != "extra")


@pytest.mark.parametrize("body", ["", "<html>Bad gateway</html>", "[]", "{}"])
async def test_a_page_is_no_answer(body: str) -> None:
    """As of a proxy: it must not mean that there is no such prompt."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(application)
    await server.start_server()
    async with server, ComfyUI(str(server.make_url("")), client_id="c") as comfyui:
        with pytest.raises(Unavailable):
            await comfyui.queue()
        if body != "{}":  # which is what there is to say of an unknown prompt
            with pytest.raises(Unavailable):
                await comfyui.history("p")
