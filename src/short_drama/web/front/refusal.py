"""What the server refuses by itself, counted, told, and put into words that a client can read."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from short_drama import metrics
from short_drama.domain.errors import (
    HeadTooLarge,
    MalformedRequest,
    RequestTooSlow,
    ShortDramaError,
    Unavailable,
    UrlTooLong,
)
from short_drama.web.front.limits import FIELDS, HEAD_BYTES, URL_BYTES
from short_drama.web.problems import problem

log = logging.getLogger(__name__)

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """`limit` and `of` are those of the metric."""

    limit: str
    of: str
    error: ShortDramaError

    def answer(self, instance: str) -> bytes:
        """The whole answer, after which the connection ends."""
        document = problem(self.error, instance=instance)
        status = HTTPStatus(document.status_code)
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode())]
        lines += [name + b": " + value for name, value in document.raw_headers]
        return b"\r\n".join([*lines, b"connection: close", b"", bytes(document.body)])


class Refused(Exception):
    """Raised out of the parser's callbacks."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error.detail)
        self.refusal = refusal


MALFORMED = Refusal("head", "form", MalformedRequest("this is no HTTP request"))
OTHER_HOST = Refusal(
    "head",
    "form",
    MalformedRequest(
        "the request's target names another host than its Host header",
        fix="Send the same in both, as RFC 9112 section 3.2 has it, or a path alone.",
    ),
)
MANY_FIELDS = Refusal(
    "head", "fields", HeadTooLarge(f"the request has more than {FIELDS} headers and trailers")
)
LARGE_HEAD = Refusal(
    "head",
    "bytes",
    HeadTooLarge(f"the request's head and trailers have more than {HEAD_BYTES:,} bytes"),
)
LONG_URL = Refusal("head", "url", UrlTooLong(f"the URL has more than {URL_BYTES:,} bytes"))
PIPELINE = Refusal(
    "connections", "pipeline", Unavailable("too many requests wait on this connection")
)
SLOW_READER = Refusal("answer", "seconds", RequestTooSlow("the client does not read its answer"))
UNREAD = Refusal("answer", "bytes", Unavailable("clients do not read their answers"))
_LATER = "Ask again."
MANY_CONNECTIONS = Refusal(
    "connections", "all", Unavailable("too many clients are connected", fix=_LATER)
)
MANY_OF_ADDRESS = Refusal(
    "connections",
    "address",
    Unavailable("too many connections come from this address", fix=_LATER),
)
MANY_BYTES = Refusal(
    "body", "bytes", Unavailable("too much is being uploaded at this moment", fix=_LATER)
)
STALLED = Refusal(
    "body",
    "stalled",
    Unavailable("the body stopped arriving, and others needed its room", fix=_LATER),
)
NO_DESCRIPTORS = Refusal("connections", "descriptors", Unavailable("no descriptor is left"))


def slow_head(seconds: float) -> Refusal:
    late = f"the request's head did not arrive within {seconds:g} s"
    return Refusal("head", "seconds", RequestTooSlow(late))


def slow_body(rate: int) -> Refusal:
    late = f"the body arrives with less than {rate:,} bytes a second"
    return Refusal("body", "seconds", RequestTooSlow(late))


class Ledger:
    """Counts refusals; says the first of each kind and, if there were more, one a minute."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}
        self._untold: dict[tuple[str, str], int] = {}

    def note(self, refusal: Refusal) -> None:
        kind = refusal.limit, refusal.of
        metrics.LIMITS_HIT.labels(*kind).inc()
        now, times = self._clock(), self._untold.get(kind, 0) + 1
        if now < self._told.get(kind, -_MINUTE) + _MINUTE:
            self._untold[kind] = times
            return
        self._told[kind], self._untold[kind] = now, 0
        facts = {"limit": refusal.limit, "of": refusal.of, "times": times}
        log.warning("refused: %s", refusal.error.detail, extra=facts)
