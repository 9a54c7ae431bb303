"""Read a JSON body into a model, within limits."""

import io
from collections.abc import AsyncGenerator
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from short_drama import tracing
from short_drama.domain.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType
from short_drama.web.clients import site_of
from short_drama.web.problems import invalid

MAX_KEY_LENGTH = 255

Model = TypeVar("Model", bound=BaseModel)

MAX_JSON_BYTES = 64 * 1024
"""Twice what the longest request needs; reading it takes the event loop milliseconds."""
_ELSEWHERE = "Upload images to /api/v1/assets and refer to them by their key."


async def read_json(request: Request, model: type[Model]) -> Model:
    """Raises UnsupportedMediaType, BodyTooLarge, MalformedJson or InvalidRequest."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(
            f"the body's content type is {media_type[:80]!r}",
            fix="Send JSON with the header Content-Type: application/json.",
        )
    fix = "Upload images to /api/v1/assets and refer to them by their key."
    data = await read_limited(request, MAX_JSON_BYTES, fix=fix)
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        known = f"The fields are: {', '.join(model.model_fields)}."
        raise invalid(error, known=known) from None


async def read_limited(request: Request, limit: int, *, fix: str = _ELSEWHERE) -> bytes:
    """The whole body, at most `limit` bytes. Raises BodyTooLarge without reading the rest."""
    data = io.BytesIO()
    async for chunk in limited(request, limit, fix=fix):
        data.write(chunk)
    return data.getvalue()  # its own buffer, not a copy


async def limited(request: Request, limit: int, *, fix: str) -> AsyncGenerator[bytes, None]:
    """The body as it arrives. Raises BodyTooLarge, at once if the request says how large it is."""
    length = request.headers.get("content-length", "")
    size = int(length[:18]) if length.isdecimal() else 0  # more digits are too many bytes anyway
    if size <= limit:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                break
            yield chunk
    if size > limit:
        raise BodyTooLarge(
            f"the body is larger than the limit of {limit:,} bytes",
            fix=fix,
        )


def traceparent(request: Request) -> str | None:
    """The client's trace, if it names one (W3C trace context). One that makes no sense is none: a
    trace is no reason to refuse anybody."""
    return tracing.accepted(request.headers.get(tracing.HEADER))


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key header. Raises InvalidRequest for one that is empty or too long, or sent
    twice: RFC 9110 section 5.3 has only lists in several lines, and this is none."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise InvalidRequest(
            f"the Idempotency-Key was sent {len(keys)} times",
            field="Idempotency-Key",
            fix="Send it once.",
        )
    key = keys[0] if keys else None
    if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidRequest(
            f"the Idempotency-Key has {len(key)} characters",
            field="Idempotency-Key",
            fix=f"Send 1 to {MAX_KEY_LENGTH} characters, a UUID for example.",
        )
    return key


def base_url(request: Request) -> str:
    """As `clients.site_of` has it."""
    return site_of(request.scope)
