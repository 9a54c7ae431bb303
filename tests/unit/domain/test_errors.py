"""The error tree, and failures on the wire."""

import json
from typing import Any

import pytest

from short_drama.domain import errors as e
from short_drama.domain.failure import Failure

LEAVES = e.leaves()
FAMILIES = (e.UserError, e.RetryableError, e.PermanentError)


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_belongs_to_one_family(leaf: type[e.ShortDramaError]) -> None:
    assert sum(issubclass(leaf, family) for family in FAMILIES) == 1
    assert leaf.retryable == issubclass(leaf, e.RetryableError)


def test_codes_are_unique_and_named_for_programs() -> None:
    codes = [leaf.code for leaf in LEAVES]
    assert len(codes) == len(set(codes))
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
    assert "error" not in codes
    assert all(leaf.title != e.ShortDramaError.title for leaf in LEAVES)


def test_the_first_field_named_stays() -> None:
    assert e.UrlRefused("no").about("image_url").field == "image_url"
    assert e.UrlRefused("no", field="image2_url").about("image_url").field == "image2_url"


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_failure_says_what_the_error_says(leaf: type[e.ShortDramaError]) -> None:
    failure = Failure.of(leaf("what", field="image_url", fix="this"))
    assert (failure.code, failure.message, failure.retryable, failure.field, failure.fix) == (
        leaf.code,
        "what",
        leaf.retryable,
        "image_url",
        "this",
    )
    assert Failure.from_json(json.loads(json.dumps(failure.to_json()))) == failure


def test_a_failure_keeps_how_long_to_wait() -> None:
    assert Failure.of(e.Throttled("slow down", after=7.0)).after == 7.0


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        ({}, Failure(code="internal_error", message="")),
        ({"code": "x", "message": "y", "colour": 1}, Failure(code="x", message="y")),
        ({"code": 5, "message": None}, Failure(code="5", message="None")),
        ({"code": "x", "message": "y", "after": "soon"}, Failure(code="x", message="y")),
        ({"code": "x", "message": "y", "after": 3}, Failure(code="x", message="y", after=3)),
    ],
)
def test_another_writers_failure_is_read_leniently(data: dict[str, Any], failure: Failure) -> None:
    assert Failure.from_json(data) == failure
