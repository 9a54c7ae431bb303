"""What a job that succeeded has made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished job leaves behind in the record."""

    result_key: str | None = None
    result_url: str | None = None
    engine: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the engine says of its result: operations, ellipse, faces found, seed, warnings."""
    engine_seconds: float | None = None
    result: Mapping[str, int] | None = None
    """Of the result: width and height in pixels, and bytes."""
