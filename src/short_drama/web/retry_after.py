"""The one reader of Retry-After, whoever answered."""

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT: Final = 3600.0
"""Seconds; whoever asks for more is asked again after so many."""

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]*)?")


def retry_after(
    headers: Mapping[str, str], *, clock: Callable[[], float] = time.time
) -> float | None:
    """Seconds to wait, at most `LONGEST_WAIT`. None where nothing is asked for that makes sense.

    The header is a number of seconds or a date (RFC 9110, 10.2.3). A date is compared with the
    answer's own, where it has one: the two clocks may differ.
    """
    asked = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        return min(float(asked), LONGEST_WAIT)
    until, sent = _date(asked), _date(headers.get("Date", ""))
    if until is None:
        return None
    return max(0.0, min(until - (clock() if sent is None else sent), LONGEST_WAIT))


def _date(words: str) -> float | None:
    try:
        date = parsedate_to_datetime(words)
        # One without a zone is "of unknown origin" to the parser; HTTP's are all GMT.
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
