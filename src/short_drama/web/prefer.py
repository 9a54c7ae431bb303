"""What a request would rather have: the header Prefer (RFC 7240)."""

import re
from collections.abc import Iterable
from typing import Final

_PREFERENCE: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+')
"""Up to the next comma outside of quotes."""
_NAME_AND_VALUE: Final = re.compile(
    r'\s*(?P<name>[^\s=;"]+)\s*(?:=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s;"]*))\s*)?(?:;|$)'
)


def preferences(headers: Iterable[str]) -> dict[str, str]:
    """Values by names in lower case; "" for a preference without one.

    The first of equals counts. Parameters are left out, and so is whatever is written otherwise:
    a preference that is not understood is ignored.

    Args:
        headers: every line of the header; together they are one list.
    """
    found: dict[str, str] = {}
    for part in _PREFERENCE.findall(",".join(headers)):
        if one := _NAME_AND_VALUE.match(part):
            quoted = one["quoted"]
            value = one["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found.setdefault(one["name"].lower(), value or "")
    return found
