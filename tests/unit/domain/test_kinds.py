"""The catalogue: what each kind takes, refuses and fills in."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.task_options import TaskOptions

IMAGE = "asset:uploads/local/a.png"
MINIMAL: dict[str, dict[str, Any]] = {
    "camera-angle": {"image_url": IMAGE, "zoom": 1},
    "qwen-image-edit": {"image_url": IMAGE, "prompt": "warmer"},
    "face-mask": {"image_url": IMAGE},
    "face-swap": {"masked_image_url": IMAGE, "target_face_url": IMAGE},
    "full-face-swap": {"source_image_url": IMAGE, "target_face_url": IMAGE},
}


def errors(kind: str, **changes: Any) -> list[tuple[str, str]]:
    """Where and what, for a minimal submit with changes."""
    body = json.dumps(MINIMAL[kind] | changes)
    try:
        KINDS[kind].task_request.model_validate_json(body)
    except ValidationError as error:
        return [(".".join(map(str, one["loc"])), one["type"]) for one in error.errors()]
    return []


def test_there_are_five_kinds_on_two_lanes() -> None:
    assert [kind.name for kind in KINDS.of(Lane.GPU)] == ["camera-angle", "qwen-image-edit"]
    assert [kind.name for kind in KINDS.of(Lane.CPU)] == [
        "face-mask",
        "face-swap",
        "full-face-swap",
    ]
    assert set(KINDS) == set(MINIMAL)


def test_the_queues_are_named_for_their_lanes() -> None:
    assert [(lane.queue, lane.dead_letter_queue, lane.visibility_seconds) for lane in Lane] == [
        ("gpu_tasks_queue", "gpu_tasks_dlq", 300.0),
        ("cpu_tasks_queue", "cpu_tasks_dlq", 600.0),
    ]


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_takes_its_minimum_and_its_own_example(name: str) -> None:
    assert errors(name) == []
    KINDS[name].task_request.model_validate(KINDS[name].example)
    assert KINDS[name].summary


@pytest.mark.parametrize("name", KINDS)
def test_image_fields_are_where_images_are(name: str) -> None:
    required = {field for field in MINIMAL[name] if field.endswith("_url")}
    assert required <= set(KINDS[name].image_fields)


@pytest.mark.parametrize("name", KINDS)
def test_unknown_and_missing_fields_are_refused(name: str) -> None:
    assert errors(name, colour="red") == [("colour", "extra_forbidden")]
    assert errors(name, **{KINDS[name].image_fields[0]: None}) != []


@pytest.mark.parametrize("name", KINDS)
def test_jobs_do_not_take_the_options_of_tasks(name: str) -> None:
    with pytest.raises(ValidationError):
        KINDS[name].request.model_validate(MINIMAL[name] | {"labels": {"a": "b"}})


@pytest.mark.parametrize(
    "reference", ["https://a/b.png", "http://a", "HTTPS://a", "s3://b/k", "asset:k"]
)
def test_what_an_image_reference_may_be(reference: str) -> None:
    assert errors("face-mask", image_url=reference) == []


@pytest.mark.parametrize(
    "reference",
    ["", "file:///etc/passwd", "ftp://a/b", "a.png", "asset:", "https://", "HTTPS//a",
     "data:image/png;base64,AAAA", "an https://a", "https:/a", "S3://b/k", "https://a/" * 300],
)  # fmt: skip
def test_what_an_image_reference_may_not_be(reference: str) -> None:
    assert [where for where, _ in errors("face-mask", image_url=reference)] == ["image_url"]


@pytest.mark.parametrize(
    ("kind", "field", "good", "bad"),
    [
        ("camera-angle", "vertical", [-2, 2], [-3, 3, 1.5, "1", True]),
        ("camera-angle", "horizontal", [-4, 4], [-5, 5]),
        ("camera-angle", "zoom", [-1, 1], [-2, 2]),
        ("camera-angle", "steps", [1, 50], [0, 51]),
        ("camera-angle", "seed", [0, 2**53 - 1], [-1, 2**53]),
        ("camera-angle", "prompt", ["x", "x" * 4000], ["", " \n", "x" * 4001]),
        ("qwen-image-edit", "cfg", [0, 20.0], [-0.1, 20.1]),
        ("qwen-image-edit", "denoise", [0.05, 1], [0, 0.04, 1.01]),
        ("qwen-image-edit", "sampler_name", ["euler"], ["best"]),
        ("qwen-image-edit", "scheduler", ["karras"], ["best"]),
        ("qwen-image-edit", "image2_url", [IMAGE], ["x"]),
        ("face-mask", "face_index", [0, 99], [-1, 100]),
        ("face-mask", "face_position_prompt", ["left"], [""]),
        ("face-swap", "size", ["auto", "64x64", "8192x4882"],
         ["63x64", "64x8193", "8192x4883", "64", "64*64", "AUTO", "064x0x", "as_input"]),
        ("camera-angle", "size", ["as_input", "model", "64x64", "4882x8192"],
         ["63x64", "64x8193", "4883x8192", "auto", "٦٤x٦٤"]),
        ("face-swap", "consent", [{"granted_by": "A", "recorded_by": "B"}],
         [{"granted_by": "A"}, {"granted_by": "", "recorded_by": "B"}, "yes",
          {"granted_by": "A", "recorded_by": "B", "evidence_sha256": "xyz"}]),
        ("face-mask", "deadline_seconds", [1, 345_600], [0, 345_601, 1.5]),
        ("face-mask", "labels", [{}, {"a": ""}, {"a": "x" * 256}],
         [{"a": "x" * 257}, {"": "x"}, {"a b": "x"}, {"a:b": "x"}, {"a": 1}, ["a"],
          {str(number): "" for number in range(21)}]),
    ],
)  # fmt: skip
def test_limits_of_a_field(kind: str, field: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert errors(kind, **{field: value}) == [], value
    for value in bad:
        found = errors(kind, **{field: value})
        assert found, value
        assert found[0][0].startswith(field), value


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(number: str) -> None:
    ellipse = {"centre_x": 0, "centre_y": 1, "axis_x": 1, "axis_y": 1}
    body = json.dumps(MINIMAL["face-swap"] | {"ellipse": ellipse}).replace("0", number, 1)
    with pytest.raises(ValidationError, match="centre_x"):
        KINDS["face-swap"].task_request.model_validate_json(body)


def test_a_camera_angle_needs_a_move() -> None:
    assert errors("camera-angle", zoom=0) == [("", "no_move")]
    assert errors("camera-angle", zoom=0, prompt="closer") == []


def test_only_face_swaps_take_consent() -> None:
    assert [name for name, kind in KINDS.items() if kind.is_face_swap] == [
        "face-swap",
        "full-face-swap",
    ]
    assert errors("face-mask", consent={"granted_by": "A", "recorded_by": "B"}) != []


def test_every_kind_takes_the_options() -> None:
    for kind in KINDS.values():
        assert set(TaskOptions.model_fields) <= set(kind.task_request.model_fields)
