"""What the server says of itself, and how long it takes."""

import pytest

from tests.integration.comfyui_simulator.caller import Caller
from tests.integration.comfyui_simulator.graphs import camera_angle, image_edit, png
from tests.simulators.comfyui import ComfyUISimulator


async def test_the_server_says_what_it_is(caller: Caller) -> None:
    _, stats = await caller.ask("GET", "/system_stats")
    assert stats["system"]["comfyui_version"] == "0.3.75"
    assert {"vram_total", "vram_free", "torch_vram_total"} <= stats["devices"][0].keys()
    features = {"supports_preview_metadata": True, "max_upload_size": 104857600}
    assert await caller.ask("GET", "/features") == (200, features)
    models = await caller.ask("GET", "/models/diffusion_models")
    assert models == (200, ["qwen_image_edit_2509_fp8_e4m3fn.safetensors"])
    assert await caller.ask("GET", "/models/nope") == (404, b"")
    assert await caller.ask("GET", "/object_info/Nope") == (200, {})
    _, everything = await caller.ask("GET", "/object_info")
    assert len(everything) == 28
    assert everything["UNETLoader"] == {
        "input": {
            "required": {
                "unet_name": [["qwen_image_edit_2509_fp8_e4m3fn.safetensors"]],
                "weight_dtype": [["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]],
            }
        },
        "input_order": {"required": ["unet_name", "weight_dtype"]},
        "output": ["MODEL"],
        "output_is_list": [False],
        "output_name": ["MODEL"],
        "name": "UNETLoader",
        "display_name": "Load Diffusion Model",
        "description": "",
        "python_module": "nodes",
        "category": "advanced/loaders",
        "output_node": False,
    }


# Time


async def test_queued_prompts_run_one_behind_another() -> None:
    async with ComfyUISimulator(step_seconds=0.05) as comfyui, Caller(comfyui.url) as me:
        await me.upload(png())
        for number in range(5):
            await me.submit(image_edit(seed=number), str(number))
        await me.ended("4")
        assert len(comfyui.idle_gaps()) == 4
        assert min(comfyui.idle_gaps()) < 0.05  # about 0.001 on a machine that does nothing else
        lengths = [run.ended - run.started for run in comfyui.runs if run.ended is not None]
        assert min(lengths) >= 4 * 0.05
        assert min(lengths) < 2 * 4 * 0.05


@pytest.mark.parametrize(("cache_lru", "loads"), [(False, [1, 0, 1, 1]), (True, [1, 0, 1, 0])])
async def test_models_are_loaded_when_they_are_not(cache_lru: bool, loads: list[int]) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.0, swap_seconds=0.3, cache_lru=cache_lru) as comfyui,
        Caller(comfyui.url) as me,
    ):
        await me.upload(png())
        for number, graph in enumerate(
            [camera_angle(), camera_angle(seed=2), image_edit(), camera_angle(seed=3)]
        ):
            await me.run(graph, str(number))
        took = [run.ended - run.started for run in comfyui.runs if run.ended and run.loaded]
    assert [int(run.loaded) for run in comfyui.runs] == loads
    assert min(took) >= 0.3


async def test_running_out_of_memory_unloads_the_models() -> None:
    async with (
        ComfyUISimulator(step_seconds=0.0, swap_seconds=0.3) as comfyui,
        Caller(comfyui.url) as me,
    ):
        await me.upload(png())
        await me.run(camera_angle(), "one")
        comfyui.failures.out_of_memory = 1
        await me.run(camera_angle(seed=2), "two")
        await me.run(camera_angle(seed=3), "three")
    assert [int(run.loaded) for run in comfyui.runs] == [1, 0, 1]
