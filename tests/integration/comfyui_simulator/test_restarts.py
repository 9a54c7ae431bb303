"""What a restart costs, and a simulator in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.integration.comfyui_simulator.caller import Caller
from tests.integration.comfyui_simulator.graphs import camera_angle, empty, png
from tests.patience import SOON
from tests.simulators.comfyui import ComfyUISimulator


async def test_a_restart_loses_queue_history_and_temporary_files(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    await caller.upload(png(), "t.png", type="temp")
    await caller.run(empty(), "done")
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=1000), "run")
    await caller.submit(empty(1), "wait")
    await listener.until("progress")
    url = comfyui.url
    await comfyui.restart()
    async with asyncio.timeout(SOON):
        while not listener.socket.closed:
            await listener.next()
    assert comfyui.url == url
    assert await caller.ask("GET", "/queue") == (200, {"queue_running": [], "queue_pending": []})
    assert await caller.ask("GET", "/history") == (200, {})
    assert (await caller.ask("GET", "/view?filename=t.png&type=temp"))[0] == 404
    assert (await caller.ask("GET", "/view?filename=a.png&type=input"))[0] == 200
    assert [(run.prompt_id, run.ending) for run in comfyui.runs] == [
        ("done", "success"), ("run", "killed"),
    ]  # fmt: skip


async def start_process(
    folder: Path, port: int, *options: str
) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.simulators.comfyui", "--port", str(port),
        "--step-seconds", "0.01", "--folder", str(folder), "--run-log", str(folder / "runs.jsonl"),
        *options,
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3], env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(SOON):
        return process, (await process.stdout.readline()).decode().strip()


async def test_a_process_of_its_own_can_be_killed_stopped_and_started_again(
    tmp_path: Path,
) -> None:
    process, url = await start_process(tmp_path, 0)
    try:
        async with Caller(url) as me:
            await me.upload(png())
            listener = await me.listen()
            await me.submit(camera_angle(steps=10_000), "first")
            await listener.until("progress")
            process.kill()
            assert await process.wait() == -signal.SIGKILL
            process, again = await start_process(tmp_path, int(url.rpartition(":")[2]))
            assert again == url
            assert await me.history("first") is None
            await me.run(camera_angle(steps=1), "second")
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                await me.ask("GET", "/queue", timeout=aiohttp.ClientTimeout(total=0.2))
            process.send_signal(signal.SIGCONT)
            _, runs = await me.ask("GET", "/simulator/runs")
            assert [run["prompt_id"] for run in runs] == ["second"]
    finally:
        process.kill()
        await process.wait()
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [(line["event"], line["prompt_id"], line["ending"]) for line in lines] == [
        ("started", "first", None), ("started", "second", None), ("ended", "second", "success"),
    ]  # fmt: skip


async def test_a_process_is_whichever_server_is_asked_for(tmp_path: Path) -> None:
    options = ["--version", "0.33.0", "--card", "t4", "--pack", "gguf", "--prefix", "/gpu"]
    options += ["--model", "unet_gguf/small.gguf", "--without", "qwen_image_vae.safetensors"]
    process, url = await start_process(tmp_path, 0, *options, "--authorization", "Bearer key")
    try:
        assert url.endswith("/gpu")
        async with Caller(url, {"Authorization": "Bearer key"}) as me:
            _, stats = await me.ask("GET", "/system_stats")
            _, info = await me.ask("GET", "/object_info")
    finally:
        process.kill()
        await process.wait()
    assert stats["system"]["comfyui_version"] == "0.33.0"
    assert "T4" in stats["devices"][0]["name"]
    assert info["UnetLoaderGGUF"]["input"]["required"]["unet_name"] == [["small.gguf"]]
    assert info["VAELoader"]["input"]["required"]["vae_name"] == [["pixel_space"]]
