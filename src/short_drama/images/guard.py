"""Which addresses a user's URL may lead to. Pure: nothing here resolves or connects.

The danger is server-side request forgery: a URL that makes us read, for the caller, what only we
can reach (cloud metadata, our own services, the private network). Two questions are asked at two
moments: `check_url` before anything happens, and `check_address` for every address a name
resolves to and once more for the address a socket is about to be connected to (`images.fetch`).

The lists are our own rather than `ipaddress.is_global`, whose answers for 192.0.0.0/24 and
2002::/16 depend on Python's patch level. Sources: the IANA special-purpose address registries
(RFC 6890) and the clouds' metadata services, all inside those ranges but Azure's.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from yarl import URL

from short_drama.domain.errors import UrlRefused
from short_drama.images.written import Written

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_URL_LENGTH: Final = 2048
PORTS: Final = frozenset({80, 443})

DENIED_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared (carrier NAT); Alibaba and Volcano metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata and DNS, a public address by its looks
        "169.254.0.0/16",  # link-local; AWS, Google, Azure, Tencent metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
PUBLIC_V6: Final = IPv6Network("2000::/3")
"""All that IANA has given out as global unicast; NAT64, loopback, unique-local, link-local,
site-local and multicast addresses are outside."""
DENIED_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",  # documentation
    )
)

_ASCII_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST_AND_PORT = re.compile(r"(?:\[[0-9a-f:.]+\]|[^@:\[\]]+)(?::[0-9]*)?", re.IGNORECASE)
_ODD_CHARACTERS = re.compile(r"[\x00-\x20\x7f-\xa0\\\s]")


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules; `allow` lists networks that are exempt from the address and port rules.

    `allow` is for tests and laptops, whose image servers are on loopback. Everything here raises
    UrlRefused, whose words never contain an address the caller did not write.
    """

    allow: tuple[Network, ...] = ()

    def check_url(self, url: str, *, base: URL | None = None) -> URL:
        """The URL as the client will send it, every letter of its target as it was written.

        Args:
            base: the page that redirected to `url`, which may then be relative.
        """
        written = _read(url)
        if base is not None:
            written = written.seen_from(Written.of(str(base)))
        if written.scheme not in ("http", "https"):
            raise UrlRefused(
                f"the scheme of the URL is {written.scheme!r}", fix="Use http or https."
            )
        sent = _sent(written)
        self._check_host(sent.raw_host or "", sent.port or 0)
        return sent

    def check_address(self, address: str, port: int = 443) -> None:
        """Refuse an address that is not on the public internet, or a port that is not the web's.

        Args:
            address: in canonical text form, as resolvers and sockets give it.
        """
        candidate = _canonical(address)
        if candidate is None:
            raise UrlRefused("the URL's host has an address in a form that is not accepted")
        if _within(candidate, self.allow):
            return
        if not is_public(candidate):
            raise UrlRefused(
                "the URL's host is not on the public internet",
                fix="Upload the image instead, or use an address that everyone can reach.",
            )
        _check_port(port)

    def _check_host(self, host: str, port: int) -> None:
        if ":" in host or _ends_in_number(host):
            self.check_address(host, port)
        elif not _ASCII_HOST.fullmatch(host) or len(host) > 253:
            raise UrlRefused(f"the URL's host is not a valid name: {host[:80]!r}")
        elif not self.allow:  # else only the resolved address tells whether the port may be odd
            _check_port(port)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may be there."""
    match _unwrapped(address):
        case IPv4Address() as v4:
            return not _within(v4, DENIED_V4)
        case v6:
            return v6 in PUBLIC_V6 and not _within(v6, DENIED_V6)


def _read(url: str) -> Written:
    """Refuses what parsers disagree about: the URL must mean one thing to everybody."""
    if not 0 < len(url) <= MAX_URL_LENGTH:
        raise UrlRefused(
            f"the URL has {len(url)} characters; 1 to {MAX_URL_LENGTH} are accepted",
            fix="Upload the image instead of passing its bytes in a URL.",
        )
    if " " in url:
        raise UrlRefused("the URL contains a space", fix="Write it as %20.")
    if _ODD_CHARACTERS.search(url):
        raise UrlRefused(
            "the URL contains white space, a control character or a backslash",
            fix="Leave it out, or percent-encode it.",
        )
    written = Written.of(url)
    if "@" in (written.authority or ""):
        raise UrlRefused("the URL contains a user name or password", fix="Leave it out.")
    if written.authority and not _HOST_AND_PORT.fullmatch(written.authority):
        raise UrlRefused("the URL's host or port is not written in the usual way")
    return written


def _sent(written: Written) -> URL:
    """The host as resolvers know it, in lower case and IDNA; the target untouched."""
    try:
        host = URL(f"{written.scheme}://{written.authority or ''}")
        path, mark, query = written.target.partition("?")
        sent = URL.build(
            scheme=host.scheme,
            authority=host.raw_authority,
            # An empty query would lose its mark, and the target is one text to the client anyway.
            path=path if query else f"{path}{mark}",
            query_string=query,
            encoded=True,
        )
        if (sent.raw_host, sent.port) == (host.raw_host, host.port):
            return sent
    except ValueError:
        pass
    raise UrlRefused("the URL cannot be understood")


def _check_port(port: int) -> None:
    if port not in PORTS:
        raise UrlRefused(f"the URL's port is {port}", fix="Only ports 80 and 443 are fetched.")


def _ends_in_number(host: str) -> bool:
    """Whether resolvers may read the host as an IPv4 address: 127.1, 0x7f000001, 017700000001.

    The rule is the WHATWG URL standard's "ends in a number checker".
    """
    return _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


def _canonical(address: str) -> Address | None:
    """The address, or None where the text is another spelling of it, or carries a zone."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return None if getattr(parsed, "scope_id", None) else parsed


def _unwrapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    plain = _unwrapped(address)
    return any(plain in network for network in networks)
