"""What no schema can say is put right in requests that are meant to be accepted.

A picture has to exist; a size has to suit the still; a cursor has to be one that a
list gave; a key belongs to one request. schemathesis loads this module, and judges each request
anew after it.
"""

import os
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

_STRANGE_HEADER = "x-schemathesis-unknown-property"
"""No fault: HTTP has whoever does not know a header ignore it."""

IMAGE, FACE = (os.environ.get(f"FUZZED_{what}", "") for what in ("IMAGE", "FACE"))
_REAL: Mapping[str, Callable[[Any], Any]] = {
    "url": lambda _: "https://studio.example/hooks",
    "faces": lambda value: [FACE if isinstance(one, str) else 1 for one in value],
    "cast": lambda value: dict.fromkeys(value, IMAGE),
    "consent": lambda value: {name: _real(name, told) for name, told in value.items()},
    "until": lambda _: None,  # no schema says that it is after `from`
    "size": lambda value: "256x256" if "x" in value else value,
}
"""What fields are made of that are not empty."""


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
    if name.endswith("_url") and value is not None:
        return IMAGE
    if name in _REAL and value:
        return _REAL[name](value)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # the same number to JSON Schema, and a fraction to whoever is strict
    return value
