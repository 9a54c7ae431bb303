"""Addresses of assets: where they are, and such as open them for a while, to whoever has them."""

import hmac
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote, urlencode

from short_drama.domain.lifetimes import link_ends
from short_drama.web.clients import SITE


class Links(Protocol):
    """Where a client reads an asset; an asset store has them."""

    def url(self, key: str) -> str: ...


class OwnLinks:
    """Implements `Links` where orchestrators show assets themselves: by whichever name the client
    came, for another one of ours may lead nowhere from there. `otherwise`: where nobody asks."""

    def __init__(self, otherwise: Links) -> None:
        self._otherwise = otherwise

    def url(self, key: str) -> str:
        site = SITE.get()
        return f"{site}/assets/{quote(key)}" if site else self._otherwise.url(key)


class Signatures:
    """Args:
    secret: the installation's.
    hours: for which an address opens its asset, as `lifetimes.link_ends` has them.
    """

    def __init__(
        self, secret: bytes, *, hours: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._secret = hmac.digest(secret, b"asset addresses", "sha256")
        self._hours, self._clock = hours, clock

    def query(self, key: str) -> str:
        until = link_ends(self._clock(), hours=self._hours)
        return urlencode({"until": until, "signature": self._signed(key, str(until))})

    def seconds_left(self, key: str, *, until: str, signature: str) -> int | None:
        """For which the address still opens the asset; None where it does not."""
        good = hmac.compare_digest(self._signed(key, until).encode(), signature.encode())
        if not good or not (until.isascii() and until.isdecimal()):
            return None
        left = int(until) - int(self._clock())
        return left if left > 0 else None

    def _signed(self, key: str, until: str) -> str:
        return hmac.digest(self._secret, f"{key}\0{until}".encode(), "sha256").hex()


class SignedLinks:
    """Implements `Links`."""

    def __init__(self, links: Links, signatures: Signatures) -> None:
        self._links, self._signatures = links, signatures

    def url(self, key: str) -> str:
        return f"{self._links.url(key)}?{self._signatures.query(key)}"


class CdnLinks:
    """Implements `Links`: addresses elsewhere, signed as they are there.

    Args:
        query: what goes behind an address so that it opens.
    """

    def __init__(self, links: Links, query: Callable[[str], str]) -> None:
        self._links, self._query = links, query

    def url(self, key: str) -> str:
        url = self._links.url(key)
        return f"{url}?{self._query(url)}"
