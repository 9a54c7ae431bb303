"""What a client may take of the server before the application hears of it."""

import math
import resource
from dataclasses import dataclass
from typing import Final

from short_drama.web.clients import network_of
from short_drama.web.proxies import NO_PROXIES, Proxies

HEAD_BYTES: Final = 64 * 1024
"""Of a request's head and trailers together."""
FIELDS: Final = 100
"""Headers and trailers of a request."""
URL_BYTES: Final = 16 * 1024
SMALL_BODY: Final = 64 * 1024
"""Bytes of a body that are always welcome: what is counted begins behind them."""
PIPELINED: Final = 16
"""Requests that may wait behind an unanswered one."""
UNREAD_BYTES: Final = 256 * 2**20
"""Of a request that was answered before its end; read only so that the answer is."""
PROXY: Final = "a proxy"
"""In place of an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`connections`: of the process. `connections_per_address`: None for no limit of a loopback
    address, and a tenth of all of another one. `proxies`: have no such limit, for they bring
    everybody.
    `body_rate`: bytes a second that a body may not stay below once `body_seconds` are over.
    `body_bytes`: of bodies of all connections, from their arrival until they are answered.
    `unread_bytes`: of answers that clients do not take. `answer_seconds`: in which a client has to
    read some of its answer."""

    connections: int = 10_000
    connections_per_address: int | None = None
    proxies: Proxies = NO_PROXIES
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    body_rate: int = 32 * 1024
    body_bytes: int = 64 * 2**20
    unread_bytes: int = 64 * 2**20
    keep_alive_seconds: float = 75
    answer_seconds: float = 60.0

    @property
    def look_seconds(self) -> float:
        """Between two looks at who is late."""
        return min(1.0, self.head_seconds / 4, self.body_seconds / 4)

    def known_as(self, host: str) -> str:
        """What a peer's connections are counted by."""
        return PROXY if host in self.proxies else network_of(host)

    def of_address(self, address: str) -> float:
        """As `known_as` has it."""
        if address == PROXY:
            return math.inf
        if self.connections_per_address is not None:
            return self.connections_per_address
        is_loopback = address.startswith(("127.", "::1/"))
        return math.inf if is_loopback else max(1, self.connections // 10)


def descriptors() -> int:
    """That this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 2**20


def places(connections: int, *, descriptors: int) -> int:
    """For clients, of those that are wanted; a quarter of the descriptors is for our own files and
    calls."""
    return min(connections, descriptors - descriptors // 4)
