"""Whom a request came from, where reverse proxies stand in front: what they say of it, and no
others.

Each proxy adds to a list whom it was asked by, so the list is read from its end, for as long as
the hop it came from is one of ours: what is written before that, whoever asks may have made up.
One form of the fields is believed, the one that our proxies write: they pass on what clients send
of the other.
"""

import functools
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Fields = Literal["x-forwarded", "forwarded"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = Sequence[tuple[bytes, bytes]]

_SCHEMES: Final = ("http", "https")
_NODE: Final = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?|([0-9a-fA-F:.]+)")
"""An address, and perhaps a port: IPv6 without brackets is `X-Forwarded-For`'s habit."""
_PAIR: Final = re.compile(
    r'\s*(?:([\w!#$%&\'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]*))\s*)?([;,])', re.ASCII
)
"""Of `Forwarded`, with what ends it; there may be none before an end (RFC 7239, section 4)."""
_MOST: Final = 20
"""Hops that are looked at: nobody has as many proxies."""
_ONE_YEAR: Final = b"max-age=31536000"


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy said of the request that it passed on; None for what it did not say."""

    client: str | None = None
    scheme: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Proxies:
    """Those in front of us. `fields`: the form they write."""

    networks: tuple[Network, ...]
    fields: Fields = "x-forwarded"

    def __contains__(self, host: str) -> bool:
        address = _address(host)
        return address is not None and self._are(address)

    def told(self, peer: str, headers: Headers) -> Hop | None:
        """What the outermost of our proxies said; None if the peer is none of them. `client` is
        the nearest address that is not one of ours."""
        if (address := _address(peer)) is None or not self._are(address):
            return None
        hops = _READERS[self.fields](headers)
        told = Hop()
        for hop in reversed(hops):
            nearer, address = address, _node(hop.client or "")
            told = Hop(str(address or nearer), hop.scheme, hop.host)
            if address is None or not self._are(address):
                break
        return told

    def _are(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


NO_PROXIES: Final = Proxies(())


def _x_forwarded(headers: Headers) -> list[Hop]:
    """One list for each field. A scheme or a host that not every proxy adds to was said by the
    outermost, and stands for the hops before the first that has one as well."""
    clients = _listed(headers, b"x-forwarded-for") or [""]
    hosts, schemes = (
        _behind(_listed(headers, name), len(clients))
        for name in (b"x-forwarded-host", b"x-forwarded-proto")
    )
    return [
        Hop(client, _scheme(scheme), host or None)
        for client, scheme, host in zip(clients, schemes, hosts, strict=True)
    ]


def _behind(told: Sequence[str], number: int) -> list[str]:
    """The last `number` of them; where there are fewer, the first is everybody's before it."""
    told = (told or [""])[-number:]
    return [told[0]] * (number - len(told)) + list(told)


def _listed(headers: Headers, wanted: bytes) -> list[str]:
    """All lines of a field are one list (RFC 9110, section 5.3)."""
    lines = [value.decode("latin-1") for name, value in headers if name == wanted]
    last = ",".join(lines).rsplit(",", _MOST)[-_MOST:]
    return [one for text in last if (one := text.strip())]


def _forwarded(headers: Headers) -> list[Hop]:
    """Nothing where it cannot be read to its end: a quote that somebody left open would hide what
    our proxies have added."""
    lines = [value.decode("latin-1") for name, value in headers if name == b"forwarded"]
    text, at = ",".join((*lines, "")), 0
    hops: list[Hop] = []
    found: dict[str, str] = {}
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return []
        name, quoted, bare, end = pair.groups()
        if name is not None:
            found[name.lower()] = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if end == "," and found:
            hops.append(Hop(found.get("for"), _scheme(found.get("proto", "")), found.get("host")))
            found = {}
        at = pair.end()
    return hops


_READERS: Final[dict[Fields, Callable[[Headers], list[Hop]]]] = {
    "x-forwarded": _x_forwarded,
    "forwarded": _forwarded,
}


def _scheme(text: str) -> str | None:
    return scheme if (scheme := text.lower()) in _SCHEMES else None


def _node(text: str) -> Address | None:
    """None for what hides itself ("unknown", "_name") and for what is no address."""
    found = _NODE.fullmatch(text)
    return None if found is None else _address(found[1] or found[2] or found[3])


@functools.lru_cache(maxsize=4096)
def _address(host: str) -> Address | None:
    """One of IPv4 that came to a socket for both is still that one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


class BehindProxies:
    """Puts whom a request came from, and how, where a server would have: in the scope's `client`
    and `scheme` and the header Host, which are all that the layers within look at.

    Whoever came by TLS is told to go on so (RFC 6797).
    """

    def __init__(self, app: ASGIApp, *, proxies: Proxies) -> None:
        self._app, self._proxies = app, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (peer := scope.get("client")) is not None:
            told = self._proxies.told(peer[0], scope["headers"])
            if told is not None:
                scope = _as_told(scope, told)
                if told.scheme == "https":
                    send = _by_tls_from_now_on(send)
        await self._app(scope, receive, send)


def _as_told(scope: Scope, told: Hop) -> Scope:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    if told.host:
        others = [(name, value) for name, value in headers if name != b"host"]
        headers = [(b"host", told.host.encode("latin-1")), *others]
    client = scope["client"] if told.client is None else (told.client, 0)
    scheme = told.scheme or scope["scheme"]
    return {**scope, "client": client, "scheme": scheme, "headers": headers}


def _by_tls_from_now_on(send: Send) -> Send:
    async def send_with_field(message: Message) -> None:
        if message["type"] == "http.response.start":
            field = (b"strict-transport-security", _ONE_YEAR)
            message["headers"] = [*message.get("headers", ()), field]
        await send(message)

    return send_with_field
