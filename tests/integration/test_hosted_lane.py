"""The GPU lane on a hosted ComfyUI: what it costs, whom it tells what, and all that goes wrong."""

import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from short_drama.comfyui_api.hosted import answers, submissions
from short_drama.comfyui_api.hosted.client import ComfyAPI
from short_drama.comfyui_api.hosted.engine import HostedEngine
from short_drama.comfyui_api.hosted.following import HostedTimes
from short_drama.comfyui_api.hosted.notes import Notes
from short_drama.domain.errors import EngineStarting
from tests.emulators.comfy_proxy import comfy_proxy
from tests.emulators.server import free_ports
from tests.integration.comfyui_stage import ANGLE, EDIT, ComfyUIStage, comfyui_stage, until
from tests.integration.test_comfyui_kinds import kinds, told
from tests.protocol.memory import MemoryAssets
from tests.samples import PNG_SIZE
from tests.simulators.comfy_api import KEY, ComfyAPISimulator
from tests.simulators.comfyui import ComfyUISimulator

SIMULATED: dict[str, Any] = {"comfyui_url": None, "comfy_v2_key": KEY}


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ACCOUNT_SECONDS", 0.2)
    monkeypatch.setattr(submissions, "_AGAIN", (0.05, 0.1, 0.2))


@pytest.fixture
async def cloud() -> AsyncIterator[ComfyAPISimulator]:
    async with ComfyAPISimulator() as simulator:
        yield simulator


@contextlib.asynccontextmanager
async def on(
    cloud: ComfyAPISimulator, folder: Path, **settings: Any
) -> AsyncIterator[ComfyUIStage]:
    given = SIMULATED | {"comfy_v2_url": cloud.url} | settings
    async with comfyui_stage(folder, cloud.url, **given) as stage:
        await stage.until("ready")
        yield stage


@contextlib.asynccontextmanager
async def behind(
    proxy: str, comfyui: ComfyUISimulator, folder: Path, **settings: Any
) -> AsyncIterator[ComfyUIStage]:
    given = {"comfyui_url": None, "comfy_v2_url": proxy} | settings
    async with comfyui_stage(folder, comfyui.url, **given) as stage:
        await stage.until("ready")
        yield stage


# --- What is done -------------------------------------------------------------------------


async def test_a_task_is_done_and_its_record_says_where(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    async with on(cloud, tmp_path) as stage:
        task = await stage.done(ANGLE, horizontal=1)
        assert task.engine == "comfy-api-v2"
        assert task.provenance is not None
        assert task.provenance["hosted_job_id"] == cloud.jobs[0].id
        assert task.provenance["queue_ms"] == 150
        assert task.timings.engine_seconds == 0.15
        assert Image.open(io.BytesIO(await stage.result(task))).size == PNG_SIZE


async def test_the_key_goes_to_no_other_host(tmp_path: Path, cloud: ComfyAPISimulator) -> None:
    async with on(cloud, tmp_path) as stage:
        await stage.done()
    assert cloud.told_to_files == [None]


async def test_known_bytes_are_not_sent_again(tmp_path: Path, cloud: ComfyAPISimulator) -> None:
    async with on(cloud, tmp_path) as stage:
        await stage.done(ANGLE)
        await stage.done(EDIT)
    assert len(cloud.jobs) == 2
    assert len(cloud.uploads) == 1


async def test_as_many_jobs_as_the_setting_says_are_there_at_once(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    cloud.seconds = 1.5
    async with on(cloud, tmp_path, comfy_v2_in_flight=3) as stage:
        tasks = [await stage.submit() for _ in range(4)]
        await until(lambda: len(cloud.jobs) == 3)
        assert [job.status for job in cloud.jobs] == ["queued"] * 3
        for task in tasks:
            assert (await stage.ended(task)).status == "completed"
    assert cloud.jobs[3].began >= min(job.began for job in cloud.jobs[:3]) + cloud.seconds


async def test_a_stream_that_ends_early_is_no_ending(tmp_path: Path) -> None:
    async with ComfyAPISimulator(streams=True) as cloud, on(cloud, tmp_path) as stage:
        await stage.done()
        assert len(cloud.jobs) == 1


async def test_a_cancel_stops_the_job(tmp_path: Path, cloud: ComfyAPISimulator) -> None:
    cloud.seconds = 20.0
    async with on(cloud, tmp_path) as stage:
        task = await stage.submit()
        await until(lambda: cloud.jobs)
        await stage.client.cancel(task.task_id)
        await until(lambda: cloud.jobs[0].cancelled)


# --- Whom it stops ------------------------------------------------------------------------


async def test_a_wrong_key_stops_the_lane_until_it_is_right(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    cloud.key = "another"
    given = SIMULATED | {"comfy_v2_url": cloud.url}
    async with comfyui_stage(tmp_path, cloud.url, **given) as stage:
        health = await stage.until("unhealthy")
        assert "key" in health["reason"]
        assert "SHORT_DRAMA_COMFY_V2_KEY" in health["fix"]
        cloud.key = KEY
        await told(stage, ANGLE, ready=True)
        await stage.done()


@pytest.mark.parametrize(
    "refusal",
    [(402, "insufficient_credits"), (429, "queue_full"), (429, "deployment_not_ready")],
)
async def test_who_is_told_to_wait_waits_at_no_charge(
    tmp_path: Path, cloud: ComfyAPISimulator, refusal: tuple[int, str]
) -> None:
    cloud.failures.refuse_submits, cloud.failures.refusal = 2, refusal
    async with on(cloud, tmp_path) as stage:
        await stage.done()
    assert len(cloud.jobs) == 1
    assert len(set(cloud.keys)) == 1  # a refusal leaves the key as it was


async def test_a_server_that_fails_is_waited_for(tmp_path: Path, cloud: ComfyAPISimulator) -> None:
    cloud.seconds = 1.5
    async with on(cloud, tmp_path) as stage:
        task = await stage.submit()
        await until(lambda: cloud.jobs)
        cloud.failures.status = 503
        await until(lambda: cloud.jobs[0].status == "succeeded")
        cloud.failures.status = 0
        assert (await stage.ended(task)).attempts == 1
    assert len(cloud.jobs) == 1


async def test_an_outage_is_noticed_without_any_job(cloud: ComfyAPISimulator) -> None:
    times = HostedTimes(watch=0.05, recheck=0.05)
    async with (
        ComfyAPI(cloud.url, key=KEY) as api,
        HostedEngine(api, Notes(MemoryAssets()), times) as engine,
    ):
        await engine.usable()
        cloud.failures.status = 503
        await until(lambda: refuses(engine))
        cloud.failures.status = 0
        await engine.usable()


def refuses(engine: HostedEngine) -> bool:
    try:
        engine.check()
    except EngineStarting:
        return True
    return False


# --- Never twice --------------------------------------------------------------------------


async def test_a_submit_without_an_answer_is_never_made_under_another_key(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    cloud.failures.lost_answers = 1
    async with on(cloud, tmp_path) as stage:
        task = await stage.ended(await stage.submit())
        assert task.status == "failed"
        assert task.error is not None
        assert task.error.code == "charge_unknown"
        assert "submit the task anew" in (task.error.fix or "")
    assert len(cloud.jobs) == 1
    assert len(set(cloud.keys)) == 1


async def test_the_next_service_takes_on_what_runs(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    cloud.seconds = 3.0
    async with on(cloud, tmp_path, drain_seconds=0.1) as stage:
        task = await stage.submit()
        await until(lambda: cloud.jobs)
    async with on(cloud, tmp_path) as stage:
        assert (await stage.ended(task)).status == "completed"
    assert len(cloud.jobs) == 1


async def test_a_job_that_was_lost_runs_again_as_another(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    cloud.failures.expire_jobs = 1
    async with on(cloud, tmp_path) as stage:
        await stage.done()
    assert len(cloud.jobs) == len(set(cloud.keys)) == 2


async def test_an_input_that_the_server_forgot_is_sent_again(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    async with on(cloud, tmp_path) as stage:
        await stage.done()
        cloud.failures.stale_assets = 1
        assert (await stage.done()).attempts == 1
    assert len(cloud.uploads) == 2


# --- What fails ---------------------------------------------------------------------------


async def test_a_node_that_fails_is_named(tmp_path: Path, cloud: ComfyAPISimulator) -> None:
    cloud.failures.fail_jobs = 1
    cloud.failures.error = {
        "code": "node_execution_error",
        "message": "/srv/models is broken",
        "node_id": "sampler",
        "class_type": "KSampler",
    }
    async with on(cloud, tmp_path) as stage:
        task = await stage.ended(await stage.submit())
        assert task.error is not None
        assert task.error.code == "engine_failed"
        assert "'sampler' (KSampler)" in task.error.message
        assert "/srv" not in task.error.message
    assert len(cloud.jobs) == 1


async def test_memory_that_is_short_twice_is_the_tasks_own(
    tmp_path: Path, cloud: ComfyAPISimulator
) -> None:
    cloud.failures.fail_jobs = 2
    cloud.failures.error = {"message": "Allocation on device 0 failed (out of memory)"}
    async with on(cloud, tmp_path) as stage:
        task = await stage.ended(await stage.submit())
        assert task.error is not None
        assert "smaller" in (task.error.fix or "")
        assert (await stage.done()).status == "completed"
    assert len(cloud.jobs) == 3


async def test_a_black_picture_is_made_again(tmp_path: Path, cloud: ComfyAPISimulator) -> None:
    cloud.failures.black = 1
    async with on(cloud, tmp_path) as stage:
        await stage.done()
    assert len(cloud.jobs) == 2


# --- The proxy ----------------------------------------------------------------------------


async def samples(stage: ComfyUIStage, task_id: str) -> None:
    """Until the task's sampler is at work."""
    async for view in stage.client.follow(task_id):
        if view.stage == "running" and (view.progress or 0) > 0.05:
            return


async def test_a_cancel_reaches_the_comfyui_behind(tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    async with ComfyUISimulator(step_seconds=2.0, version="0.33.0") as comfyui:
        with comfy_proxy(tmp_path / "proxy", comfyui.url) as proxy:
            async with behind(proxy, comfyui, tmp_path) as stage:
                task = await stage.submit()
                await until(lambda: comfyui.runs)
                await stage.client.cancel(task.task_id)
                await until(lambda: comfyui.runs[0].ending)
        assert comfyui.runs[0].ending == "interrupted"


async def test_a_proxy_that_is_restarted_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    [port] = free_ports(1)
    async with ComfyUISimulator(step_seconds=0.2) as comfyui:
        with contextlib.ExitStack() as started:
            proxy = started.enter_context(comfy_proxy(tmp_path / "proxy", comfyui.url, port=port))
            async with behind(proxy, comfyui, tmp_path, progress_seconds=0.1) as stage:
                task = await stage.submit()
                await samples(stage, task.task_id)
                started.close()
                started.enter_context(comfy_proxy(tmp_path / "proxy", comfyui.url, port=port))
                assert (await stage.ended(task)).status == "completed"
        assert len(comfyui.runs) == 1


async def test_a_prompt_that_comfyui_may_have_is_not_given_to_it_again(tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    async with ComfyUISimulator() as comfyui:
        with comfy_proxy(tmp_path / "proxy", comfyui.url) as proxy:
            async with behind(proxy, comfyui, tmp_path) as stage:
                comfyui.failures.lost_prompt_reply = 1
                task = await stage.ended(await stage.submit())
                assert task.error is not None
                assert task.error.code == "charge_unknown"
        assert len(comfyui.runs) == 1


async def test_a_model_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    missing = {"comfyui_models": {"vae": "no-such-vae.safetensors"}}
    async with ComfyUISimulator() as comfyui:
        with comfy_proxy(tmp_path / "proxy", comfyui.url, token="secret") as proxy:  # noqa: S106
            async with behind(proxy, comfyui, tmp_path, comfy_v2_key="secret", **missing) as stage:
                task = await stage.submit()
                await told(stage, ANGLE, ready=False)
                view = (await kinds(stage))[ANGLE]
                assert (view["ready"], view["code"]) == (False, "engine_not_ready")
                assert "no-such-vae.safetensors" in view["reason"]
                assert (await stage.client.get(task.task_id)).status == "pending"
