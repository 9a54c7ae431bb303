"""A URL as it was written: taken apart here and nowhere else, with nothing decoded or encoded.

Whoever signed a URL has signed these very letters. So the request target is sent as it is, and
what is judged (`images.guard`), stored and compared are parts of the same reading.
"""

import re
from typing import Final, NamedTuple, Self
from urllib.parse import quote

_PARTS: Final = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*):)?"
    r"(?://(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE,
)
"""RFC 3986, section 3. Any text has these parts, be it a URL or not."""
_NO_ASCII: Final = re.compile(r"[^\x00-\x7f]+")


class Written(NamedTuple):
    """The scheme is in lower case, and a fragment is left out: it stays with the reader.
    `authority` and `query` are None where there is none, and "" where there is an empty one."""

    scheme: str
    authority: str | None
    path: str
    query: str | None

    @classmethod
    def of(cls, text: str) -> Self:
        found = _PARTS.match(text)
        if found is None:  # every part may be empty
            raise AssertionError("the pattern matches any text")
        scheme, authority, path, query = found.group("scheme", "authority", "path", "query")
        return cls((scheme or "").lower(), authority, path, query)

    @property
    def address(self) -> str:
        """Without the query, which is a secret in presigned URLs."""
        scheme = f"{self.scheme}:" if self.scheme else ""
        authority = "" if self.authority is None else f"//{self.authority}"
        return f"{scheme}{authority}{self.path}"

    def seen_from(self, base: Self) -> Self:
        """Where it leads from `base` (RFC 3986, section 5.2). What is no relative path stays as it
        was written, dots included."""
        if self.scheme:
            return self
        if self.authority is not None:
            return self._replace(scheme=base.scheme)
        there = self._replace(scheme=base.scheme, authority=base.authority)
        if not self.path:
            query = base.query if self.query is None else self.query
            return there._replace(path=base.path, query=query)
        if self.path.startswith("/"):
            return there
        return there._replace(path=_walked(f"{base.path.rpartition('/')[0]}/{self.path}"))

    @property
    def target(self) -> str:
        """What a request asks for. Letters beyond ASCII, which no request can carry, as the bytes
        of their UTF-8.

        Raises ValueError for halves of characters."""
        query = "" if self.query is None else f"?{self.query}"
        return _NO_ASCII.sub(_encoded, f"{self.path or '/'}{query}")


def _encoded(letters: re.Match[str]) -> str:
    return quote(letters[0].encode(errors="surrogateescape"))  # a server may have sent any bytes


def _walked(path: str) -> str:
    """Without the dots of a relative path."""
    _, *parts = path.split("/")
    kept: list[str] = []
    for part in parts:
        if part == "..":
            kept[-1:] = []
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return f"/{'/'.join(kept)}"
