"""Where workflows come from: ours, the operator's folder, other models by role."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.comfyui_api.workflows.library import BUILT_IN, MODEL_SETS, library
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.sizes import Size
from tests.unit.comfyui_api.workflows.samples import GRAPH, MANIFEST

EVERY = [
    pytest.param(workflow, id=f"{kind} {model_set}")
    for model_set in MODEL_SETS
    for kind, workflow in library(None, {}, model_set=model_set).items()
]
ROLES = ["camera_lora", "diffusion_model", "edit_checkpoint", "lightning_lora", "text_encoder"]


def put(folder: Path, kind: str, graph: object = GRAPH, manifest: str = MANIFEST) -> None:
    (folder / f"{kind}-api.json").write_text(json.dumps(graph))
    (folder / f"{kind}.toml").write_text(manifest)


def copy_of(kind: str, folder: Path) -> tuple[Path, Path]:
    """Our own files, for an operator to tune."""
    ours = library(None, {})[kind]
    (folder / f"{kind}-api.json").write_text(json.dumps(dict(ours.graph)))
    source = Path(str(library.__code__.co_filename)).parent / f"sets/2509-fp8/{kind}.toml"
    (folder / f"{kind}.toml").write_bytes(source.read_bytes())
    return folder / f"{kind}-api.json", folder / f"{kind}.toml"


def refused(folder: Path | None, models: dict[str, str] | None = None) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        library(folder, models or {})
    return caught.value


def test_ours_do_the_gpu_kinds() -> None:
    assert set(BUILT_IN) <= {kind.name for kind in KINDS.of(Lane.GPU)}
    assert list(library(None, {})) == list(BUILT_IN)


@pytest.mark.parametrize("workflow", EVERY)
def test_our_nodes_have_titles_for_people_and_names_for_operators(workflow: Workflow) -> None:
    for identity, node in workflow.graph.items():
        assert not identity.isdigit()
        assert node["_meta"]["title"]


@pytest.mark.parametrize("workflow", EVERY)
def test_all_sets_take_the_same_requests(workflow: Workflow) -> None:
    def bounds(one: Workflow) -> dict[str, object]:
        told = {name: each.model_dump() for name, each in one.inputs.items()}
        return {
            name: {key: value for key, value in each.items() if key not in ("into", "default")}
            for name, each in told.items()
        }

    assert bounds(workflow) == bounds(library(None, {})[workflow.kind])


@pytest.mark.parametrize("workflow", EVERY)
def test_every_file_has_a_size(workflow: Workflow) -> None:
    needs = workflow.manifest.needs
    assert needs is not None
    assert set(needs.file_bytes) == set(workflow.models)
    assert set(workflow.models.values()) == set(workflow.loads)


def linked(graph: Mapping[str, Any], node: str) -> set[str]:
    """The classes that the server runs for a node."""
    above = {value[0] for value in graph[node]["inputs"].values() if isinstance(value, list)}
    return {graph[node]["class_type"]}.union(*(linked(graph, each) for each in above))


@pytest.mark.parametrize("workflow", EVERY)
def test_nothing_is_computed_for_nothing(workflow: Workflow) -> None:
    """Model, text encoder and VAE run once each for what the model is told, and once more only
    where a request wants it."""
    images = dict.fromkeys(workflow.image_fields, "a.png")
    graph = workflow.build({}, images=images, prefix="p", size=Size(1360, 768))
    run = linked(graph, workflow.result)
    assert "VAEEncode" not in run
    encoders = {name for name in graph if graph[name]["class_type"].startswith("TextEncode")}
    asked = [name for name in encoders if name in _above(graph, workflow.result)]
    assert len(asked) == 1
    if "cfg" in workflow.inputs:
        graph = workflow.build({"cfg": 2.5, "denoise": 0.5}, images=images, prefix="p")
        asked = [name for name in encoders if name in _above(graph, workflow.result)]
        assert len(asked) == len(encoders)
        assert "VAEEncode" in linked(graph, workflow.result)
        for name in asked:  # what is to be avoided is told with the images
            given = [key for key in graph[name]["inputs"] if "image" in key]
            assert len(given) == 3


def _above(graph: Mapping[str, Any], node: str) -> set[str]:
    above = {value[0] for value in graph[node]["inputs"].values() if isinstance(value, list)}
    return above.union(*(_above(graph, each) for each in above))


@pytest.mark.parametrize("workflow", EVERY)
def test_the_picture_has_the_size_that_the_service_chose(workflow: Workflow) -> None:
    size = workflow.size_for(Size(1920, 1080))
    assert size is not None
    images = dict.fromkeys(workflow.required_images, "a.png")
    graph = workflow.build({}, images=images, prefix="p", size=size)
    sized = [node["inputs"] for node in graph.values() if "width" in node["inputs"]]
    assert sized
    assert {(each["width"], each["height"]) for each in sized} == {size}


def test_a_scheduler_that_begins_below_full_noise_begins_with_the_still() -> None:
    edit = library(None, {})["qwen-image-edit"]
    graph = edit.build({"scheduler": "ddim_uniform"}, images={"image_url": "a.png"}, prefix="p")
    assert graph["sampler"]["inputs"]["latent_image"] == ["latent", 0]


def test_the_two_share_no_model() -> None:
    """Which is why the order of jobs matters."""
    camera, edit = library(None, {}).values()
    assert len(camera.loads) == 5
    assert edit.loads == ("Qwen-Rapid-AIO-NSFW-v11.safetensors",)


def test_a_folder_brings_more(tmp_path: Path) -> None:
    put(tmp_path, "relight")
    (tmp_path / "README.md").write_text("ours")
    (tmp_path / "relight.json").write_text("the editor's own format")
    found = library(tmp_path, {})
    assert set(found) == {*BUILT_IN, "relight"}
    assert found["relight"].kind == "relight"


def test_a_set_is_named(tmp_path: Path) -> None:
    assert {each.model_set for each in library(None, {}).candidates("camera-angle")} == set(
        MODEL_SETS
    )
    named = library(None, {}, model_set="2511-int8")
    assert [each.model_set for each in named.values()] == ["2511-int8"] * 2
    copy_of("camera-angle", tmp_path)
    own = library(tmp_path, {}, model_set="2511-int8")
    assert [each.model_set for each in own.values()] == [None, "2511-int8"]
    with pytest.raises(InvalidRequest) as caught:
        library(None, {}, model_set="2509")
    assert caught.value.field == "SHORT_DRAMA_COMFYUI_MODEL_SET"
    assert all(name in str(caught.value.fix) for name in ("auto", *MODEL_SETS))


def test_files_that_are_named_by_hand_are_the_first_sets() -> None:
    found = library(None, {"vae": "other.safetensors"})
    assert [each.model_set for each in found.candidates("camera-angle")] == ["2509-fp8"]
    other = library(None, {"vae": "other.safetensors"}, model_set="2511-int8")["camera-angle"]
    assert (other.model_set, other.models["vae"]) == ("2511-int8", "other.safetensors")


def test_what_a_pad_can_ask_is_told_by_set() -> None:
    told = library(None, {}).camera_poses
    assert list(told) == list(MODEL_SETS)
    (only,) = library(None, {}, model_set="2511-int8").camera_poses.values()
    assert isinstance(only, dict)
    assert only["words"] == "poses"
    assert list(only["horizontal"]) == [str(step) for step in range(-4, 5)]


def test_a_graph_of_ours_may_be_tuned(tmp_path: Path) -> None:
    graph, _ = copy_of("camera-angle", tmp_path)
    graph.write_text(graph.read_text().replace('"simple"', '"beta"'))
    tuned = library(tmp_path, {})["camera-angle"].graph["sampler"]["inputs"]
    assert tuned["scheduler"] == "beta"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[inputs.steps]", "[inputs.rounds]", "steps (integer)"),
        ('type = "integer"\nminimum', 'type = "number"\nminimum', "steps (integer)"),
        ("optional = true\n", "", "image2_url (optional image)"),
    ],
)
def test_requests_for_ours_keep_their_meaning(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    _, manifest = copy_of("qwen-image-edit", tmp_path)
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))
    error = refused(tmp_path)
    assert "qwen-image-edit.toml" in error.detail
    assert said in str(error.fix)


def test_a_camera_has_words(tmp_path: Path) -> None:
    _, manifest = copy_of("camera-angle", tmp_path)
    text = manifest.read_text()
    manifest.write_text(text.replace('camera_words = "relative"', 'camera_words = "poses"'))
    words = library(tmp_path, {})["camera-angle"].manifest.camera_words
    assert words is CameraWords.POSES
    manifest.write_text(text.replace('camera_words = "relative"', ""))
    error = refused(tmp_path)
    assert "camera-angle.toml: camera_words is missing" in error.detail
    assert "poses" in str(error.fix)


@pytest.mark.parametrize("kind", ["face-mask", "face-swap", "full-face-swap"])
def test_a_kind_of_the_other_lane_is_not_taken_over(tmp_path: Path, kind: str) -> None:
    put(tmp_path, kind)
    assert kind in refused(tmp_path).detail


@pytest.mark.parametrize("missing", ["relight.toml", "relight-api.json"])
def test_a_workflow_is_two_files(tmp_path: Path, missing: str) -> None:
    put(tmp_path, "relight")
    (tmp_path / missing).unlink()
    error = refused(tmp_path)
    assert f"{missing} is missing" in error.detail
    assert error.fix


UNREADABLE: dict[str, Callable[[Path], Path]] = {
    "no folder": lambda folder: folder / "none",
    "a file": lambda folder: folder / "relight.toml",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_folder_that_is_none(tmp_path: Path, case: str) -> None:
    put(tmp_path, "relight")
    error = refused(UNREADABLE[case](tmp_path))
    assert error.field == "SHORT_DRAMA_WORKFLOWS_DIR"
    assert str(tmp_path) in error.detail


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path, "relight")
    (tmp_path / "relight.toml").unlink()
    (tmp_path / "relight.toml").mkdir()
    assert "relight.toml cannot be read" in refused(tmp_path).detail


def test_a_faulty_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "relight", manifest=MANIFEST.replace("[models]", "[model]"))
    assert refused(tmp_path).detail.startswith("relight.toml: model: there is no such key")


def test_models_go_to_the_workflows_that_have_the_role(tmp_path: Path) -> None:
    put(tmp_path, "relight", manifest=MANIFEST.replace("checkpoint =", "edit_checkpoint ="))
    found = library(tmp_path, {"edit_checkpoint": "v12.safetensors", "vae": "other.safetensors"})
    assert found["relight"].loads == found["qwen-image-edit"].loads == ("v12.safetensors",)
    assert found["camera-angle"].models["vae"] == "other.safetensors"
    assert "edit_checkpoint" not in found["camera-angle"].models


def test_a_role_that_no_workflow_has(tmp_path: Path) -> None:
    error = refused(None, {"vea": "x.safetensors"})
    assert "'vea'" in error.detail
    assert error.field == "SHORT_DRAMA_COMFYUI_MODELS"
    assert all(role in str(error.fix) for role in [*ROLES, "vae"])
    put(tmp_path, "relight")
    assert "checkpoint" in str(refused(tmp_path, {"vea": "x"}).fix)
