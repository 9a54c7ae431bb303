"""Documentation of bodies that are read by hand, beside what FastAPI derives itself."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from short_drama.web.body import MAX_KEY_LENGTH
from short_drama.web.door import needed

_REF = "#/components/schemas/{model}"
_MEANS = {
    403: "The key, or the person whose face it is, does not allow this",
    404: "There is no such thing",
    409: "Its state does not allow this",
    413: "The body is larger than the limit that the problem names",
    422: "Something in the request is wrong: the problem names the field and the fix",
    429: "Too many tasks are under way: ask again after Retry-After seconds",
    507: "All uploads together take as much as they may: a person, or a day, makes room",
    503: "Not at the moment: ask again after Retry-After seconds",
}


_SHAPES: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
    "Task-Attempt": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10**11},
    "Task-Created-At": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**11},
}
"""Of headers that are read by hand."""


def operation(
    model: type[BaseModel],
    *,
    example: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """For `openapi_extra`: the body is this model, whose schema `document` adds.

    Args:
        headers: optional request headers, each with what it is for.
    """
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(model=model.__name__)}}
    if example is not None:
        content["example"] = dict(example)
    body = {"requestBody": {"required": True, "content": {"application/json": content}}}
    return body | bodiless(headers or {})


def bodiless(headers: Mapping[str, str]) -> dict[str, Any]:
    """As `operation`, for a request without a body."""
    return {
        "parameters": [
            {"name": name, "in": "header", "description": text, "schema": _shape(name)}
            for name, text in headers.items()
        ]
    }


def _shape(header: str) -> dict[str, Any]:
    return _SHAPES.get(header, {"type": "string"})


def document(
    app: FastAPI,
    models: Iterable[type[BaseModel]],
    *,
    choices: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Complete the app's OpenAPI document, once, when first asked for.

    Args:
        choices: the values that parameters of these names may have.

    The models' schemas are added, and FastAPI's own shape of validation errors, which this
    product never answers, is replaced by the `Problem` that the app's routes declare.
    """
    derive = app.openapi
    models = tuple(models)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _, definitions = models_json_schema(
                [(model, "validation") for model in models], ref_template=_REF
            )
            derived = derive()
            schemas = derived.setdefault("components", {}).setdefault("schemas", {})
            schemas |= definitions.get("$defs", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            _answer_problems(derived)
            _shape_parameters(derived, choices or {})
            _name_keys(derived, demanded=app.state.demands_keys)
        return derive()

    app.openapi = openapi  # type: ignore[method-assign]


def _answer_problems(document: dict[str, Any]) -> None:
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}}
    for path in document["paths"].values():
        for each in path.values():
            for status, response in each["responses"].items():
                if int(status) >= 400:
                    response |= {"description": _MEANS[int(status)], "content": content}
            each["responses"]["default"] = {"description": "A problem", "content": content}


def _shape_parameters(document: dict[str, Any], choices: Mapping[str, Iterable[str]]) -> None:
    """A parameter that may be left out is derived as one that may be null, which no address and no
    header can say."""
    for path in document["paths"].values():
        for each in path.values():
            for parameter in each.get("parameters", ()):
                schema = parameter["schema"]
                kept = [one for one in schema.pop("anyOf", ()) if one != {"type": "null"}]
                schema |= kept[0] if len(kept) == 1 else {"anyOf": kept} if kept else {}
                if parameter["name"] in choices:
                    schema.get("items", schema)["enum"] = list(choices[parameter["name"]])


_KEY: dict[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `short-drama keys create`: sd_..., needed unless the service says "
    "otherwise.",
}


def _name_keys(document: dict[str, Any], *, demanded: bool) -> None:
    """What the door asks of each operation. Optional is a key for what is open to everybody, and
    tells more to whoever brings one; and for all where none is demanded."""
    document["components"]["securitySchemes"] = {"key": _KEY}
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            _, scope = needed(method.upper(), path)
            each["security"] = [{"key": []}] if demanded and scope else [{}, {"key": []}]
