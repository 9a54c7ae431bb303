"""Why ComfyUI did not take a prompt, from bodies as it sends them."""

from typing import Any

import pytest

from short_drama.comfyui_api.server.refusals import PromptLost, read_refusal
from short_drama.domain.errors import EngineFailed, EngineNotReady, ShortDramaError

NO_DETAILS = {
    "type": "prompt_outputs_failed_validation",
    "message": "Prompt outputs failed validation",
    "details": "",
    "extra_info": {},
}


def refusal(kind: str, message: str, details: str, **extra: Any) -> dict[str, Any]:
    fault = {"type": kind, "message": message, "details": details, "extra_info": extra}
    node = {"errors": [fault], "dependent_outputs": ["save"], "class_type": "VAELoader"}
    return {"error": NO_DETAILS, "node_errors": {"vae": node}}


def test_a_missing_model_is_said_by_name_with_the_node() -> None:
    error = read_refusal(
        refusal(
            "value_not_in_list",
            "Value not in list",
            "vae_name: 'qwen_image_vae.safetensors' not in ['pixel_space']",
            input_name="vae_name",
            received_value="qwen_image_vae.safetensors",
        )
    )
    assert isinstance(error, EngineNotReady)
    assert "'qwen_image_vae.safetensors'" in error.detail
    assert "vae_name of node 'vae' (VAELoader)" in error.detail
    assert "SHORT_DRAMA_COMFYUI_MODELS" in str(error.fix)


def test_an_input_that_is_gone_was_lost_in_a_restart() -> None:
    told = refusal(
        "custom_validation_failed",
        "Custom validation failed for node",
        "image - Invalid image file: short-drama/j/image_url.png [temp]",
        input_name="image",
    )
    assert isinstance(read_refusal(told), EngineFailed)  # some other node's own matter
    told["node_errors"]["vae"]["class_type"] = "LoadImage"
    assert isinstance(read_refusal(told), PromptLost)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("invalid_prompt", "Cannot execute because node NoSuchNode does not exist."),
        (
            "missing_node_type",
            "Node 'NoSuchNode' not found. The custom node may not be installed.",
        ),
    ],
)
def test_a_node_that_the_server_lacks(kind: str, message: str) -> None:
    error = {
        "type": kind,
        "message": message,
        "details": "Node ID '#3'",
        "extra_info": {},
    }
    read = read_refusal({"error": error, "node_errors": {}})
    assert isinstance(read, EngineNotReady)
    assert "NoSuchNode" in read.detail


@pytest.mark.parametrize(
    "kind", ["value_bigger_than_max", "invalid_input_type", "return_type_mismatch", "new_kind"]
)
def test_other_faults_name_node_and_input(kind: str) -> None:
    read = read_refusal(refusal(kind, "Value 99.0 bigger than max", "steps", input_name="steps"))
    assert isinstance(read, EngineFailed)
    assert "Value 99.0 bigger than max: steps of node 'vae'" in read.detail


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": NO_DETAILS, "node_errors": {}},  # a cycle in the graph
        {"error": "text"},
        {"node_errors": {"a": None, "b": {"errors": ["?"]}}},
    ],
)
def test_a_refusal_without_reasons_is_one_nevertheless(body: dict[str, Any]) -> None:
    read = read_refusal(body)
    assert isinstance(read, ShortDramaError)
    assert read.detail.startswith("ComfyUI refused the workflow: ")
