"""How a paid call ends, and what its answer says; no network.

A provider answers in JSON, and refuses with a code of its own. Whatever has neither was answered by
something on the way: a gateway, a proxy, a firewall.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from multidict import CIMultiDict

from short_drama.domain.json_object import json_object
from short_drama.web.retry_after import retry_after

_MOST: Final = 10**8
"""Of anything that one call may be charged for: tokens, or pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A 2xx with a JSON object; what it says may still be an error."""

    body: Mapping[str, Any]
    request_id: str | None
    seconds: float


class CallRefused(Exception):
    """The call was answered, and not with what was asked for. What a 4xx refuses is not charged; a
    5xx says so only with the provider's own code.

    Args:
        code: the provider's own, or "" when the body has none.
        message: the provider's, or what kind of thing answered instead.
        after: seconds to wait, where Retry-After says so.
    """

    def __init__(
        self,
        status: int,
        *,
        code: str,
        message: str,
        request_id: str | None = None,
        after: float | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.message = status, code, message
        self.request_id, self.after = request_id, after


class CallNotSent(Exception):
    """Nothing of the call was sent: the provider knows nothing of it."""


class CallUnanswered(Exception):
    """The call was sent and no whole answer came: it may have been carried out and charged."""


def read_answer(
    status: int,
    headers: Mapping[str, str],
    data: bytes | None,
    *,
    seconds: float,
    now: float,
    clean: Callable[[Any], Any] = lambda found: found,
) -> Reply:
    """`data` is None where it could not be read; `now` is the wall clock, in seconds; `clean` takes
    our secrets out of whatever was said: some gateways say our own key.

    Raises CallRefused or CallUnanswered.
    """
    headers = CIMultiDict((name, clean(value)) for name, value in headers.items())
    body = _object(data, clean)
    request_id = text((body or {}).get("request_id")) or text(headers.get("x-request-id")) or None
    if 200 <= status < 300:
        if body is None:  # it did something, and we cannot tell what
            raise CallUnanswered("the answer is not a JSON object")
        return Reply(body=body, request_id=request_id, seconds=seconds)
    code, message = told_of(body or {})
    raise CallRefused(
        status,
        code=code,
        message=message if code else _who_answered(status, headers, message),
        request_id=request_id,
        after=retry_after(headers, clock=lambda: now),
    )


def told_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of an error, in either place where they are told. Gateways write numbers
    for a code, such as the status once more; the providers do not."""
    error = body.get("error")
    told = error if isinstance(error, Mapping) else body
    code = text(told.get("code"))
    return "" if code.isdigit() else code, text(told.get("message"))[:500]


def text(value: object) -> str:
    """Of a string; "" of anything else. Halves of characters, which JSON can hold and nothing can
    store, are replaced."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """Of what is charged by its number; None for anything that is no number of such things."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST else None


def _object(data: bytes | None, clean: Callable[[Any], Any]) -> dict[str, Any] | None:
    found = json_object(data)
    return None if found is None else clean(found)


def _who_answered(status: int, headers: Mapping[str, str], message: str) -> str:
    """What came instead of the provider's words."""
    if 300 <= status < 400:
        host = re.match(r"https?://([\w.-]+)", text(headers.get("Location")))
        return f"a redirect to {host[1]}" if host else "a redirect"
    kind = text(headers.get("Content-Type")).partition(";")[0] or "nothing"
    server = text(headers.get("Server"))
    came = f"{kind} from {server}" if server else kind
    return f"{came[:80]}: {message}" if message else came[:80]
