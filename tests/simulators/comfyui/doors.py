"""Who is let in: those whom a reverse proxy knows, and no pages of other sites."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import hdrs, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OWN = "/simulator"
"""Before the paths of the simulator's own routes, to which anybody has the way."""


@dataclass(frozen=True, slots=True)
class Door:
    """Of a reverse proxy.

    Args:
        prefix: before all paths of ComfyUI's, as in "/comfy"; "" for none.
        authorization: the header without which one is not let in; None: all are.
    """

    prefix: str = ""
    authorization: str | None = None

    @web.middleware
    async def keep(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given, wanted = request.headers.get(hdrs.AUTHORIZATION), self.authorization
        if wanted is None or given == wanted or request.path.startswith(OWN):
            return await handler(request)
        scheme = wanted.partition(" ")[0]
        headers = {hdrs.WWW_AUTHENTICATE: f'{scheme} realm="ComfyUI"'}
        return web.Response(status=401, headers=headers, text="<h1>401 Unauthorized</h1>")


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pages of other sites get nothing."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and urlsplit(origin).netloc != request.host:
        return web.Response(status=403)
    return await handler(request)
