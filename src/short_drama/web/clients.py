"""Who asks, as far as fair shares go: for now, whoever holds the network address."""

import functools
import ipaddress
from contextvars import ContextVar
from typing import Final

from starlette.types import Scope

CLIENT: Final[ContextVar[str]] = ContextVar("client", default="")
"""Of the request in hand."""


def client_of(scope: Scope) -> str:
    """An IPv6 host has a whole /64 to choose its address from: that is one client."""
    return _network_of((scope.get("client") or ("", 0))[0])


@functools.lru_cache(maxsize=4096)
def _network_of(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(ipaddress.ip_network((address, 64 if address.version == 6 else 32), strict=False))
