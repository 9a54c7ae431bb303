"""What a server lacks is said before the first job, node by node, with what to do about it."""

from collections.abc import Callable
from typing import Any

import pytest

from short_drama.comfyui_api.workflows.check import Fault, faults
from short_drama.comfyui_api.workflows.fit import fit
from short_drama.comfyui_api.workflows.library import MODEL_SETS, library
from short_drama.comfyui_api.workflows.workflow import Workflow
from tests.unit.comfyui_api.workflows.samples import MANIFEST, Graph, graph, object_info, read

BUILT_IN = library(None, {})
WORKFLOWS = {
    **{
        f"{kind} {model_set}": workflow
        for model_set in MODEL_SETS
        for kind, workflow in library(None, {}, model_set=model_set).items()
    },
    "relight": read(),
}
ROLES = [(name, role) for name, workflow in WORKFLOWS.items() for role in workflow.models]
CLASSES = sorted({n["class_type"] for one in WORKFLOWS.values() for n in one.graph.values()})


def only(found: list[Fault]) -> Fault:
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_server_that_has_everything(name: str) -> None:
    known = object_info("0.33.0")
    assert faults(fit(WORKFLOWS[name], known), known) == []


@pytest.mark.parametrize("kind", ["COMFY_MATCHTYPE_V3", "LATENT,IMAGE", "*"])
def test_a_type_that_is_one_of_several_or_any_fits(kind: str) -> None:
    known = object_info()
    known["VAEEncode"] = {"input": {"required": {"pixels": [kind], "vae": ["*"]}}, "output": [kind]}
    assert faults(read(), known) == []


OLD = [
    name
    for name, workflow in WORKFLOWS.items()
    if workflow.manifest.needs and workflow.manifest.needs.comfyui == "0.3.60"
]


@pytest.mark.parametrize("name", OLD)
def test_an_old_server_that_has_everything(name: str) -> None:
    known = object_info("0.3.75")
    assert faults(fit(WORKFLOWS[name], known), known) == []


@pytest.mark.parametrize("name", CLASSES)
def test_a_node_that_the_server_does_not_have(name: str) -> None:
    known = object_info("0.33.0")
    del known[name]
    for workflow in WORKFLOWS.values():
        nodes = {i for i, node in workflow.graph.items() if node["class_type"] == name}
        found = faults(workflow, known)
        assert {fault.node for fault in found} == nodes
        assert all(name in fault.message and "custom node" in fault.fix for fault in found)


@pytest.mark.parametrize(("name", "role"), ROLES)
@pytest.mark.parametrize("left", [[], ["other.safetensors"], [f"m{i}.ckpt" for i in range(99)]])
def test_a_model_that_the_server_does_not_have(name: str, role: str, left: list[str]) -> None:
    workflow, known = WORKFLOWS[name], object_info("0.33.0")
    node, field = workflow.manifest.models[role].split(".")
    spec = known[workflow.graph[node]["class_type"]]["input"]["required"]
    shared = [file for file in spec[field][0] if file != workflow.models[role]]
    spec[field][0] = shared + left
    fault = only(faults(workflow, known))
    assert (fault.kind, fault.node) == (workflow.kind, node)
    assert workflow.models[role] in fault.message
    assert "models/" in fault.fix
    assert f"SHORT_DRAMA_COMFYUI_MODELS={role}=FILE" in fault.fix
    assert len(fault.message) < 400


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    fault = only(
        faults(
            BUILT_IN["camera-angle"].with_models({"vae": "qwen-image-vae.safetensors"}),
            object_info("0.33.0"),
        )
    )
    assert "Did you mean qwen_image_vae.safetensors?" in fault.fix


def test_a_model_without_a_role() -> None:
    workflow = read(manifest=MANIFEST.split("[models]")[0])
    known = object_info("0.33.0")
    known["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = []
    fault = only(faults(workflow, known))
    assert fault.fix == "Put the file into ComfyUI's models/checkpoints."


def test_a_model_of_a_folder_that_we_do_not_know() -> None:
    nodes = graph()
    nodes["up"] = {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "4x.pth"}}
    known = object_info("0.33.0")
    known["UpscaleModelLoader"] = {
        "input": {"required": {"model_name": [["2x.pth"]]}},
        "output": ["UPSCALE_MODEL"],
    }
    fault = only(faults(read(nodes, MANIFEST + 'upscaler = "up.model_name"\n'), known))
    assert "models folder" in fault.fix
    assert "upscaler=FILE" in fault.fix


def test_a_picture_that_is_part_of_the_workflow() -> None:
    nodes = graph()
    nodes["texture"] = {"class_type": "LoadImage", "inputs": {"image": "grain.png"}}
    nodes["prompt"]["inputs"]["image3"] = ["texture", 0]
    fault = only(faults(read(nodes), object_info("0.33.0")))
    assert fault.node == "texture"
    assert "input folder" in fault.fix


Change = Callable[[Graph, dict[str, Any]], Any]
CASES: dict[str, tuple[str, str, Change]] = {
    "an input that the class does not have": (
        "sampler", "sampler.stepz",
        lambda nodes, _: nodes["sampler"]["inputs"].update(stepz=3),
    ),
    "an input that the class no longer has": (
        "sampler", "sampler.cfg",
        lambda _, known: known["KSampler"]["input"]["required"].pop("cfg"),
    ),
    "an input that the class newly requires": (
        "save", "save.quality",
        lambda _, known: known["SaveImage"]["input"]["required"].update(quality=["INT", {}]),
    ),
    "an input that is lacking": (
        "latent", "latent.vae", lambda nodes, _: nodes["latent"]["inputs"].pop("vae"),
    ),
    "a choice of the older kind": (
        "sampler", "euler_pp",
        lambda nodes, _: nodes["sampler"]["inputs"].update(sampler_name="euler_pp"),
    ),
    "a number above": (
        "sampler", "sampler.cfg is 101; the server takes 100 or less",
        lambda nodes, _: nodes["sampler"]["inputs"].update(cfg=101),
    ),
    "a number below": (
        "sampler", "sampler.cfg is -0.5; the server takes 0 or more",
        lambda nodes, _: nodes["sampler"]["inputs"].update(cfg=-0.5),
    ),
    "a bound of the manifest above": (
        "sampler", "sampler.steps is 20; the server takes 10 or less",
        lambda _, known: known["KSampler"]["input"]["required"]["steps"][1].update(max=10),
    ),
    "a bound of the manifest below": (
        "sampler", "sampler.denoise is 0.1; the server takes 0.5 or more",
        lambda _, known: known["KSampler"]["input"]["required"]["denoise"][1].update(min=0.5),
    ),
    "a default of the manifest": (
        "sampler", "no beta for sampler.scheduler",
        lambda _, known: known["KSampler"]["input"]["required"]["scheduler"][0].remove("beta"),
    ),
    "an output that is not there": (
        "latent", "latent.vae is linked to output 3 of checkpoint, which has 3",
        lambda nodes, _: nodes["latent"]["inputs"].update(vae=["checkpoint", 3]),
    ),
    "an output of another type": (
        "latent", "latent.vae wants VAE; output 1 of checkpoint is CLIP",
        lambda nodes, _: nodes["latent"]["inputs"].update(vae=["checkpoint", 1]),
    ),
    "a link to a class without outputs": (
        "latent", "output 0 of save, which has 0",
        lambda nodes, _: nodes["latent"]["inputs"].update(pixels=["save", 0])
        or nodes["save"]["inputs"].update(images=["still", 0]),
    ),
    "a required input that hangs on an optional image": (
        "latent", "latent.pixels, which the server requires, is not given in every prompt",
        lambda nodes, _: nodes["latent"]["inputs"].update(pixels=["light", 0]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_everything_the_server_would_refuse(case: str) -> None:
    node, said, change = CASES[case]
    nodes, known = graph(), object_info()
    change(nodes, known)
    fault = only(faults(read(nodes), known))
    assert fault.node == node
    assert said in fault.message
    assert fault.fix


def test_a_choice_of_the_newer_kind_is_judged_though_the_server_does_not() -> None:
    ours = WORKFLOWS["camera-angle 2511-int8"]
    nodes = {i: {**node, "inputs": {**node["inputs"]}} for i, node in ours.graph.items()}
    nodes["reference"]["inputs"]["reference_latents_method"] = "index_timestep_one"
    changed = Workflow(ours.kind, nodes, ours.manifest)
    fault = only(faults(changed, object_info("0.33.0")))
    assert fault.node == "reference"
    assert "Did you mean index_timestep_zero?" in fault.fix


TOLERATED: dict[str, Change] = {
    "any type is wanted": lambda _, known: known["VAEEncode"]["input"]["required"].update(
        vae=["*"]
    ),
    "one of several types is wanted": lambda _, known: known["VAEEncode"]["input"][
        "required"
    ].update(vae=["VAE,MODEL"]),
    "any type is given": lambda _, known: known["CheckpointLoaderSimple"].update(
        output=["*", "CLIP", "*"]
    ),
    "a choice is linked": lambda nodes, _: nodes["sampler"]["inputs"].update(
        sampler_name=["still", 0]
    ),
    "choices that are not told": lambda _, known: known["KSampler"]["input"]["required"].update(
        scheduler=["COMBO", {}]
    ),
    "inputs that grow in number": lambda nodes, known: (
        known["VAEEncode"]["input"]["required"].update(extra=["COMFY_AUTOGROW_V3", {}]),
        nodes["latent"]["inputs"].update({"extra.image0": ["still", 0], "extra.text": "x"}),
    ),
    "a truth": lambda nodes, known: (
        known["VAEEncode"]["input"]["required"].update(tiled=["BOOLEAN", {"min": 5}]),
        nodes["latent"]["inputs"].update(tiled=True),
    ),
}


@pytest.mark.parametrize("case", TOLERATED)
def test_nothing_is_held_against_a_server_that_is_fine(case: str) -> None:
    nodes, known = graph(), object_info()
    TOLERATED[case](nodes, known)
    assert faults(read(nodes), known) == []
