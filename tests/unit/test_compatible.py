"""Additions are fine; removals and narrowings are named."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.openapi.compatible import broken

Change = Callable[[dict[str, Any]], Any]
OLD: dict[str, Any] = {
    "paths": {
        "/tasks": {
            "post": {
                "parameters": [
                    {"in": "header", "name": "Prefer", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}
                },
                "responses": {
                    "202": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Out"}}
                        }
                    },
                    "422": {},
                },
            },
            "get": {"responses": {"200": {}}},
        }
    },
    "components": {
        "schemas": {
            "In": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": {"type": "string", "maxLength": 100},
                    "steps": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
                    "size": {"type": "string", "enum": ["model", "as_input"]},
                },
            },
            "Out": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "eta": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                    "next": {"$ref": "#/components/schemas/Out"},
                },
            },
        }
    },
}


def changed(change: Change) -> list[str]:
    new = copy.deepcopy(OLD)
    change(new)
    return broken(OLD, new)


def post(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/tasks"]["post"]
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def field(document: dict[str, Any], name: str, of: str) -> dict[str, Any]:
    found: dict[str, Any] = schema(document, name)["properties"][of]
    return found


OPTIONAL = {"in": "query", "name": "wait", "schema": {"type": "number"}}


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        lambda new: new["paths"].update({"/characters": {"get": {"responses": {}}}}),
        lambda new: post(new)["parameters"].append(OPTIONAL),
        lambda new: post(new)["responses"].update({"403": {}}),
        lambda new: post(new)["responses"].pop("422"),
        lambda new: schema(new, "In")["properties"].update(cast={"type": "object"}),
        lambda new: schema(new, "In").pop("required"),
        lambda new: field(new, "In", "image").update(maxLength=200),
        lambda new: field(new, "In", "size")["enum"].append("4k"),
        lambda new: field(new, "In", "steps")["anyOf"].append({"type": "string"}),
        lambda new: schema(new, "Out")["properties"].update(owner={"type": "string"}),
        lambda new: schema(new, "Out")["required"].append("next"),
        lambda new: field(new, "Out", "eta")["anyOf"].pop(),
    ],
)
def test_what_gives_more_is_no_break(change: Change) -> None:
    assert changed(change) == []


@pytest.mark.parametrize(
    ("pattern", "is_broken"),
    [
        ("^(https?://|asset:|task:).", False),
        ("^(asset:|https?://).", False),
        ("^(https?://).", True),
        ("^(https?://|asset:).$", True),
        ("https?://|asset:|task:", True),
        ("^((https?://|asset:).)", True),
    ],
)
def test_a_pattern_may_begin_with_more_alternatives(pattern: str, is_broken: bool) -> None:
    old, new = copy.deepcopy(OLD), copy.deepcopy(OLD)
    field(old, "In", "image")["pattern"] = "^(https?://|asset:)."
    field(new, "In", "image")["pattern"] = pattern
    assert bool(broken(old, new)) == is_broken


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda new: new["paths"].pop("/tasks"), "GET /tasks is gone"),
        (lambda new: new["paths"]["/tasks"].pop("get"), "GET /tasks is gone"),
        (lambda new: post(new)["parameters"].pop(), "no longer takes header Prefer"),
        (
            lambda new: post(new)["parameters"].append(OPTIONAL | {"required": True}),
            "now requires query wait",
        ),
        (
            lambda new: post(new)["parameters"][0]["schema"].update(pattern="^wait"),
            "header Prefer now has another pattern",
        ),
        (lambda new: post(new)["requestBody"].update(required=True), "now requires a body"),
        (lambda new: post(new)["requestBody"]["content"].clear(), "application/json is gone"),
        (lambda new: post(new)["responses"].pop("202"), "no longer answers 202"),
        (lambda new: schema(new, "In")["required"].append("size"), "now requires size"),
        (lambda new: schema(new, "In")["properties"].pop("size"), "size is gone"),
        (lambda new: field(new, "In", "image").update(maxLength=50), "now has maxLength 50"),
        (lambda new: field(new, "In", "image").update(minLength=1), "now has minLength 1"),
        (lambda new: field(new, "In", "image").update(type="integer"), "is of another type"),
        (lambda new: field(new, "In", "size")["enum"].pop(), "no longer takes 'as_input'"),
        (
            lambda new: field(new, "In", "steps")["anyOf"][0].update(minimum=4),
            "integer is no alternative",
        ),
        (lambda new: field(new, "In", "steps")["anyOf"].pop(), "null is no alternative"),
        (lambda new: schema(new, "Out")["properties"].pop("eta"), "eta is gone"),
        (lambda new: schema(new, "Out").pop("required"), "id may be missing now"),
        (lambda new: field(new, "Out", "id").update(type="integer"), "is of another type"),
        (
            lambda new: field(new, "Out", "eta")["anyOf"].append({"type": "string"}),
            "string is no alternative",
        ),
    ],
)
def test_what_takes_something_away_is_named(change: Change, told: str) -> None:
    (found,) = [each for each in changed(change) if told in each]
    assert "/tasks" in found
