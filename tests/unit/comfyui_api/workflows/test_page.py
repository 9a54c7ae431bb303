"""The operators' page says what is so: its example is a workflow, its messages are ours."""

import json
import re
from pathlib import Path

import pytest

from short_drama.comfyui_api.workflows.check import ALWAYS, FOLDERS, advice, faults
from short_drama.comfyui_api.workflows.library import library
from short_drama.domain.errors import InvalidRequest
from tests.unit.comfyui_api.workflows.samples import graph, object_info, read

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


@pytest.mark.parametrize("kind", ["camera-angle", "qwen-image-edit"])
def test_every_role_is_listed_with_its_file_and_folder(kind: str) -> None:
    workflow = library(None, {})[kind]
    for role, file in workflow.models.items():
        folder = FOLDERS[workflow.manifest.models[role].partition(".")[2]]
        assert f"| `{role}` | `{file}` | `models/{folder}` |" in PAGE
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |"))
    assert re.findall("`([a-z_]+)`", row) == list(workflow.models)
    assert row.endswith(f"| {workflow.inputs['steps'].default} |")


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
    command = next(line for line in block("sh", 1).splitlines() if "main.py" in line)
    assert advice(81_000_000_000, command.split()[1:]) == []
    assert all(f"| `{flag}` | {why} |" in PAGE for flag, why in ALWAYS.items())


def test_the_example_of_other_models_names_roles() -> None:
    named = re.findall(r"(\w+)=[\w.-]+\.safetensors", block("sh"))
    assert named == ["edit_checkpoint", "vae"]
    library(None, dict.fromkeys(named, "x.safetensors"))


def test_every_type_of_input_is_described() -> None:
    schema = json.dumps(read().manifest.model_json_schema())
    types = set(re.findall(r'"const": "(\w+)"', schema))
    table = PAGE.split("| `type` |")[1].split("\n\n")[0]
    assert types == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
