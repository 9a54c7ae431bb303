"""The operators' page says what is so: its example is a workflow, its messages are ours."""

import json
import re
from pathlib import Path

import pytest

from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.comfyui_api.prompts.camera_words import CameraWords, command
from short_drama.comfyui_api.workflows.check import faults
from short_drama.comfyui_api.workflows.flags import ALWAYS, advice
from short_drama.comfyui_api.workflows.folders import model_paths
from short_drama.comfyui_api.workflows.library import MODEL_SETS, library
from short_drama.comfyui_api.workflows.needs import Weights
from short_drama.domain.errors import InvalidRequest
from tests.unit.comfyui_api.workflows.samples import facts, graph, object_info, read

PAGE = (Path(__file__).parents[4] / "docs" / "workflows.md").read_text()


def block(language: str, number: int = 0) -> str:
    return str(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number])


def write_example(folder: Path, manifest: str) -> None:
    (folder / "double-exposure-api.json").write_text(block("json"))
    (folder / "double-exposure.toml").write_text(manifest)


def test_the_example_is_a_workflow_that_a_server_runs(tmp_path: Path) -> None:
    write_example(tmp_path, block("toml"))
    workflow = library(tmp_path, {})["double-exposure"]
    assert faults(workflow, object_info()) == []
    request = workflow.task_kind().request.model_validate_json(block("json", 1))
    assert request.model_dump()["strength"] == 0.5
    images = {"image_url": "a.png", "over_url": "b.png"}
    built = workflow.build({"mode": "screen"}, images=images, prefix="p")
    assert built["blend"]["inputs"]["blend_mode"] == "screen"
    assert workflow.loads == ()


def test_the_error_at_start_is_the_one_shown(tmp_path: Path) -> None:
    write_example(tmp_path, block("toml").replace("default = 0.5", "default = 5"))
    with pytest.raises(InvalidRequest) as caught:
        library(tmp_path, {})
    assert block("text").strip() == caught.value.detail


@pytest.mark.parametrize("model_set", MODEL_SETS)
def test_every_file_is_listed_with_its_role_folder_and_size(model_set: str) -> None:
    table = PAGE.split(f"`{model_set}`:\n\n")[1].split("\n\n")[0]
    for kind, workflow in library(None, {}, model_set=model_set).items():
        needs = workflow.manifest.needs
        assert needs is not None
        for role, path in model_paths(workflow).items():
            folder, _, file = path.partition("/")
            size = f"{needs.file_bytes[role] / 1e9:.2f}"
            row = f"| `{role}` | `{file}` | `models/{folder}` | {size} | "
            line = next(line for line in table.splitlines() if line.startswith(row))
            assert line.removeprefix(row) in ("both |", f"`{kind}` |")


@pytest.mark.parametrize("model_set", MODEL_SETS)
def test_every_set_is_listed_with_its_steps_and_its_oldest_comfyui(model_set: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{model_set}` | Qwen"))
    cells = [cell.strip() for cell in row.split("|")]
    workflows = library(None, {}, model_set=model_set).values()
    for cell, workflow in zip(cells[2:4], workflows, strict=True):
        assert cell.endswith(f"{workflow.inputs['steps'].default} steps")
        needs = workflow.manifest.needs
        assert needs is not None
        assert f"ComfyUI {needs.comfyui}" in cells[4] or model_set == "qwen-image-2.1-int8"


def test_the_words_of_models_are_those_that_they_are_told() -> None:
    left = CameraMove(horizontal=-1)
    for words in CameraWords:
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{words}` |"))
        assert f"`{command(left, words)}`" in row


def test_the_architectures_files_are_still_taken() -> None:
    named = dict(re.findall(r"(\w+)=([^,\"]+\.safetensors)", block("sh")))
    assert set(named.values()) == {
        "Qwen-Image-Edit-2509_fp8_e4m3fn.safetensors", "镜头转换.safetensors",
        "Qwen-Image-Lightning-8steps-V1.1.safetensors", "qwen_2.5_vl_7b.safetensors",
    }  # fmt: skip
    assert set(named.values()) <= set(library(None, named)["camera-angle"].models.values())


def shown() -> list[tuple[str, str]]:
    """The messages that the page tells of, and what to do."""
    table = PAGE.split("| it says | do |")[1].split("\n\n")[0]
    return re.findall(r"^\| `(.+?)` \| (.+) \|$", table, re.MULTILINE)


def test_the_messages_are_those_of_the_check() -> None:
    ours = library(None, {})["camera-angle"]
    bare = object_info()
    bare["VAELoader"]["input"]["required"]["vae_name"][0] = ["pixel_space"]
    old = object_info()
    del old["TextEncodeQwenImageEditPlus"]
    nodes = graph()
    nodes["sampler"]["inputs"] |= {"stepz": 3, "cfg": 101}
    nodes["latent"]["inputs"] |= {"vae": ["checkpoint", 1], "pixels": ["light", 0]}
    found = [*faults(ours, bare), *faults(ours, old), *faults(read(nodes), object_info())]
    messages = {fault.message: fault.fix for fault in found}
    assert {message for message, _ in shown()} <= set(messages)
    for message, fix in shown()[:2]:
        assert messages[message] == fix


def test_the_way_to_start_a_server_is_the_one_we_advise() -> None:
    start = next(line for line in block("sh", 2).splitlines() if "main.py" in line)
    assert advice(facts(version="0.33.0", argv=start.split()[1:])) == []
    assert all(f"| `{flag}` | {why} |" in PAGE for flag, why in ALWAYS.items())


def test_the_example_of_other_models_names_roles() -> None:
    named = re.findall(r"(\w+)=[\w.-]+\.safetensors", block("sh", 1))
    assert named == ["edit_checkpoint", "vae"]
    library(None, dict.fromkeys(named, "x.safetensors"))


def test_every_type_of_input_is_described() -> None:
    schema = json.dumps(read().manifest.model_json_schema())
    types = set(re.findall(r'"const": "(\w+)"', schema)) - set(Weights)
    table = PAGE.split("| `type` |")[1].split("\n\n")[0]
    assert types == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
