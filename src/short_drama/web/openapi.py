"""Documentation of bodies that are read by hand, beside what FastAPI derives itself."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REF = "#/components/schemas/{model}"
_MEANS = {
    404: "There is no such thing",
    409: "Its state does not allow this",
    413: "The body is larger than the limit that the problem names",
    422: "Something in the request is wrong: the problem names the field and the fix",
    429: "Too many tasks are under way: ask again after Retry-After seconds",
    503: "Not at the moment: ask again after Retry-After seconds",
}


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
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ]
    }


def document(app: FastAPI, models: Iterable[type[BaseModel]]) -> None:
    """Complete the app's OpenAPI document, once, when first asked for.

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
