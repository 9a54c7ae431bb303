"""What was found at URLs, so that their servers need not send it again.

Only what has a strong entity tag is remembered: the same tag then means the same bytes (RFC 9110,
8.8.1). A date is none: a file that is put in another's place may be older than that. Nor is what a
server says of how long an answer may be kept believed: it is asked each time.

Addresses are kept as digests: they may be long, and their signatures are somebody's secrets.
"""

import hashlib
import re
from collections import OrderedDict
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_STRONG: Final = re.compile(r'"[\x21\x23-\x7e]{1,254}"')
"""An entity tag as RFC 9110 has it, of ASCII only, and no longer than anybody needs."""


def strong(etag: str | None) -> str | None:
    """The tag, if it is a strong one."""
    return etag if etag is not None and _STRONG.fullmatch(etag) else None


class SeenUrls(Generic[T]):
    """The `most` that were met last, each by its address and by whose it is."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._seen: OrderedDict[bytes, tuple[str, T]] = OrderedDict()

    def at(self, url: str, owner: str) -> tuple[str, T] | None:
        """The entity tag, and what it belongs to."""
        place = _digest(url, owner)
        if place in self._seen:
            self._seen.move_to_end(place)
        return self._seen.get(place)

    def note(self, url: str, owner: str, *, etag: str | None, what: T) -> None:
        """`etag`: a strong one; without one, what was there before is forgotten."""
        place = _digest(url, owner)
        self._seen.pop(place, None)
        if etag is None:
            return
        self._seen[place] = (etag, what)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)


def _digest(url: str, owner: str) -> bytes:
    return hashlib.sha256(f"{owner}\0{url}".encode()).digest()
