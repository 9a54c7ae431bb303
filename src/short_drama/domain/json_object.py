"""JSON that somebody else wrote."""

import json
from typing import Any


def json_object(data: bytes | str | None) -> dict[str, Any] | None:
    """None for what is not JSON, not UTF-8, no object, or nested deeper than Python reads."""
    try:
        found = json.loads(data or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
