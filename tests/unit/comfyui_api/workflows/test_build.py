"""Nothing that a request says changes more of a graph than its manifest lists."""

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from short_drama.comfyui_api import asked
from short_drama.comfyui_api.workflows.graph import value_of
from short_drama.comfyui_api.workflows.library import library
from short_drama.comfyui_api.workflows.manifest import ImageInput, Manifest, Switch
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import (
    KINDS,
    LEAST_DENOISE,
    CameraAngleRequest,
    QwenImageEditRequest,
)
from tests.unit.comfyui_api.workflows.samples import GRAPH, MANIFEST, Graph, read

BUILT_IN = library(None, {}, model_set="2509-fp8")
CAMERA, EDIT = BUILT_IN["camera-angle"], BUILT_IN["qwen-image-edit"]
PREFIX = "short-drama/0/result"

HOSTILE = [
    "/etc/passwd", "../../output/x.png", "x.png [output]", "short-drama/1/image.png [temp]",
    "sampler", "sampler.steps", '["sampler", 0]', '{"class_type": "SaveImage", "inputs": {}}',
    "}", '"', "\\", "%date:yyyy%", "{cat|dog}", "embedding:x", "(a:9e99)", "<lora:x:1>",
    "a\x00b", "a\r\nb", "\x1b[2J", "\u202e", "\u2028", "e\u0301", "镜头", "🎬" * 500, "9" * 400,
]  # fmt: skip
PROMPTS = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=200)).filter(str.strip)
IMAGES = st.sampled_from(["asset:a/b.png", "https://example.com/../x.png", 's3://b/"];x'])
SEEDS = st.integers(0, 2**53 - 1)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


CAMERA_REQUESTS = st.builds(
    CameraAngleRequest,
    image_url=IMAGES,
    prompt=optional(PROMPTS),
    vertical=st.integers(-2, 2),
    horizontal=st.integers(-2, 2),
    zoom=st.just(1),
    seed=optional(SEEDS),
    steps=optional(st.integers(1, 50)),
)
EDIT_REQUESTS = st.builds(
    QwenImageEditRequest,
    image_url=IMAGES,
    prompt=PROMPTS,
    image2_url=optional(IMAGES),
    image3_url=optional(IMAGES),
    seed=optional(SEEDS),
    steps=optional(st.integers(2, 50)),
    cfg=optional(st.floats(0, 20)),
    sampler_name=optional(st.sampled_from(["sa_solver", "lms", "er_sde"])),
    scheduler=optional(st.sampled_from(["beta", "kl_optimal"])),
    denoise=optional(st.floats(LEAST_DENOISE, 1)),
)


def changes(before: Graph, after: Graph, switches: Sequence[Switch] = ()) -> dict[str, Any]:
    """Literals of `after` that differ, by node.input; everything else must be the same, but for
    links that are switched."""
    switched = [(switch.link, switch.to) for switch in switches]
    changed = {}
    for identity, node in after.items():
        old = before[identity]
        assert {**node, "inputs": None} == {**old, "inputs": None}
        assert set(node["inputs"]) <= set(old["inputs"])
        for name, value in node["inputs"].items():
            if (f"{identity}.{name}", value) in switched:
                continue
            if value != old["inputs"][name] or type(value) is not type(old["inputs"][name]):
                assert not isinstance(old["inputs"][name], list), "a link was changed"
                changed[f"{identity}.{name}"] = value
    return changed


def lost(before: Graph, after: Graph) -> set[str]:
    """Nodes, and node.input of the nodes that are still there."""
    inputs = {
        f"{identity}.{name}"
        for identity, node in after.items()
        for name in set(before[identity]["inputs"]) - set(node["inputs"])
    }
    return inputs | (set(before) - set(after))


def allowed(workflow: Workflow) -> set[str]:
    pairs = {pair for each in workflow.inputs.values() for pair in each.into}
    return pairs | {f"{workflow.result}.filename_prefix"}


def names(workflow: Workflow, request: Any) -> dict[str, str]:
    """Uploaded files, by field."""
    given_ones = [name for name in workflow.image_fields if getattr(request, name) is not None]
    return {name: f"short-drama/0/{name}.png [temp]" for name in given_ones}


@given(CAMERA_REQUESTS)
def test_a_camera_request_changes_what_the_manifest_lists(request: CameraAngleRequest) -> None:
    values = asked.values(CAMERA, request)
    built = CAMERA.build(values, images=names(CAMERA, request), prefix=PREFIX)
    changed = changes(dict(CAMERA.graph), built)
    assert set(changed) <= allowed(CAMERA)
    assert lost(dict(CAMERA.graph), built) == set()
    assert built["positive"]["inputs"]["prompt"] == values["prompt"]
    assert built["sampler"]["inputs"]["seed"] == (request.seed or 0)
    assert built["image"]["inputs"]["image"] == "short-drama/0/image_url.png [temp]"
    assert built["save"]["inputs"]["filename_prefix"] == PREFIX


@given(EDIT_REQUESTS)
def test_an_edit_request_changes_what_the_manifest_lists(request: QwenImageEditRequest) -> None:
    built = EDIT.build(asked.values(EDIT, request), images=names(EDIT, request), prefix=PREFIX)
    changed = changes(dict(EDIT.graph), built, EDIT.manifest.switches)
    assert set(changed) <= allowed(EDIT)
    for field in ("steps", "cfg", "sampler_name", "scheduler", "denoise"):
        wanted, default = getattr(request, field), EDIT.inputs[field].default
        assert built["sampler"]["inputs"][field] == (default if wanted is None else wanted)
    assert built["positive"]["inputs"]["prompt"] == request.prompt
    absent = {n for n in ("image2", "image3") if getattr(request, f"{n}_url") is None}
    assert built["negative"]["inputs"]["prompt"] == ""
    told = {f"{node}.{name}" for node in ("positive", "negative") for name in absent}
    assert lost(dict(EDIT.graph), built) == absent | told
    json.dumps(built, allow_nan=False)


ANYTHING = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.sampled_from(HOSTILE),
    st.integers(10**30, 10**40), st.lists(st.integers(), max_size=2), st.just(["save", 0]),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1), st.binary(max_size=2),
    st.sampled_from(["x" * 5000, "euler", "beta", 0.5, 10**400]),
)  # fmt: skip
INPUTS = [
    (workflow, name)
    for workflow in (*BUILT_IN.values(), read())
    for name, each in workflow.inputs.items()
    if not isinstance(each, ImageInput)
]


@given(st.sampled_from(INPUTS), ANYTHING)
def test_a_value_is_taken_as_it_is_or_refused_by_name(
    one: tuple[Workflow, str], value: object
) -> None:
    workflow, name = one
    images = dict.fromkeys(workflow.required_images, "a.png")
    plain = workflow.build({}, images=images, prefix=PREFIX)
    takes = _request_takes(workflow, name, value)
    try:
        built = workflow.build({name: value}, images=images, prefix=PREFIX)
    except InvalidRequest as error:
        refused = error.field
    else:
        refused = None
        switches = [*workflow.manifest.switches, *_as_they_were(workflow)]
        assert set(changes(plain, built, switches)) <= set(workflow.inputs[name].into)
    assert refused in (None, name)
    assert refused is None if takes else refused == name or not str(value).strip()


def _as_they_were(workflow: Workflow) -> list[Switch]:
    """Links that are switched by default, and by another value are not."""
    return [
        switch.model_copy(update={"to": value_of(workflow.graph, switch.link)})
        for switch in workflow.manifest.switches
    ]


def _request_takes(workflow: Workflow, name: str, value: object) -> bool:
    """What the manifest's own request model says, which is pydantic's judgement. Of texts, it
    refuses some more: blank ones."""
    request = workflow.task_kind().request
    others = {"image_url": "asset:a", "prompt": "x"}
    try:
        request.model_validate({**others, name: value})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", BUILT_IN)
def test_our_manifests_take_what_the_catalogue_takes(kind: str) -> None:
    """Bounds and choices are told twice; here they are compared. Defaults are the manifest's."""
    ours = BUILT_IN[kind].task_kind().request.model_json_schema()["properties"]
    catalogue = KINDS[kind].request.model_json_schema()["properties"]
    assert set(ours) == set(catalogue) - {"vertical", "horizontal", "zoom"}
    for name, told in ours.items():
        if name != "prompt" or kind != "camera-angle":  # the pad's words come before the prompt
            assert _bounds(told) == _bounds(catalogue[name]), name
            assert name == "size" or catalogue[name].get("default") is None, name


def _bounds(told: dict[str, Any]) -> dict[str, Any]:
    typed = told["anyOf"][0] if "anyOf" in told else told
    keys = ("type", "minimum", "maximum", "exclusiveMinimum", "maxLength", "enum", "pattern")
    found = {key: typed[key] for key in keys if key in typed}
    found.setdefault("minimum", found.pop("exclusiveMinimum", None))
    return found


# --- Directed -----------------------------------------------------------------------------


def test_what_is_not_given_is_the_manifests_or_the_graphs() -> None:
    built = read().build(
        {"prompt": None, "steps": None}, images={"image_url": "a.png"}, prefix=PREFIX
    )
    changed = changes(GRAPH, built)
    assert changed == {
        "still.image": "a.png",
        "sampler.steps": 6,
        "sampler.scheduler": "beta",
        "save.filename_prefix": PREFIX,
    }
    assert lost(GRAPH, built) == {"light", "prompt.image2"}


SWITCH = """
[[switches]]
link = "sampler.negative"
to = ["still", 1]
when = { strength = 1.0 }
"""


@pytest.mark.parametrize(
    ("values", "switched"),
    [({}, True), ({"strength": 1.0}, True), ({"strength": 1}, True), ({"strength": 0.9}, False)],
)
def test_a_link_is_another_while_an_input_has_a_value(
    values: dict[str, object], switched: bool
) -> None:
    images = {"image_url": "a.png", "light_url": "b.png"}
    built = read(manifest=MANIFEST + SWITCH).build(values, images=images, prefix=PREFIX)
    assert built["sampler"]["inputs"]["negative"] == (["still", 1] if switched else ["prompt", 0])


def test_one_input_may_go_to_several_places() -> None:
    manifest = EDIT.manifest.model_dump(mode="json")
    manifest["inputs"]["steps"]["into"] = ["sampler.steps", "sampler.cfg"]
    del manifest["inputs"]["cfg"]
    manifest["switches"] = []
    both = Workflow("both", EDIT.graph, Manifest.model_validate(manifest))
    built = both.build({"steps": 9}, images={"image_url": "a.png"}, prefix=PREFIX)
    assert (built["sampler"]["inputs"]["steps"], built["sampler"]["inputs"]["cfg"]) == (9, 9)


@pytest.mark.parametrize(
    ("values", "images", "field"),
    [
        ({}, {}, "image_url"),
        ({}, {"light_url": "b.png"}, "image_url"),
        ({}, {"image_url": "a.png", "sampler": "x"}, "sampler"),
        ({}, {"image_url": "a.png", "prompt": "x"}, "prompt"),
        ({"image_url": "/etc/passwd"}, {"image_url": "a.png"}, "image_url"),
        ({"sampler.steps": 3}, {"image_url": "a.png"}, "sampler.steps"),
        ({"class_type": "x"}, {"image_url": "a.png"}, "class_type"),
    ],
)
def test_what_the_manifest_does_not_list_is_refused(
    values: dict[str, object], images: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read().build(values, images=images, prefix=PREFIX)
    assert caught.value.field == field


def test_a_workflow_is_never_changed_by_what_is_made_of_it() -> None:
    workflow = read()
    before = copy.deepcopy(dict(workflow.graph))
    images = {"image_url": "a.png", "light_url": "b.png"}
    built = workflow.build({"steps": 9}, images=images, prefix=PREFIX)
    for node in built.values():
        node["inputs"].clear()
        node["class_type"] = "Other"
    workflow.with_models({"checkpoint": "other.safetensors"})
    assert workflow.graph == before


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("prompt", ["x" * 200, "", "\x00", '["sampler", 0]'], ["x" * 201, 1, b"x", ["save", 0]]),
        ("seed", [0, 2**53 - 1], [-1, 2**53, 1.0, True, "1"]),
        ("steps", [1, 20], [0, 21, 10**400, 4.0, True, "4"]),
        ("strength", [0.1, 1, 1.0], [0.09, 1.01, float("nan"), float("inf"), 10**400, True, "1"]),
        ("scheduler", ["simple", "beta"], ["karras", "", 0, ["beta"]]),
    ],
)
def test_values_on_both_sides_of_every_bound(
    name: str, taken: list[object], refused: list[object]
) -> None:
    images = {"image_url": "a.png"}
    (pair,) = read().inputs[name].into
    node, field = pair.split(".")
    for value in taken:
        built = read().build({name: value}, images=images, prefix=PREFIX)
        assert built[node]["inputs"][field] is value
    for value in refused:
        with pytest.raises(InvalidRequest) as caught:
            read().build({name: value}, images=images, prefix=PREFIX)
        assert caught.value.field == name
        assert len(caught.value.detail) < 200
