"""How long the URL of a picture works, as far as it says so itself."""

import calendar
import contextlib
import time
from typing import Final
from urllib.parse import parse_qs, urlsplit

DAY: Final = 86_400.0
"""Seconds that a URL lives by the reference of the image API."""
_SKEW: Final = 60.0
"""Seconds by which the clocks may differ."""


def expires_at(url: str, *, answered_at: float) -> float:
    """When it is of no use any more, in Unix seconds; a day after it was answered where it says
    nothing that makes sense."""
    told = _told(url) + _SKEW
    return told if told >= answered_at else answered_at + DAY + _SKEW


def _told(url: str) -> float:
    """Signed URLs of TOS and of stores that speak S3 have a date and a number of seconds, those
    with S3's older signature the moment itself. 0 for others."""
    query: dict[str, str] = {}
    with contextlib.suppress(ValueError):
        query = {name.lower(): all_[0] for name, all_ in parse_qs(urlsplit(url).query).items()}
    for vendor in ("x-tos", "x-amz"):
        with contextlib.suppress(KeyError, ValueError, OverflowError):
            signed = time.strptime(query[f"{vendor}-date"], "%Y%m%dT%H%M%SZ")
            return float(calendar.timegm(signed) + int(query[f"{vendor}-expires"]))
    with contextlib.suppress(KeyError, ValueError, OverflowError):
        return float(int(query["expires"]))
    return 0.0
