"""When a repeated submit is the same submit."""

from typing import Any

from pydantic import Field, create_model

from short_drama.domain.kinds import KINDS, TaskKind, task_kind
from short_drama.orchestrator.submit import _early_fingerprint, _fingerprint, _hash

SWAP = KINDS["face-swap"]
BODY = {"masked_image_url": "asset:a", "target_face_url": "asset:b"}


def of(kind: TaskKind, **changes: Any) -> str:
    return _fingerprint(kind, kind.task_request.model_validate(BODY | changes))


def newer() -> TaskKind:
    """As a later release may have it."""

    fields: dict[str, Any] = {
        "strength": (float, 1.0),
        "tags": (dict[str, str], Field(default_factory=dict)),
        "note": (str | None, None),
    }
    request = create_model("NewerRequest", __base__=SWAP.request, **fields)
    return task_kind(SWAP.name, SWAP.lane, request, SWAP.example)


def test_a_field_that_a_release_adds_changes_nothing() -> None:
    assert of(newer()) == of(SWAP)
    assert of(newer(), strength=0.5) != of(SWAP)


def test_a_default_in_words_is_the_same_as_none() -> None:
    ellipse = {"centre_x": 1.0, "centre_y": 1.0, "axis_x": 1.0, "axis_y": 1.0}
    assert of(SWAP, size="auto", labels={}, reuse=False, prompt=None) == of(SWAP)
    assert of(SWAP, ellipse={**ellipse, "angle": 0.0}) == of(SWAP, ellipse=ellipse)


def test_what_is_asked_for_counts() -> None:
    others: list[dict[str, Any]] = [
        {"reuse": True},
        {"labels": {"a": ""}},
        {"prompt": "x"},
        {"deadline_seconds": 9},
    ]
    assert len({of(SWAP), *(of(SWAP, **changes) for changes in others)}) == 5
    assert of(KINDS["face-swap"]) != of(task_kind("another", SWAP.lane, SWAP.request, {}))


def test_what_the_first_releases_recorded_is_known_again() -> None:
    """They hashed the whole body, with the defaults that they filled in."""
    recorded = {"masked_image_url": "asset:kept", "target_face_url": "asset:b", "size": "small"}
    then = _hash(SWAP, {**BODY, "size": "small", "labels": {}})
    for kind in (SWAP, newer()):
        again = kind.task_request.model_validate(BODY)
        assert _early_fingerprint(kind, again, recorded) == then
    other = SWAP.task_request.model_validate({**BODY, "size": "auto"})
    assert _early_fingerprint(SWAP, other, recorded) != then
