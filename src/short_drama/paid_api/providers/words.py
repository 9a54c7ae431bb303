"""What of a provider's own words may be passed on."""

import re

from short_drama.paid_api.providers.calls import CallRefused

_PRIVATE = re.compile(r"(?:https?:|data:(?=\w+/)|sk-)\S*|[\w+/=-]{36,}", re.ASCII)


def reference(refused: CallRefused) -> str:
    """What the provider's support asks for: its code and the request's id, in brackets."""
    found = re.search(r"request id:\s*([\w-]+)", refused.message, re.IGNORECASE)
    request_id = refused.request_id or (found[1] if found else None)
    named = without_secrets(refused.code)[:100] or f"status {refused.status}"
    return f"({named}, request {request_id[:80]})" if request_id else f"({named})"


def said(refused: CallRefused) -> str:
    """Its message, cut short, after a colon; "" where there is none."""
    words = re.sub(r"\s*request id:.*", "", refused.message, flags=re.IGNORECASE | re.DOTALL)
    cut = without_secrets(words)[:200].rstrip(" .")
    return f": {cut}" if cut else ""


def without_secrets(words: str) -> str:
    """Without URLs, which may be signed, and what looks like a key, which a message may echo."""
    return _PRIVATE.sub("(...)", words)
