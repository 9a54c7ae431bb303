"""What ComfyUI 0.33.0 does otherwise than 0.3.75, as recorded from it."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from tests.integration.comfyui_simulator.caller import PROMPT_ID, STEP, Caller
from tests.integration.comfyui_simulator.graphs import (
    Json,
    camera_angle,
    empty,
    model_free,
    node,
    png,
)
from tests.simulators.comfyui import ComfyUISimulator


@pytest.fixture
async def newer() -> AsyncIterator[ComfyUISimulator]:
    async with ComfyUISimulator(version="0.33.0", step_seconds=STEP) as simulator:
        yield simulator


@pytest.fixture
async def caller(newer: ComfyUISimulator) -> AsyncIterator[Caller]:
    async with Caller(newer.url) as caller:
        await caller.upload(png())
        yield caller


def stepped(graph: Json, scale: str) -> Json:
    graph[scale]["inputs"]["resolution_steps"] = 1
    return graph


# --- POST /prompt -------------------------------------------------------------------------


@pytest.mark.parametrize("prompt_id", ["not-a-uuid", "", 7, PROMPT_ID.upper(), UUID(PROMPT_ID).hex])
async def test_an_id_must_be_a_canonical_uuid(caller: Caller, prompt_id: object) -> None:
    body = {"prompt": empty(), "prompt_id": prompt_id}
    status, answer = await caller.ask("POST", "/prompt", json=body)
    assert status == 400
    assert answer == {
        "error": {
            "type": "invalid_prompt_id",
            "message": "prompt_id must be a valid UUID",
            "details": "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
            "omit it to let the server generate one",
            "extra_info": {},
        },
        "node_errors": {},
    }


async def test_without_an_id_the_server_has_its_own(caller: Caller) -> None:
    answer = await caller.submit(empty(), prompt_id=None)
    assert len(answer["prompt_id"]) == 36
    await caller.ended(answer["prompt_id"])


async def test_an_input_that_has_a_default_is_required_nevertheless(caller: Caller) -> None:
    status, answer = await caller.ask("POST", "/prompt", json={"prompt": camera_angle()})
    assert (status, answer["error"]["type"]) == (400, "prompt_outputs_failed_validation")
    assert answer["node_errors"] == {
        "39": {
            "errors": [
                {
                    "type": "required_input_missing",
                    "message": "Required input is missing",
                    "details": "resolution_steps",
                    "extra_info": {"input_name": "resolution_steps"},
                }
            ],
            "dependent_outputs": ["80"],
            "class_type": "ImageScaleToTotalPixels",
        }
    }
    await caller.run(stepped(camera_angle(), "39"))


async def test_choices_of_newer_nodes_are_checked(caller: Caller) -> None:
    graph = stepped(model_free(), "2")
    graph["2"]["inputs"]["upscale_method"] = "magic"
    status, answer = await caller.ask("POST", "/prompt", json={"prompt": graph})
    (error,) = answer["node_errors"]["2"]["errors"]
    assert (status, error["type"]) == (400, "value_not_in_list")
    assert error["details"].startswith("upscale_method: 'magic' not in ['nearest-exact', ")


async def test_a_cycle_is_named(caller: Caller) -> None:
    graph = {
        "1": node("ImageInvert", image=["2", 0]),
        "2": node("ImageInvert", image=["1", 0]),
        "4": node("SaveImage", filename_prefix="q", images=["2", 0]),
    }
    status, answer = await caller.ask("POST", "/prompt", json={"prompt": graph})
    assert (status, answer["node_errors"].keys()) == (400, {"1", "2"})
    (error,) = answer["node_errors"]["2"]["errors"]
    assert error == {
        "type": "dependency_cycle",
        "message": "Dependency cycle detected",
        "details": "2 (ImageInvert) -> 1 (ImageInvert) -> 2 (ImageInvert)",
        "extra_info": {"node_id": "2", "cycle_nodes": ["2", "1"]},
    }


@pytest.mark.parametrize(
    ("bad", "message", "title"),
    [
        (
            {**node("NoSuchNode"), "_meta": {"title": "Magic"}},
            "Node 'Magic' not found. The custom node may not be installed.",
            "Magic",
        ),
        (
            {"inputs": {}},
            (
                "Node 'ID #3' has no class_type. The workflow may be corrupted or a custom node is "
                "missing."
            ),
            None,
        ),
    ],
)
async def test_a_class_that_is_missing_has_an_error_of_its_own(
    caller: Caller, bad: Json, message: str, title: str | None
) -> None:
    status, answer = await caller.ask("POST", "/prompt", json={"prompt": {"3": bad}})
    assert (status, answer["node_errors"]) == (400, {})
    assert answer["error"] == {
        "type": "missing_node_type",
        "message": message,
        "details": "Node ID '#3'",
        "extra_info": {
            "node_id": "3", "class_type": bad.get("class_type"), "node_title": title,
        },
    }  # fmt: skip


# --- Runs ---------------------------------------------------------------------------------


async def test_nodes_run_in_the_recorded_order(caller: Caller) -> None:
    graph = {
        "image": node("LoadImage", image="a.png"),
        "scale": node(
            "ImageScaleToTotalPixels",
            image=["image", 0], upscale_method="lanczos", megapixels=1.0, resolution_steps=1,
        ),
        "checkpoint": node(
            "CheckpointLoaderSimple", ckpt_name="Qwen-Rapid-AIO-NSFW-v11.safetensors"
        ),
        "positive": node(
            "TextEncodeQwenImageEditPlus",
            clip=["checkpoint", 1], vae=["checkpoint", 2], image1=["image", 0], prompt="",
        ),
        "negative": node(
            "TextEncodeQwenImageEditPlus",
            clip=["checkpoint", 1], vae=["checkpoint", 2], prompt="",
        ),
        "latent": node("VAEEncode", pixels=["scale", 0], vae=["checkpoint", 2]),
        "sampler": node(
            "KSampler",
            model=["checkpoint", 0], positive=["positive", 0], negative=["negative", 0],
            latent_image=["latent", 0], seed=1, steps=4, cfg=1.0, sampler_name="sa_solver",
            scheduler="beta", denoise=1.0,
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["checkpoint", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="short-drama"),
    }  # fmt: skip
    listener = await caller.listen()
    await caller.submit(graph)
    await listener.until_over()
    executing = [one.split()[1] for one in listener.words() if one.startswith("executing")]
    assert executing == [
        "checkpoint", "image", "scale", "latent", "negative", "positive", "sampler", "decode",
        "save", "None",
    ]  # fmt: skip


async def test_a_cached_prompt_has_its_outputs_also_without_a_client(caller: Caller) -> None:
    first = await caller.run(empty(), str(uuid4()))
    again = str(uuid4())
    await caller.ask("POST", "/prompt", json={"prompt": empty(), "prompt_id": again})
    assert (await caller.ended(again))["outputs"] == first["outputs"]


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize(
    ("asked", "shown"), [(None, None), ("default", None), ("none", False), ("auto", True)]
)
async def test_a_prompt_says_whether_it_is_previewed(
    flag: bool, asked: str | None, shown: bool | None
) -> None:
    async with (
        ComfyUISimulator(version="0.33.0", previews=flag) as comfyui,
        Caller(comfyui.url) as caller,
    ):
        await caller.upload(png())
        listener = await caller.listen()
        graph = stepped(camera_angle(steps=1), "39")
        await caller.submit(graph, extra_data={"preview_method": asked})
        await listener.until_over()
    assert bool(listener.frames) is (flag if shown is None else shown)


async def test_save_image_advanced(caller: Caller) -> None:
    graph = empty()
    graph["2"] = node("SaveImageAdvanced", images=["1", 0], filename_prefix="x/y", format="png")
    status, answer = await caller.ask("POST", "/prompt", json={"prompt": graph})
    errors = answer["node_errors"]["2"]["errors"]
    assert (status, [error["details"] for error in errors]) == (
        400, ["bit_depth", "input_color_space"],
    )  # fmt: skip
    graph["2"]["inputs"] |= {"format.bit_depth": "8-bit", "format.input_color_space": "sRGB"}
    entry = await caller.run(graph)
    (image,) = entry["outputs"]["2"]["images"]
    assert image == {"filename": "y_00001.png", "subfolder": "x", "type": "output"}


async def test_a_picture_that_is_only_shown_is_temporary(caller: Caller) -> None:
    entry = await caller.run(empty() | {"2": node("PreviewImage", images=["1", 0])})
    (image,) = entry["outputs"]["2"]["images"]
    assert (image["type"], image["subfolder"]) == ("temp", "")
    assert (await caller.picture(entry)).size == (64, 64)


# --- What it says of itself ---------------------------------------------------------------


async def test_the_server_says_what_it_is(caller: Caller) -> None:
    _, stats = await caller.ask("GET", "/system_stats")
    assert stats["system"]["comfyui_version"] == "0.33.0"
    assert stats["system"]["deploy_environment"] == "local-git"
    features = {
        "supports_preview_metadata": True,
        "supports_model_type_tags": True,
        "max_upload_size": 104857600,
        "extension": {"manager": {"supports_v4": True}},
        "node_replacements": True,
        "assets": False,
    }
    assert await caller.ask("GET", "/features") == (200, features)


async def test_nodes_are_told_as_recorded(caller: Caller) -> None:
    _, told = await caller.ask("GET", "/object_info")
    assert "CameraAngle" not in told
    required = told["ImageScaleToTotalPixels"]["input"]["required"]
    assert required["resolution_steps"] == [
        "INT", {"advanced": True, "default": 1, "min": 1, "max": 256},
    ]  # fmt: skip
    assert told["SaveImage"]["output"] == ["IMAGE"]
    assert "exp_heun_2_x0" in told["KSampler"]["input"]["required"]["sampler_name"][0]
    assert told["CFGNorm"]["input"]["optional"] == {"pre_cfg": ["BOOLEAN", {"default": False}]}
    assert told["GetImageSize"]["input"]["hidden"] == {"unique_id": ["UNIQUE_ID"]}
