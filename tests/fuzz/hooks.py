"""What no schema can say is put right in requests that are meant to be accepted.

A picture has to exist; a size has to suit the still; a cursor has to be one that a
list gave; a key belongs to one request. schemathesis loads this module, and judges each request
anew after it.
"""

import os
import uuid
from collections.abc import Mapping, MutableMapping
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

_STRANGE_HEADER = "x-schemathesis-unknown-property"
"""No fault: HTTP has whoever does not know a header ignore it."""


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    headers: MutableMapping[str, str] = case.headers or {}
    strange = headers.pop(_STRANGE_HEADER, None)
    if case.meta is None or not (strange or case.meta.generation.mode.is_positive):
        return
    if isinstance(case.body, Mapping) and case.media_type == "application/json":
        case.body = {name: _real(name, value) for name, value in case.body.items()}
    if case.query:
        case.query.pop("cursor", None)
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    if "Task-Labels" in headers:
        headers["Task-Labels"] = "e30="


def _real(name: str, value: Any) -> Any:
    image, face = os.environ["FUZZED_IMAGE"], os.environ["FUZZED_FACE"]
    match name, value:
        case ("size", str()) if "x" in value:
            return "256x256"
        case ("url", str()):
            return "https://hooks.example/told"
        case ("faces", list()):
            return [face if isinstance(one, str) else 1 for one in value]
        case ("cast", dict()):
            return dict.fromkeys(value, image)
        case (_, float()) if value.is_integer():
            return int(value)  # the same number to JSON Schema, and a fraction to who is strict
    return image if name.endswith("_url") and value is not None else value
