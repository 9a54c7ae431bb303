"""What cannot run is refused in the recorded words."""

from typing import Any

import pytest

from tests.integration.comfyui_simulator.caller import Caller
from tests.integration.comfyui_simulator.graphs import Json, camera_angle, model_free, node, png
from tests.simulators.comfyui import MODELS, ComfyUISimulator


def changed(node_id: str, **inputs: Any) -> Json:
    graph = model_free()
    graph[node_id]["inputs"] |= inputs
    return graph


def without(node_id: str, name: str) -> Json:
    graph = model_free()
    del graph[node_id]["inputs"][name]
    return graph


MEGAPIXELS = ["FLOAT", {"default": 1.0, "min": 0.01, "max": 16.0, "step": 0.01}]


@pytest.mark.parametrize(
    ("graph", "node_id", "error"),
    [
        (
            changed("1", image="nope.png"), "1",
            {
                "type": "custom_validation_failed",
                "message": "Custom validation failed for node",
                "details": "image - Invalid image file: nope.png",
                "extra_info": {"input_name": "image"},
            },
        ),
        (
            changed("2", megapixels=99), "2",
            {
                "type": "value_bigger_than_max",
                "message": "Value 99.0 bigger than max of 16.0",
                "details": "megapixels",
                "extra_info": {
                    "input_name": "megapixels", "input_config": MEGAPIXELS,
                    "received_value": 99.0,
                },
            },
        ),
        (
            changed("2", megapixels=0), "2",
            {
                "type": "value_smaller_than_min",
                "message": "Value 0.0 smaller than min of 0.01",
                "details": "megapixels",
                "extra_info": {
                    "input_name": "megapixels", "input_config": MEGAPIXELS,
                    "received_value": 0.0,
                },
            },
        ),
        (
            changed("2", megapixels="abc"), "2",
            {
                "type": "invalid_input_type",
                "message": "Failed to convert an input value to a FLOAT value",
                "details": "megapixels, abc, could not convert string to float: 'abc'",
                "extra_info": {
                    "input_name": "megapixels", "input_config": MEGAPIXELS,
                    "received_value": "abc",
                    "exception_message": "could not convert string to float: 'abc'",
                },
            },
        ),
        (
            without("2", "image"), "2",
            {
                "type": "required_input_missing",
                "message": "Required input is missing",
                "details": "image",
                "extra_info": {"input_name": "image"},
            },
        ),
        (
            changed("2", image=["1", 1]), "2",
            {
                "type": "return_type_mismatch",
                "message": "Return type mismatch between linked nodes",
                "details": "image, received_type(MASK) mismatch input_type(IMAGE)",
                "extra_info": {
                    "input_name": "image", "input_config": ["IMAGE", {}],
                    "received_type": "MASK", "linked_node": ["1", 1],
                },
            },
        ),
        (
            changed("2", image=["99", 0]), "2",
            {
                "type": "exception_during_inner_validation",
                "message": "Exception when validating inner node",
                "details": "'99'",
                "extra_info": {
                    "input_name": "image", "input_config": ["IMAGE", {}],
                    "exception_message": "'99'", "exception_type": "KeyError",
                    "linked_node": ["2", 0],
                },
            },
        ),
        (
            changed("2", image=["1", 7]), "2",
            {
                "type": "exception_during_inner_validation",
                "message": "Exception when validating inner node",
                "details": "tuple index out of range",
                "extra_info": {
                    "input_name": "image", "input_config": ["IMAGE", {}],
                    "exception_message": "tuple index out of range",
                    "exception_type": "IndexError", "linked_node": ["2", 0],
                },
            },
        ),
    ],
)  # fmt: skip
async def test_faulty_nodes_are_refused_in_the_recorded_words(
    caller: Caller, graph: Json, node_id: str, error: Json
) -> None:
    class_type = graph[node_id]["class_type"]
    status, answer = await caller.ask("POST", "/prompt", json={"prompt": graph})
    told = answer["node_errors"][node_id]
    told["errors"][0]["extra_info"].pop("traceback", None)
    assert status == 400
    assert told == {"errors": [error], "dependent_outputs": ["4"], "class_type": class_type}
    assert answer["node_errors"].keys() == {node_id}
    assert answer["error"] == {
        "type": "prompt_outputs_failed_validation",
        "message": "Prompt outputs failed validation",
        "details": "",
        "extra_info": {},
    }


@pytest.mark.parametrize(
    ("body", "kind", "message", "details"),
    [
        (
            {"prompt": {"3": node("NoSuchNode")}}, "invalid_prompt",
            "Cannot execute because node NoSuchNode does not exist.", "Node ID '#3'",
        ),
        (
            {"prompt": {"3": {"inputs": {}}}}, "invalid_prompt",
            "Cannot execute because a node is missing the class_type property.", "Node ID '#3'",
        ),
        ({"prompt": {}}, "prompt_no_outputs", "Prompt has no outputs", ""),
        ({"x": 1}, "no_prompt", "No prompt provided", "No prompt provided"),
        (
            {
                "prompt": {
                    "1": node("ImageInvert", image=["2", 0]),
                    "2": node("ImageInvert", image=["1", 0]),
                    "4": node("SaveImage", filename_prefix="q", images=["2", 0]),
                }
            },
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", "",
        ),
    ],
)  # fmt: skip
async def test_faulty_prompts_are_refused_in_the_recorded_words(
    caller: Caller, body: Json, kind: str, message: str, details: str
) -> None:
    error = {"type": kind, "message": message, "details": details, "extra_info": {}}
    answer = await caller.ask("POST", "/prompt", json=body)
    assert answer == (400, {"error": error, "node_errors": {}})


@pytest.mark.parametrize("data", ["{bad", '{"prompt": [1]}', '{"prompt": {}, "number": "abc"}'])
async def test_what_the_server_stumbles_over_is_a_500_in_plain_text(
    caller: Caller, data: str
) -> None:
    answer = await caller.ask("POST", "/prompt", data=data)
    assert answer == (500, b"500 Internal Server Error\n\nServer got itself in trouble")


async def test_a_missing_model_file_is_refused() -> None:
    async with ComfyUISimulator(models={**MODELS, "vae": []}) as comfyui, Caller(comfyui.url) as me:
        await me.upload(png())
        status, answer = await me.ask("POST", "/prompt", json={"prompt": camera_angle()})
        _, info = await me.ask("GET", "/object_info/VAELoader")
    (error,) = answer["node_errors"]["22"]["errors"]
    assert (status, error["type"]) == (400, "value_not_in_list")
    assert error["details"] == "vae_name: 'qwen_image_vae.safetensors' not in ['pixel_space']"
    assert error["extra_info"]["input_config"] == [["pixel_space"], {}]
    assert info["VAELoader"]["input"]["required"] == {"vae_name": [["pixel_space"]]}


async def test_a_bad_branch_is_told_and_the_good_one_runs(caller: Caller) -> None:
    graph = model_free() | {
        "11": node("LoadImage", image="nope.png"),
        "12": node("SaveImage", filename_prefix="bad", images=["11", 0]),
    }
    answer = await caller.submit(graph)
    assert answer["node_errors"]["11"]["dependent_outputs"] == ["12"]
    entry = await caller.ended()
    assert entry["outputs"].keys() == {"4"}


async def test_other_origins_are_refused(caller: Caller) -> None:
    status, _ = await caller.ask("GET", "/queue", headers={"Origin": "http://elsewhere"})
    assert status == 403
