"""Answer only requests that were meant for this service, by the host they name.

A web page whose name is made to resolve to this machine (DNS rebinding) is, to its browser, of the
same origin as whatever answers here. What gives it away is its own name in the Host header.
"""

import functools
import ipaddress
import re
from collections.abc import Collection, Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from short_drama.domain.errors import HostRefused, InvalidRequest
from short_drama.web.problems import problem

_AUTHORITY = re.compile(r"(\[[0-9a-f]*:[0-9a-f:.]*\]|[^\[\]:@/?#%\s]+)(?::(\d{0,5}))?", re.ASCII)
"""RFC 3986 section 3.2: an IPv6 address in brackets or a name, and perhaps a port. A zone (`%eth0`)
means something on the client's machine only."""


class HostGuard:
    """Loopback addresses, `localhost` and `hosts` are answered, on any port; all others are 421.

    Args:
        hosts: as `host_names` gives them.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, {"localhost", *hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_ours(scope):
            await self._app(scope, receive, send)
        else:
            await problem(_refusal(scope), instance=scope["path"])(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        match _named(scope):
            case []:  # clients older than the header, which no browser is
                return bool(scope["http_version"] == "1.0")
            case [named]:
                name = host_name(named)
                return name is not None and (name in self._hosts or is_loopback(name))
        return False


@functools.lru_cache(maxsize=256)
def authority(text: str) -> tuple[str, int | None] | None:
    """Host and port of `host:port`: the host in lower case, without brackets and final dot. None
    for what is no such thing."""
    found = _AUTHORITY.fullmatch(text.strip().lower())
    if found is None:
        return None
    return found[1].strip("[]").removesuffix("."), int(found[2]) if found[2] else None


def host_name(text: str) -> str | None:
    """The host of `host:port`, as `authority` has it; None if it has none."""
    place = authority(text)
    return place and place[0]


def host_names(hosts: Iterable[str]) -> frozenset[str]:
    """What was configured, as requests are compared with it. Raises InvalidRequest."""
    return frozenset(map(_configured, hosts))


def _configured(host: str) -> str:
    if name := host_name(host):
        return name
    raise InvalidRequest(
        f"{host!r} is not a host name", fix="Give a name such as shots.example.com."
    )


def _named(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]


@functools.lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Whether it is such an address."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refusal(scope: Scope) -> HostRefused:
    named = ", ".join(_named(scope))
    return HostRefused(
        f"the host {named[:200]!r} is not this service" if named else "the request names no host",
        field="Host",
        fix="Use localhost, or add the name to SHORT_DRAMA_PUBLIC_HOSTS.",
    )
