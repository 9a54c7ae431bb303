"""Errors as problem documents."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.responses import JSONResponse

from short_drama.domain import errors as e
from short_drama.domain.kinds import KINDS
from short_drama.sdk.models import Problem
from short_drama.web.problems import MEDIA_TYPE, STATUS, invalid, problem


def body(answer: JSONResponse) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bytes(answer.body))
    return document


def fault(kind: str, **changes: Any) -> e.UserError:
    """What reading a request with one fault raises."""
    sent = {"image_url": "asset:k", "prompt": "x"} | changes
    with pytest.raises(ValidationError) as found:
        KINDS[kind].task_request.model_validate_json(json.dumps(sent))
    return invalid(found.value, known="The fields are: a, b.")


def test_every_leaf_has_a_status_and_nothing_else_has() -> None:
    assert set(STATUS) == set(e.leaves())


@pytest.mark.parametrize("leaf", e.leaves())
def test_a_document_has_the_members_of_the_rfc_and_ours(leaf: type[e.ShortDramaError]) -> None:
    answer = problem(leaf("what is wrong", fix="this"), instance="/api/v1/tasks")
    document = Problem.model_validate(body(answer))
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert (document.status, document.code) == (answer.status_code, leaf.code)
    assert document.type == f"/problems/{leaf.code}"
    assert (document.title, document.detail, document.fix) == (leaf.title, "what is wrong", "this")
    assert (document.instance, document.retryable) == ("/api/v1/tasks", leaf.retryable)


@pytest.mark.parametrize("leaf", e.leaves())
def test_the_family_decides_whose_fault_the_status_says_it_is(
    leaf: type[e.ShortDramaError],
) -> None:
    if issubclass(leaf, e.UserError):
        assert 400 <= STATUS[leaf] < 500
    elif issubclass(leaf, e.RetryableError):
        assert STATUS[leaf] in (429, 503)
        assert problem(leaf("later"), instance="/").headers["Retry-After"]


def test_members_that_do_not_apply_are_left_out() -> None:
    document = body(problem(e.TaskNotFound("none"), instance="/"))
    assert not {"field", "fix", "errors"} & set(document)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (e.Throttled("slow", after=7.4), "7"),
        (e.Throttled("slow", after=0.1), "1"),
        (e.Unavailable("down"), "2"),
        (e.EngineNotReady("no model"), "2"),
        (e.TaskConflict("ended"), None),
        (e.InternalError("bug"), None),
    ],
)
def test_a_503_says_when_to_come_back(error: e.ShortDramaError, seconds: str | None) -> None:
    assert problem(error, instance="/").headers.get("retry-after") == seconds


def test_a_missing_thing_the_request_names_is_the_requests_fault() -> None:
    assert problem(e.AssetNotFound("no"), instance="/").status_code == 404
    named = problem(e.AssetNotFound("no", field="image_url"), instance="/")
    assert (named.status_code, body(named)["status"]) == (422, 422)


# --- What pydantic finds ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "detail", "fix"),
    [
        ({"colour": 1}, "colour", "there is no such field", "The fields are: a, b."),
        ({"steps": 99}, "steps", "it should be less than or equal to 50", "you sent 99"),
        ({"steps": "8"}, "steps", "it should be a valid integer", "you sent '8'"),
        ({"prompt": "x" * 5000}, "prompt", "at most 4000 characters", "..."),
        ({"image_url": "file:///x"}, "image_url", "neither an http(s) URL", "you sent"),
        ({"labels": {"a b": "x"}}, "labels.a b", "has a space", "you sent 'a b'"),
    ],
)
def test_a_fault_names_its_field_what_is_wrong_and_what_to_do(
    changes: dict[str, Any], field: str, detail: str, fix: str
) -> None:
    error = fault("camera-angle", **changes)
    assert isinstance(error, e.InvalidRequest)
    assert error.field == field
    assert error.detail.startswith(f"{field}: ")
    assert detail in error.detail
    assert fix in (error.fix or "")
    assert len(error.fix or "") < 150


def test_a_missing_field_says_so() -> None:
    with pytest.raises(ValidationError) as found:
        KINDS["camera-angle"].task_request.model_validate_json('{"zoom": 1}')
    error = invalid(found.value)
    assert (error.detail, error.fix) == ("image_url: this field is required", "Add it.")


def test_every_fault_is_listed() -> None:
    error = fault("camera-angle", steps=99, zoom=9, colour=1)
    assert isinstance(error, e.InvalidRequest)
    assert {one["field"] for one in error.errors} == {"steps", "zoom", "colour"}
    document = body(problem(error, instance="/"))
    assert document["errors"] == list(error.errors)


def test_of_many_faults_the_first_are_listed() -> None:
    error = fault("camera-angle", **{f"f{number}": 1 for number in range(5000)})
    assert isinstance(error, e.InvalidRequest)
    assert len(error.errors) == 20
    assert error.detail.endswith("; and 4,980 more")
    assert len(bytes(problem(error, instance="/").body)) < 5_000


@pytest.mark.parametrize(
    "changes",
    [
        {"x" * 50_000: 1},
        {"labels": {"x y" * 20_000: "1"}},
        {"labels": {"x": [[["y" * 10_000] * 5] * 5] * 5}},
        {"image_url": ["x" * 10] * 5_000},
        {"image_url": {"x" * 50_000: {"y": {"z": {}}}}},
        {"steps": 10**4_000},
        {"prompt": "\U0001f600" * 10_000},
    ],
)
def test_what_was_sent_is_cut_before_it_is_shown(changes: dict[str, Any]) -> None:
    document = bytes(problem(fault("camera-angle", **changes), instance="/").body)
    assert len(document) < 2_000


def test_a_fault_of_the_whole_request_names_no_field() -> None:
    error = fault("camera-angle", prompt=None)
    assert error.field is None
    assert error.detail.startswith("give a prompt")
    assert error.fix


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b'{"a": 1,}', b'"\\ud800"'])
def test_what_is_not_json_is_malformed(text: bytes) -> None:
    with pytest.raises(ValidationError) as found:
        KINDS["camera-angle"].task_request.model_validate_json(text)
    error = invalid(found.value)
    assert isinstance(error, e.MalformedJson)
    assert error.fix
