"""Values that are each allowed, and together are not."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from short_drama.domain.kinds import KINDS, LEAST_DENOISE, QwenImageEditRequest
from short_drama.domain.rules import Rule, Ruled

RULE = Rule(
    when={"scheduler": ["kl_optimal"], "sampler": ["a", "b"]}, minimum={"steps": 2}, because="x"
)
STILL = {"image_url": "asset:k", "prompt": "x"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"scheduler": "kl_optimal", "sampler": "a", "steps": 1}, "steps"),
        ({"scheduler": "kl_optimal", "sampler": "a", "steps": 2}, None),
        ({"scheduler": "kl_optimal", "sampler": "c", "steps": 1}, None),
        ({"scheduler": "beta", "sampler": "a", "steps": 1}, None),
        ({"sampler": "a", "steps": 1}, None),
        ({"scheduler": "kl_optimal", "sampler": "a", "steps": None}, None),
    ],
)
def test_a_rule_is_broken_by_a_field_that_is_too_small(
    values: dict[str, object], field: str | None
) -> None:
    assert RULE.broken_by(values) == field


def edit(**values: Any) -> QwenImageEditRequest:
    return TypeAdapter(QwenImageEditRequest).validate_python({**STILL, **values})


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": 1, "scheduler": "kl_optimal"}, "steps"),
        ({"denoise": 0.2, "scheduler": "karras", "sampler_name": "deis"}, "denoise"),
        ({"denoise": 0.2, "scheduler": "exponential", "sampler_name": "uni_pc"}, "denoise"),
    ],
)
def test_combinations_that_give_no_picture_are_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        edit(**values)
    (error,) = refused.value.errors()
    assert (error["type"], error["ctx"]["field"]) == ("rule", field)
    assert all(str(value) in error["msg"] for value in values.values() if isinstance(value, str))


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 2, "scheduler": "kl_optimal"},
        {"steps": 1},
        {"denoise": 0.25, "scheduler": "karras", "sampler_name": "deis"},
        {"denoise": LEAST_DENOISE, "scheduler": "beta", "sampler_name": "deis"},
    ],
)
def test_their_neighbours_are_not(values: dict[str, Any]) -> None:
    edit(**values)


@pytest.mark.parametrize("denoise", [0.0, 1e-9, 0.04])
def test_no_schedule_is_longer_than_a_model_tells_apart(denoise: float) -> None:
    with pytest.raises(ValidationError, match="denoise"):
        edit(denoise=denoise)


@pytest.mark.parametrize("model", [QwenImageEditRequest, KINDS["qwen-image-edit"].task_request])
def test_the_schema_says_the_rules(model: type[Ruled]) -> None:
    schema = model.model_json_schema()
    assert "With scheduler kl_optimal, steps is 2 or more." in schema["description"]
    assert schema["allOf"][0]["then"] == {"properties": {"steps": {"minimum": 2}}}
    assert len(schema["allOf"]) == len(QwenImageEditRequest.rules)
