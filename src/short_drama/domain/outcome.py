"""What a job that succeeded has made."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

KEPT_KEYS: Final = ("mask_key", "frame_key")
"""What of the details are keys of pictures that were kept beside the result."""


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

    @property
    def keys(self) -> list[str]:
        """Of every picture that it names."""
        parts = [self.details, *self.details.get("cast", ())]
        named = [self.result_key, *(part.get(name) for part in parts for name in KEPT_KEYS)]
        return [key for key in named if key]

    def without_pictures(self) -> Self:
        """What may still be told once they are deleted."""
        details = {name: told for name, told in self.details.items() if name not in KEPT_KEYS}
        if "cast" in details:
            details["cast"] = [
                {name: told for name, told in part.items() if name not in KEPT_KEYS}
                for part in details["cast"]
            ]
        return replace(self, result_key=None, result_url=None, details=details)
