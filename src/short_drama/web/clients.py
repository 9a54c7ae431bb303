"""Who asks, as far as fair shares go: for now, whoever holds the network address; and by which
address of ours."""

import functools
import ipaddress
from contextvars import ContextVar
from typing import Final

from starlette.types import Scope

CLIENT: Final[ContextVar[str]] = ContextVar("client", default="")
"""Of the request in hand."""
SITE: Final[ContextVar[str]] = ContextVar("site", default="")
"""Scheme and host that the request in hand came to; "" where there is none."""


def client_of(scope: Scope) -> str:
    """As `network_of` has it."""
    return network_of((scope.get("client") or ("", 0))[0])


def site_of(scope: Scope) -> str:
    """Where the client reached us: scheme and host, no slash at the end."""
    hosts = (value for name, value in scope["headers"] if name == b"host")
    return f"{scope['scheme']}://{next(hosts, b'').decode('latin-1') or 'localhost'}"


@functools.lru_cache(maxsize=4096)
def network_of(host: str) -> str:
    """Whose addresses are one client's. An IPv6 host has a whole /64 to choose its own from; one
    of IPv4 that came to a socket for both is still that one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return f"{address}/32"
    if address.ipv4_mapped is not None:
        return f"{address.ipv4_mapped}/32"
    bits = 128 if address.is_loopback else 64
    return str(ipaddress.ip_network((address, bits), strict=False))
