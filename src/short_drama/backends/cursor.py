"""A place in a list of tasks as an opaque word for clients to pass back."""

import base64
import binascii
import json
import math
from collections.abc import Sequence

from short_drama.domain.errors import InvalidRequest


def write_cursor(created_at: float, name: str) -> str:
    return _opaque(f"{created_at!r} {name}")


def read_cursor(cursor: str) -> tuple[float, str]:
    """Raises InvalidRequest."""
    try:
        created_at, name = _text(cursor).split(" ")
    except ValueError as error:
        raise not_ours() from error
    return read_moment(created_at), name


def write_places(*parts: str | float) -> str:
    """Of a list in another order than by time alone; of two parts as `write_cursor`."""
    if len(parts) == 2 and isinstance(parts[0], float):
        return write_cursor(parts[0], str(parts[1]))
    return _opaque(json.dumps([one if isinstance(one, str) else repr(one) for one in parts]))


def read_places(cursor: str, count: int) -> Sequence[str]:
    """Raises InvalidRequest."""
    try:
        parts = json.loads(_text(cursor))
    except (ValueError, RecursionError) as error:
        raise not_ours() from error
    if not isinstance(parts, list) or len(parts) != count:
        raise not_ours()
    if not all(isinstance(one, str) for one in parts):
        raise not_ours()
    return parts


def read_moment(text: str) -> float:
    """Raises InvalidRequest."""
    try:
        moment = float(text)
    except ValueError as error:
        raise not_ours() from error
    if math.isnan(moment):
        raise not_ours()
    return moment


def not_ours() -> InvalidRequest:
    return InvalidRequest(
        "the cursor is not one of ours", field="cursor", fix="Pass next_cursor as it came."
    )


def _opaque(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _text(cursor: str) -> str:
    """Raises InvalidRequest."""
    try:
        return base64.urlsafe_b64decode(cursor).decode()
    except (ValueError, binascii.Error) as error:
        raise not_ours() from error
