"""Rules of a manifest: what its kind refuses, and what a warm-up keeps to."""

import pytest
from pydantic import ValidationError

from short_drama.comfyui_api.workflows.defaults import fewest_steps
from short_drama.comfyui_api.workflows.library import BUILT_IN, MODEL_SETS, library
from short_drama.comfyui_api.workflows.workflow import Workflow
from tests.unit.comfyui_api.workflows.samples import MANIFEST, read

RULE = """
[[rules]]
when = {scheduler = ["simple"]}
minimum = {steps = 3, strength = 0.5}
because = "the picture is black"
"""
STILL = {"image_url": "asset:k", "prompt": "x"}


def fewest(workflow: Workflow) -> int | None:
    return fewest_steps(workflow.kind, workflow.graph, workflow.manifest)


def test_a_kind_refuses_what_its_manifests_rules_do() -> None:
    kind = read(manifest=MANIFEST + RULE).task_kind()
    for model in (kind.request, kind.task_request):
        with pytest.raises(ValidationError, match="steps: with scheduler simple") as refused:
            model.model_validate({**STILL, "scheduler": "simple", "steps": 2})
        assert refused.value.errors()[0]["ctx"]["fix"] == "Give 3 or more, or another scheduler."
        model.model_validate({**STILL, "scheduler": "simple", "steps": 3})
        schema = model.model_json_schema()
        assert schema["description"] == (
            "Light a still anew. With scheduler simple, steps is 3 or more and strength is 0.5 or "
            "more."
        )


def test_a_warm_up_takes_the_fewest_steps_that_give_a_picture() -> None:
    assert fewest(read()) == 1
    by_default = RULE.replace("simple", "beta").replace(", strength = 0.5", "")
    assert fewest(read(manifest=MANIFEST + by_default)) == 3


@pytest.mark.parametrize("kind", BUILT_IN)
@pytest.mark.parametrize("model_set", MODEL_SETS)
def test_ours_warm_up_in_one_step(kind: str, model_set: str) -> None:
    assert fewest(library(None, {}, model_set=model_set)[kind]) == 1
