"""Workflows run on servers whose nodes have changed since they were exported."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from short_drama.comfyui_api.workflows import node_info
from short_drama.comfyui_api.workflows.check import faults
from short_drama.comfyui_api.workflows.fit import fit
from short_drama.comfyui_api.workflows.library import BUILT_IN, library
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.errors import InvalidRequest
from tests.unit.comfyui_api.workflows.samples import (
    GRAPH,
    MANIFEST,
    Graph,
    object_info,
    read,
)

FORMATS: list[Any] = [
    "COMFY_DYNAMICCOMBO_V3",
    {
        "options": [
            {"key": "png", "inputs": {"required": {"bit_depth": [["8-bit", "16-bit"], {}]}}},
            {"key": "exr", "inputs": {"required": {"bit_depth": [["32-bit float"], {}]}}},
        ]
    },
]


def requiring(node_class: str, **specs: Any) -> dict[str, Any]:
    """A server of which one class requires more."""
    known = object_info()
    known[node_class]["input"]["required"] |= specs
    return known


def inputs(workflow: Workflow, node: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = workflow.graph[node]["inputs"]
    return found


@pytest.mark.parametrize(
    ("spec", "filled"),
    [
        (["INT", {"default": 1, "min": 1, "max": 256}], 1),
        (["INT", {"default": 0}], 0),
        (["FLOAT", {"default": 0.5}], 0.5),
        (["BOOLEAN", {"default": False}], False),
        (["STRING", {"default": "", "multiline": True}], ""),
        ([["nearest", "lanczos"]], "nearest"),
        ([["nearest", "lanczos"], {"default": "lanczos"}], "lanczos"),
        (["COMBO", {"options": ["a", "b"], "default": "b"}], "b"),
        (["COMBO", {"options": ["a", "b"]}], "a"),
        (["COMBO", {"options": ["a", "b"], "default": "gone"}], "a"),
        ([["a", "b"], {"default": "gone"}], "a"),
    ],
)
def test_a_required_input_that_the_graph_lacks_is_filled_in(spec: Any, filled: object) -> None:
    known = requiring("VAEEncode", tiling=spec)
    assert [fault.node for fault in faults(read(), known)] == ["latent"]
    fitted = fit(read(), known)
    assert inputs(fitted, "latent")["tiling"] == filled
    assert type(inputs(fitted, "latent")["tiling"]) is type(filled)
    assert faults(fitted, known) == []


@pytest.mark.parametrize(
    "spec", [["MODEL", {}], ["IMAGE"], ["INT", {"min": 1}], [[]], ["COMBO", {"options": []}]]
)
def test_what_nobody_can_know_stays_a_fault(spec: Any) -> None:
    known = requiring("VAEEncode", more=spec)
    fitted = fit(read(), known)
    assert "more" not in inputs(fitted, "latent")
    assert "latent.more" in faults(fitted, known)[0].message


def test_what_the_graph_gives_is_kept() -> None:
    known = requiring("KSampler", steps=["INT", {"default": 20}], model=["MODEL"])
    assert fit(read(), known).graph == read().graph


def test_a_choice_brings_its_own_inputs() -> None:
    known = requiring("VAEEncode", format=FORMATS)
    fitted = fit(read(), known)
    assert inputs(fitted, "latent").items() >= {
        "format": "png", "format.bit_depth": "8-bit",
    }.items()  # fmt: skip
    assert faults(fitted, known) == []
    chosen = copy.deepcopy(GRAPH)
    chosen["latent"]["inputs"]["format"] = "exr"
    assert inputs(fit(read(chosen), known), "latent")["format.bit_depth"] == "32-bit float"


def test_so_does_a_choice_within_a_choice() -> None:
    how = {"key": "how", "inputs": {"required": {"format": FORMATS, "depth": ["INT", {}]}}}
    known = requiring("VAEEncode", tiling=["COMFY_DYNAMICCOMBO_V3", {"options": [how]}])
    assert inputs(fit(read(), known), "latent").items() >= {
        "tiling": "how", "tiling.format": "png", "tiling.format.bit_depth": "8-bit",
    }.items()  # fmt: skip


def test_the_workflow_that_was_read_is_left_as_it_was() -> None:
    workflow = read()
    before = copy.deepcopy(dict(workflow.graph))
    fit(workflow, requiring("VAEEncode", more=["INT", {"default": 1}]))
    assert workflow.graph == before


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"input": "none", "output": 1},
        {"input": {"required": ["pixels", "vae"]}},
        {"input": {"required": {"pixels": "IMAGE", "vae": [], "more": None}}},
        {"input": {"required": {"more": ["COMFY_DYNAMICCOMBO_V3", {"options": ["a", None]}]}}},
    ],
)
def test_a_node_that_says_nonsense_of_itself_breaks_nothing(told: dict[str, Any]) -> None:
    known = object_info() | {"VAEEncode": told}
    fitted = fit(read(), known)
    assert inputs(fitted, "latent").keys() == {"pixels", "vae"}
    assert {fault.node for fault in faults(fitted, known)} <= {"latent", "sampler"}


# --- What a server no longer has ----------------------------------------------------------


def with_norm(manifest: str = "") -> Workflow:
    """The model goes through a CFGNorm, of which the graph gives an input that is not old."""
    graph = copy.deepcopy(GRAPH)
    graph["norm"] = {
        "class_type": "CFGNorm",
        "inputs": {"model": ["checkpoint", 0], "strength": 1.0, "pre_cfg": True},
    }
    graph["sampler"]["inputs"]["model"] = ["norm", 0]
    return read(graph, f"{manifest}\n{MANIFEST}")


def test_an_input_that_the_server_no_longer_has_is_left_out_where_it_is_optional() -> None:
    known = object_info()
    assert "pre_cfg" not in node_info.inputs(known["CFGNorm"])
    assert [fault.node for fault in faults(fit(with_norm(), known), known)] == ["norm"]
    fitted = fit(with_norm('optional = ["norm.pre_cfg"]'), known)
    assert dict(inputs(fitted, "norm")) == {"model": ["checkpoint", 0], "strength": 1.0}
    assert faults(fitted, known) == []
    known["CFGNorm"]["input"]["optional"] = {"pre_cfg": ["BOOLEAN", {"default": False}]}
    assert inputs(fit(with_norm('optional = ["norm.pre_cfg"]'), known), "norm")["pre_cfg"] is True


def test_a_node_that_the_server_no_longer_has_is_bypassed_where_it_is_optional() -> None:
    known = object_info()
    del known["CFGNorm"]
    assert [fault.node for fault in faults(fit(with_norm(), known), known)] == ["norm"]
    fitted = fit(with_norm('optional = ["norm"]'), known)
    assert "norm" not in fitted.graph
    assert inputs(fitted, "sampler")["model"] == ["checkpoint", 0]
    assert faults(fitted, known) == []
    assert "norm" in fit(with_norm('optional = ["norm"]'), object_info()).graph


def test_a_node_and_an_input_of_it_may_both_be_optional() -> None:
    known = object_info()
    optional = 'optional = ["norm", "norm.pre_cfg"]'
    assert "pre_cfg" not in inputs(fit(with_norm(optional), known), "norm")
    del known["CFGNorm"]
    assert "norm" not in fit(with_norm(optional), known).graph


@pytest.mark.parametrize(
    ("optional", "why"),
    [
        ("nowhere", "the graph has no nowhere"),
        ("norm.colour", "the graph has no norm.colour"),
        ("sampler", "sampler is used by the manifest"),
        ("save", "save is used by the manifest"),
        ("sampler.seed", "sampler.seed is used by the manifest"),
        ("checkpoint", "checkpoint is used by the manifest"),
    ],
)
def test_what_cannot_be_optional_is_refused(optional: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        with_norm(f'optional = ["{optional}"]')


@pytest.mark.parametrize(
    ("link", "to", "optional"),
    [
        ("sampler.model", "norm", "norm"),
        ("norm.model", "checkpoint", "norm"),
        ("norm.model", "checkpoint", "norm.model"),
    ],
)
def test_what_a_switch_needs_cannot_be_optional(link: str, to: str, optional: str) -> None:
    switch = f'link = "{link}", to = ["{to}", 0], when = {{ scheduler = "beta" }}'
    with pytest.raises(InvalidRequest, match=f"{optional} is used by the manifest"):
        with_norm(f'optional = ["{optional}"]\nswitches = [{{ {switch} }}]')


# --- The result ---------------------------------------------------------------------------


def saving(**given: object) -> Graph:
    graph = copy.deepcopy(GRAPH)
    graph["save"]["class_type"] = "SaveImageAdvanced"
    graph["save"]["inputs"] |= given
    return graph


def test_todays_exports_save_with_another_node() -> None:
    known = object_info()
    known["SaveImageAdvanced"] = copy.deepcopy(known["SaveImage"])
    known["SaveImageAdvanced"]["input"]["required"]["format"] = FORMATS
    fitted = fit(read(saving()), known)
    assert inputs(fitted, "save")["format"] == "png"
    assert faults(fitted, known) == []
    assert read(saving(**{"format": "png", "format.bit_depth": "16-bit"}))


def test_a_result_that_is_no_png_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="save saves 'exr'"):
        read(saving(format="exr"))


@pytest.mark.parametrize("kind", BUILT_IN)
def test_our_own_workflows_are_what_they_are_on_a_server_that_they_were_made_for(kind: str) -> None:
    workflow = library(None, {})[kind]
    assert fit(workflow, object_info()).graph == workflow.graph
