"""Several faces of one still: what a request may say, and how its images are named."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from short_drama.domain.casting import images_of, numbers, plays_characters_alone, with_images
from short_drama.domain.kinds import KINDS

FULL = KINDS["full-face-swap"]
STILL = "asset:uploads/local/a.png"


def read(**fields: Any) -> dict[str, Any]:
    body = {"source_image_url": STILL, **fields}
    model = FULL.task_request.model_validate_json(json.dumps(body))
    return model.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "target_face_url"),
        ({"target_face_url": None}, "target_face_url"),
        ({"cast": {"0": "lin"}, "target_face_url": STILL}, "target_face_url"),
        ({"cast": {"0": "lin"}, "face_index": 0}, "face_index"),
        ({"cast": {"0": "lin"}, "size": "1280x720"}, "size"),
    ],
    ids=str,
)
def test_one_face_or_several_and_never_both(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**fields)
    (fault,) = caught.value.errors()
    assert (fault["type"], fault["ctx"]["field"]) == ("rule", field)


@pytest.mark.parametrize(
    "cast",
    [{}, {"01": "lin"}, {"-1": "lin"}, {"100": "lin"}, {"0": "Lin"}, {"0": ""}, {"0": "lin/0"},
     {"0": "asset://asset-1"}, {str(number): "lin" for number in range(11)}, ["lin"]],
    ids=str,
)  # fmt: skip
def test_a_cast_that_makes_no_sense_is_refused(cast: Any) -> None:
    with pytest.raises(ValidationError):
        read(cast=cast)


def test_a_cast_is_told_without_what_does_not_apply() -> None:
    told = read(cast={"2": "lin", "0": "character:zhou/2", "10": "https://x/y"})
    assert told["cast"] == {"2": "character:lin", "0": "character:zhou/2", "10": "https://x/y"}
    assert "face_index" not in told
    assert numbers(told) == [0, 2, 10]
    FULL.request.model_validate_json(json.dumps({k: v for k, v in told.items() if k != "labels"}))
    assert read(target_face_url=STILL)["face_index"] == 0


def test_images_are_named_by_their_fields() -> None:
    request = read(cast={"2": "lin", "0": "zhou"})
    assert images_of(request) == {
        "source_image_url": STILL, "cast.2": "character:lin", "cast.0": "character:zhou",
    }  # fmt: skip
    held = with_images(request, {"cast.2": "asset:x", "source_image_url": "asset:y"})
    assert held["cast"] == {"2": "asset:x", "0": "character:zhou"}
    assert held["source_image_url"] == "asset:y"
    assert request["cast"]["2"] == "character:lin"


def test_whose_consents_go_with_their_faces() -> None:
    assert plays_characters_alone({"target_face_url": "character:lin"})
    assert plays_characters_alone({"cast": {"0": "lin", "1": "character:zhou"}})
    assert not plays_characters_alone({"cast": {"0": "lin", "1": STILL}})
    assert not plays_characters_alone({"image_url": STILL})
