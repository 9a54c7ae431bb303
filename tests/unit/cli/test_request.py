"""Command-line words become the request that was meant."""

from pathlib import Path
from typing import Any

import pytest

from short_drama.cli.exits import EXIT_USAGE, Problem
from short_drama.cli.request import read_fields, read_images, read_pairs
from short_drama.domain.kinds import KINDS

EDIT, SWAP, MASK = KINDS["qwen-image-edit"], KINDS["full-face-swap"], KINDS["face-mask"]


@pytest.fixture
def still(tmp_path: Path) -> Path:
    file = tmp_path / "a=b.png"
    file.write_bytes(b"pixels")
    return file


def test_images_without_a_name_fill_the_fields_in_order() -> None:
    given = ["asset:uploads/1.png", "https://example.com/2.png?size=2"]
    assert read_images(EDIT, given, None) == {
        "image_url": "asset:uploads/1.png",
        "image2_url": "https://example.com/2.png?size=2",
    }


def test_a_name_says_which_field_with_or_without_its_url() -> None:
    given = ["image3=asset:3", "asset:1", "image2_url=asset:2"]
    assert read_images(EDIT, given, None) == {
        "image_url": "asset:1",
        "image2_url": "asset:2",
        "image3_url": "asset:3",
    }


def test_face_is_the_face_that_comes_in() -> None:
    assert read_images(SWAP, ["asset:still"], "asset:actor") == {
        "source_image_url": "asset:still",
        "target_face_url": "asset:actor",
    }


def test_a_file_is_a_path_even_with_an_equals_sign(still: Path) -> None:
    assert read_images(MASK, [str(still)], None) == {"image_url": still}


@pytest.mark.parametrize(
    ("kind", "images", "face"),
    [
        (MASK, ["asset:1", "asset:2"], None),
        (MASK, ["image=asset:1", "image_url=asset:2"], None),
        (SWAP, ["asset:1", "asset:2"], "asset:3"),
        (MASK, ["asset:1"], "asset:2"),
        (MASK, ["no/such/file.png"], None),
    ],
)
def test_images_that_fit_nowhere_are_refused_with_a_fix(
    kind: Any, images: list[str], face: str | None
) -> None:
    with pytest.raises(Problem) as refused:
        read_images(kind, images, face)
    assert refused.value.exit_code == EXIT_USAGE
    assert len(refused.value.message.splitlines()) == 2


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("steps=4", 4),
        ("cfg=1.5", 1.5),
        ("seed=null", None),
        ("prompt=12", "12"),  # a text field stays text
        ("prompt=a=b", "a=b"),
        ("sampler_name=euler", "euler"),
        ("steps=many", "many"),  # for the service to refuse
        ("tilt=3", "3"),
        ('labels={"episode": "3"}', {"episode": "3"}),
    ],
)
def test_values_have_the_type_their_field_takes(word: str, value: object) -> None:
    name = word.partition("=")[0]
    assert read_fields(EDIT, [word]) == {name: value}


def test_consent_is_an_object() -> None:
    word = 'consent={"granted_by": "Ann", "recorded_by": "Bo"}'
    consent = read_fields(SWAP, [word])["consent"]
    assert consent == {"granted_by": "Ann", "recorded_by": "Bo"}


def test_a_word_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(Problem, match="there is no = in it"):
        read_pairs("--label", ["episode"])
