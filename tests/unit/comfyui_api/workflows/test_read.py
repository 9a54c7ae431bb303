"""What a graph and its manifest must agree on; every fault names its file and what to mend."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import InvalidRequest
from tests.unit.comfyui_api.workflows.samples import GRAPH, MANIFEST, Graph, graph, read


def refusal(nodes: object = GRAPH, manifest: str = MANIFEST) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(nodes, manifest)
    return caught.value.detail


# --- The graph ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [b"", b"not json", b"\xff\xfe", b'{"a": NaN}', b"[]", b"{}", b"null", b'{"a": 1}']
)
def test_what_is_no_graph(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"relight-api\.json"):
        Workflow.read("relight", text, MANIFEST.encode())


def test_the_editors_own_format_is_told_apart() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({"nodes": [], "links": [], "version": 0.4})
    assert "API" in caught.value.detail
    assert "Export (API)" in str(caught.value.fix)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have(number: float) -> None:
    nodes = graph()
    nodes["sampler"]["inputs"]["cfg"] = number
    assert "relight-api.json is not JSON" in refusal(nodes)


@pytest.mark.parametrize(
    "node",
    [{"inputs": {}}, {"class_type": "VAEDecode"}, {"class_type": 3, "inputs": {}}, [], "node"],
)
def test_a_node_has_a_class_and_inputs(node: object) -> None:
    assert "API format" in refusal(graph() | {"more": node})


@pytest.mark.parametrize(
    "link",
    [["nowhere", 0], ["still"], ["still", 0, 0], [], [["still"], 0], [{}, 0], ["still", "0"],
     ["still", -1], ["still", True], ["still", 0.0]],
)  # fmt: skip
def test_a_link_leads_to_an_output(link: object) -> None:
    nodes = graph()
    nodes["latent"]["inputs"]["pixels"] = link
    assert "relight-api.json: latent.pixels" in refusal(nodes)


def test_no_links_in_a_circle() -> None:
    nodes = graph()
    nodes["checkpoint"]["inputs"]["ckpt_name"] = ["decode", 0]
    said = refusal(nodes)
    assert "relight-api.json" in said
    assert "circle" in said
    assert "checkpoint" in said


# --- The manifest -------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[inputs", "a = ", "\x00"])
def test_what_is_no_toml(text: str) -> None:
    assert refusal(manifest=text).startswith("relight.toml is not TOML")


def test_a_manifest_in_another_encoding_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"relight\.toml is not TOML"):
        Workflow.read("relight", json.dumps(GRAPH).encode(), "summary = 'é'".encode("latin-1"))


def rule(when: str, minimum: str, said: str) -> tuple[str, str, str]:
    told = f'[[rules]]\nwhen = {{{when}}}\nminimum = {{{minimum}}}\nbecause = "it is black"\n'
    return "[inputs.seed]", f"{told}[inputs.seed]", said


EDITS: dict[str, tuple[str, str, str]] = {
    "no summary": ('summary = "Light a still anew."', "", "summary"),
    "no result": ('result = "save"', "", "result"),
    "unknown key": ('result = "save"', 'result = "save"\nresults = 1', "results: there is no"),
    "unknown key of an input": (
        "max_length = 200", "max_lenght = 200", "inputs.prompt.max_lenght: there is no",
    ),
    "unknown type": ('type = "seed"', 'type = "sead"', "inputs.seed"),
    "no type": ('type = "seed"', "", "inputs.seed"),
    "no place": ('into = ["sampler.seed"]', "into = []", "inputs.seed.into"),
    "no pair": ('into = ["sampler.seed"]', 'into = ["sampler"]', "inputs.seed.into"),
    "unbounded": ("minimum = 1\n", "", "inputs.steps.minimum"),
    "wrong type of a bound": ("minimum = 1\n", 'minimum = "1"\n', "inputs.steps.minimum"),
    "infinite": ("maximum = 1.0", "maximum = inf", "inputs.strength.maximum"),
    "not a number": ("minimum = 0.1", "minimum = nan", "inputs.strength.minimum"),
    "inverted": ("maximum = 20", "maximum = 0", "inputs.steps: the minimum"),
    "inverted numbers": ("maximum = 1.0", "maximum = 0.0", "inputs.strength: the minimum"),
    "default out of bounds": ("default = 6", "default = 21", "inputs.steps: the default"),
    "default of another type": ("default = 6", "default = 6.5", "inputs.steps.default"),
    "default is no choice": ('default = "beta"', 'default = "b"', "inputs.scheduler: the default"),
    "no choices": ('choices = ["simple", "beta"]', "choices = []", "inputs.scheduler.choices"),
    "too much text": ("max_length = 200", "max_length = 1000000", "inputs.prompt.max_length"),
    "an image's name": ("[inputs.light_url]", "[inputs.light]", "inputs.light: names of images"),
    "a text's name": ("[inputs.prompt]", "[inputs.prompt_url]", "inputs.prompt_url: names of"),
    "a seed's name": ("[inputs.seed]", "[inputs.noise]", "inputs.noise: a seed"),
    "no seed's name": ("[inputs.strength]", "[inputs.seed2]\n[inputs.strength]", "inputs.seed2"),
    "an image's default": ("optional = true", 'default = "a.png"', "inputs.light_url.default"),
    "a name with capitals": ("[inputs.prompt]", "[inputs.Prompt]", "inputs.Prompt"),
    "a rule about no input": rule('x = ["beta"]', "steps = 2", "rules.0: x is no input of type"),
    "a rule about no choice": rule('scheduler = ["x"]', "steps = 2", "rules.0: x is not among"),
    "a rule about no number": rule('scheduler = ["beta"]', "prompt = 2", "rules.0: prompt is no"),
    "defaults that break a rule": rule(
        'scheduler = ["beta"]', "steps = 7", "with scheduler beta it has to be 7 or more"
    ),
    "no such node": ('into = ["prompt.prompt"]', 'into = ["promt.prompt"]', "promt.prompt"),
    "no such input": ('into = ["prompt.prompt"]', 'into = ["prompt.text"]', "prompt.text"),
    "a link": ('into = ["prompt.prompt"]', 'into = ["prompt.clip"]', "linked"),
    "twice": ('into = ["sampler.denoise"]', 'into = ["sampler.steps"]', "more than once"),
    "a role's, twice": (
        'into = ["prompt.prompt"]', 'into = ["checkpoint.ckpt_name"]', "more than once",
    ),
    "the result's name": (
        'into = ["prompt.prompt"]', 'into = ["save.filename_prefix"]', "the service's own",
    ),
    "the result's name as a model": (
        'checkpoint = "checkpoint.ckpt_name"', 'x = "save.filename_prefix"', "the service's own",
    ),
    "an image elsewhere": (
        'into = ["still.image"]', 'into = ["sampler.sampler_name"]', "LoadImage",
    ),
    "another type in the graph": (
        'into = ["sampler.denoise"]', 'into = ["sampler.sampler_name"]', "'euler'",
    ),
    "a model that is no file": (
        'checkpoint = "checkpoint.ckpt_name"', 'checkpoint = "sampler.cfg"', "name of a file",
    ),
    "a model that is a link": (
        'checkpoint = "checkpoint.ckpt_name"', 'checkpoint = "latent.vae"', "linked",
    ),
    "no such result": ('result = "save"', 'result = "end"', "result: there is no SaveImage"),
    "a result of another class": ('result = "save"', 'result = "decode"', "no SaveImage"),
    "no such step": ('steps = ["sampler"]', 'steps = ["sampling"]', "'sampling'"),
}  # fmt: skip


SWITCH = """
[[switches]]
link = "sampler.negative"
to = ["prompt", 0]
when = { strength = 1.0 }
"""
SWITCHES = {
    "no link": ('link = "sampler.negative"', 'link = "sampler.cfg"', "linked to no node"),
    "no such link": ('link = "sampler.negative"', 'link = "sampler.nothing"', "linked to no node"),
    "nowhere": ('to = ["prompt", 0]', 'to = ["promt", 0]', "the graph has no"),
    "no output": ('to = ["prompt", 0]', 'to = ["prompt", "0"]', "the graph has no"),
    "no input": ("strength = 1.0", "cfg = 1.0", "there is no input cfg"),
    "an image": ("strength = 1.0", 'image_url = "a"', "there is no input image_url"),
    "an optional image": ('to = ["prompt", 0]', 'to = ["light", 0]', "not in every prompt"),
    "beyond bounds": ("strength = 1.0", "strength = 1.5", "a number from 0.1 to 1"),
    "no number": ("strength = 1.0", 'strength = "1.0"', "strength is never '1.0'"),
    "no truth": ("strength = 1.0", "strength = true", "strength is never True"),
    "no choice": ("strength = 1.0", 'scheduler = "normal"', "one of simple, beta"),
    "in a circle": ('to = ["prompt", 0]', 'to = ["decode", 0]', "in a circle"),
}


@pytest.mark.parametrize("case", SWITCHES)
def test_a_switch_leads_somewhere(case: str) -> None:
    old, new, said = SWITCHES[case]
    read(manifest=MANIFEST + SWITCH)
    detail = refusal(manifest=MANIFEST + SWITCH.replace(old, new))
    assert detail.startswith("relight.toml: switches: ")
    assert said in detail


@pytest.mark.parametrize("case", EDITS)
def test_every_fault_of_a_manifest_is_named(case: str) -> None:
    old, new, said = EDITS[case]
    assert MANIFEST.count(old) == 1
    detail = refusal(manifest=MANIFEST.replace(old, new))
    assert detail.startswith("relight.toml: ")
    assert said in detail


def test_an_image_goes_to_the_image_of_its_loader() -> None:
    nodes = graph()
    nodes["still"]["inputs"]["upload"] = "image"  # as the editor exports it
    assert read(nodes).image_fields
    assert "still.upload" in refusal(nodes, MANIFEST.replace("still.image", "still.upload"))


@pytest.mark.parametrize(
    "name", ["labels", "deadline_seconds", "copy", "json", "model_dump", "model_x", "schema"]
)
def test_an_input_is_not_named_like_what_every_task_has(name: str) -> None:
    assert "taken" in refusal(manifest=MANIFEST.replace("inputs.strength", f"inputs.{name}"))


Change = Callable[[Graph], None]
FILES: dict[str, tuple[str, Change]] = {
    "an input picture": ("more.image", lambda nodes: nodes.update(more=nodes.pop("light"))),
    "a model": ("checkpoint.ckpt_name", lambda _: None),
    "another result": (
        "more.filename_prefix",
        lambda nodes: nodes.update(
            more={
                "class_type": "SaveAnimatedWEBP",
                "inputs": {"images": ["decode", 0], "filename_prefix": "x"},
            }
        ),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_no_text_of_a_request_names_a_file(case: str) -> None:
    pair, change = FILES[case]
    nodes = graph()
    nodes["prompt"]["inputs"].pop("image2")
    change(nodes)
    manifest = MANIFEST.split("[inputs.light_url]")[0] + (
        f'[inputs.words]\ntype = "text"\ninto = ["{pair}"]\n'
    )
    assert "names a file" in refusal(nodes, manifest)


@pytest.mark.parametrize(
    "kind", ["", "Relight", "re light", "../relight", "9lives", "a" * 42, "relight\n", "ré"]
)
def test_a_kind_is_a_plain_word(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot name a kind"):
        read(kind=kind)


# --- What has been read -------------------------------------------------------------------


def test_what_a_workflow_says_of_itself() -> None:
    workflow = read()
    assert workflow.image_fields == ["image_url", "light_url"]
    assert workflow.required_images == ["image_url"]
    assert (workflow.result, workflow.steps) == ("save", ["sampler"])
    assert workflow.models == {"checkpoint": "edit.safetensors"}


def test_a_workflow_loads_the_files_that_have_no_role_as_well() -> None:
    nodes = graph()
    lora: dict[str, Any] = {"model": ["checkpoint", 0], "lora_name": "look.safetensors"}
    nodes["lora"] = {"class_type": "LoraLoaderModelOnly", "inputs": lora | {"strength_model": 1}}
    nodes["sampler"]["inputs"]["model"] = ["lora", 0]
    assert read(nodes).loads == ("edit.safetensors", "look.safetensors")


def test_other_models_make_another_workflow() -> None:
    workflow = read()
    other = workflow.with_models({"checkpoint": "new.safetensors", "not_ours": "x"})
    assert other.models == {"checkpoint": "new.safetensors"}
    assert other.loads == ("new.safetensors",)
    assert workflow.loads == ("edit.safetensors",)
    assert workflow.with_models({"checkpoint": "a_folder"}).loads == ("a_folder",)


def test_an_input_with_a_dot_in_its_name() -> None:
    nodes = graph()
    nodes["prompt"]["inputs"]["texts.text0"] = nodes["prompt"]["inputs"].pop("prompt")
    manifest = MANIFEST.replace("prompt.prompt", "prompt.texts.text0")
    built = read(nodes, manifest).build({"prompt": "x"}, images={"image_url": "a.png"}, prefix="p")
    assert built["prompt"]["inputs"]["texts.text0"] == "x"


def test_a_workflow_becomes_a_kind_of_task() -> None:
    kind = read().task_kind()
    assert (kind.name, kind.lane.queue) == ("relight", "gpu_tasks_queue")
    assert kind.summary == "Light a still anew."
    assert kind.image_fields == ("image_url", "light_url")
    assert not kind.is_face_swap
    kind.task_request.model_validate_json(json.dumps(kind.example | {"labels": {"episode": "3"}}))
    given = {"image_url": "asset:a", "prompt": "x"}
    left_out = kind.request.model_validate({**given, "light_url": None, "seed": None})
    assert left_out == kind.request.model_validate(given)
    assert left_out.model_dump()["steps"] == 6
    with pytest.raises(ValueError, match="prompt"):
        kind.request.model_validate({"image_url": "asset:a", "prompt": " "})
