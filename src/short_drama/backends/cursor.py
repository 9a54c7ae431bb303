"""A place in a list of tasks, newest first, as an opaque word for clients to pass back."""

import base64
import binascii

from short_drama.domain.errors import InvalidRequest


def write_cursor(created_at: float, name: str) -> str:
    return base64.urlsafe_b64encode(f"{created_at!r} {name}".encode()).decode()


def read_cursor(cursor: str) -> tuple[float, str]:
    """Raises InvalidRequest."""
    try:
        created_at, name = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return float(created_at), name
    except (ValueError, binascii.Error) as error:
        raise not_ours() from error


def not_ours() -> InvalidRequest:
    return InvalidRequest(
        "the cursor is not one of ours", field="cursor", fix="Pass next_cursor as it came."
    )
