"""Let no other site's pages change anything here through the browser of whoever looks at them.

Nobody signs in, so a browser on this machine has every right there is, and a page from anywhere may
send what needs no preflight: forms, and requests without a body. Browsers say whose page it was, in
headers that no page can write: `Sec-Fetch-Site` (Fetch Metadata) and `Origin` (Fetch, 3.2). Other
clients send neither, and are not asked.
"""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from short_drama.domain.errors import OriginRefused
from short_drama.web.hosts import authority, is_loopback
from short_drama.web.problems import problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing here."""
_OWN_SITE = frozenset({"same-origin", "none"})
"""`none` is the person: an address typed in, a bookmark."""
_PORTS = {"http": 80, "https": 443}


class OriginGuard:
    """Unsafe requests of other sites' pages are 403, with a problem document.

    Args:
        hosts: names whose pages over TLS are ours, as `hosts.host_names` gives them. Those of
            loopback names are, at the very port that was asked.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _SAFE or self._is_ours(scope):
            await self._app(scope, receive, send)
        else:
            await problem(_refusal(scope), instance=scope["path"])(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        sites, origins = _told(scope, b"sec-fetch-site"), _told(scope, b"origin")
        return _OWN_SITE.issuperset(sites) and all(
            self._is_our_origin(origin, scope) for origin in origins
        )

    def _is_our_origin(self, origin: str, scope: Scope) -> bool:
        scheme, _, rest = origin.lower().partition("://")
        place = authority(rest)
        if place is None or scheme not in _PORTS:  # "null" is a page that hides whose it is
            return False
        name, port = place
        if name == "localhost" or is_loopback(name):
            return (port or _PORTS[scheme]) == (_port(scope) or _PORTS[scheme])
        return scheme == "https" and name in self._hosts


def _port(scope: Scope) -> int | None:
    """The one that was asked, as the client knows it; None for its scheme's own."""
    for host in _told(scope, b"host"):
        place = authority(host)
        return None if place is None else place[1]
    server = scope.get("server")
    return server[1] if server else None


def _told(scope: Scope, header: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for name, value in scope["headers"] if name == header]


def _refusal(scope: Scope) -> OriginRefused:
    whose = ", ".join(_told(scope, b"origin")) or "another site"
    return OriginRefused(
        f"a page of {whose[:200]!r} may not change anything here",
        field="Origin",
        fix="Send it from this service's own pages or from a program, or add the page's host to "
        "SHORT_DRAMA_PUBLIC_HOSTS and serve it with TLS.",
    )
