"""Documentation of bodies that are read by hand, beside what FastAPI derives itself."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REF = "#/components/schemas/{model}"


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
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "parameters": [
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
            for name, text in (headers or {}).items()
        ],
    }


def document(app: FastAPI, models: Iterable[type[BaseModel]]) -> None:
    """Add the models' schemas to the app's components, once, when first asked for."""
    derive = app.openapi
    models = tuple(models)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _, definitions = models_json_schema(
                [(model, "validation") for model in models], ref_template=_REF
            )
            schemas = derive().setdefault("components", {}).setdefault("schemas", {})
            schemas |= definitions.get("$defs", {})
        return derive()

    app.openapi = openapi  # type: ignore[method-assign]
