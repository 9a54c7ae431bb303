"""A server that would make the wrong picture is found out before it makes one."""

import pytest

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.comfyui_api.workflows.check import Fault
from short_drama.comfyui_api.workflows.library import MODEL_SETS, library
from short_drama.comfyui_api.workflows.shortcomings import shortcomings
from tests.unit.comfyui_api.workflows.samples import facts, object_info

RELATIVE, POSES = CameraWords.RELATIVE, CameraWords.POSES
LORA_2509 = "Qwen-Edit-2509-Multiple-angles.safetensors"
LORA_2511 = "qwen-image-edit-2511-multiple-angles-lora.safetensors"
OWN = "our-own.safetensors"


def found(model_set: str, file: str | None, words: CameraWords | None) -> list[Fault]:
    """With a camera LoRA that the server has."""
    known = object_info("0.33.0")
    known["LoraLoaderModelOnly"]["input"]["required"]["lora_name"][0].append(OWN)
    models = {} if file is None else {"camera_lora": file}
    workflows = library(None, models, model_set=model_set, camera_words=words)
    return shortcomings(workflows["camera-angle"], facts(known=known))


@pytest.mark.parametrize("model_set", MODEL_SETS)
def test_the_sets_own_words_are_right(model_set: str) -> None:
    assert found(model_set, None, None) == []


@pytest.mark.parametrize(
    ("model_set", "file", "words"),
    [
        ("2509-fp8", LORA_2509, None),
        ("2509-fp8", "镜头转换.safetensors", None),
        ("2509-fp8", OWN, RELATIVE),
        ("2509-fp8", OWN, POSES),
        ("2509-fp8", LORA_2511, POSES),
        ("2511-int8", OWN, POSES),
        ("2511-int8", LORA_2509, RELATIVE),
    ],
)
def test_words_that_suit_their_lora(model_set: str, file: str, words: CameraWords | None) -> None:
    assert [each for each in found(model_set, file, words) if "learnt" in each.message] == []


@pytest.mark.parametrize(
    ("model_set", "file", "words", "said", "fix"),
    [
        ("2509-fp8", LORA_2511, None, "learnt poses, and would be told relative", "WORDS=poses"),
        ("2511-int8", LORA_2509, None, "learnt relative, and would be told poses", "=relative"),
        ("2509-fp8", LORA_2509, POSES, "learnt relative", "CAMERA_WORDS=relative"),
        ("2509-fp8", OWN, None, "it is not known how our-own", "one of: relative, poses"),
        ("2511-int8", OWN, None, "it is not known how our-own", "one of: relative, poses"),
    ],
)
def test_words_that_do_not(
    model_set: str, file: str, words: CameraWords | None, said: str, fix: str
) -> None:
    (fault,) = found(model_set, file, words)
    assert (fault.kind, fault.node) == ("camera-angle", "camera_lora")
    assert said in fault.message
    assert fix in fault.fix


@pytest.mark.parametrize(
    ("version", "old"), [("0.3.75", True), ("0.26.2", True), ("0.27.0", False)]
)
def test_a_server_that_cannot_read_the_files(version: str, old: bool) -> None:
    for workflow in library(None, {}, model_set="2511-int8").values():
        said = shortcomings(workflow, facts(version=version))
        assert [fault.message for fault in said] == (
            [f"ComfyUI {version} cannot read these files: 0.27.0 is the first"] if old else []
        )
