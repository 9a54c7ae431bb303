"""Answers that are not what was promised, and what stands between a provider and its callers."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakSet

from aiohttp import web

STOPPED: Final = {
    "html-403": "a firewall's page",
    "html-407": "a proxy that asks for a password",
    "html-413": "a gateway's page: the request is too large for it",
    "html-429": "a gateway's page: too many requests",
    "html-502": "a gateway's page",
    "redirect-302": "to another address, where GET is answered",
    "redirect-307": "to another address, where POST is answered",
}
"""By something on the way; the provider saw nothing, and nothing is charged."""
LOST: Final = {
    "html-502-charged": "a gateway's page",
    "html-504": "a gateway's page",
    "json-500": "a gateway's JSON, without a code",
    "json-503": "a gateway's JSON, with a number for a code",
    "hang": "no answer once the body is read",
    "hang-headers": "the headers of an answer, and no more",
    "reset": "the connection is reset",
    "truncated": "half an answer",
    "not-json": "a page with status 200",
    "deep": "status 200 with JSON that is nested without end",
    "endless": "status 200 with JSON that does not end",
}
"""On the way back: the provider did its work, and it is charged."""
_GATEWAYS: Final[dict[str, dict[str, Any]]] = {
    "json-500": {"message": "An unexpected error occurred"},
    "json-503": {"error": {"code": 503, "message": "no healthy upstream"}},
}


@dataclass(slots=True)
class Elsewhere:
    """Where redirects lead."""

    path: str = "/elsewhere"
    visits: int = 0
    keys_seen: int = 0
    """Visits that came with an API key."""

    def add_to(self, application: web.Application) -> None:
        application.router.add_route("*", self.path, self.serve)

    async def serve(self, request: web.Request) -> web.Response:
        self.visits += 1
        self.keys_seen += "Authorization" in request.headers
        return web.json_response({})


@dataclass(slots=True)
class Connections:
    """Those that have carried a request; a gateway may drop one that is idle just as it carries
    the next."""

    _used: WeakSet[asyncio.BaseTransport] = field(default_factory=WeakSet)

    def is_reused(self, request: web.Request) -> bool:
        if request.transport is None or request.transport in self._used:
            return True
        self._used.add(request.transport)
        return False


async def spoiled(
    name: str, request: web.Request, body: dict[str, Any], elsewhere: Elsewhere
) -> web.StreamResponse:
    """The answer, as STOPPED and LOST say, or a connection that is reset."""
    kind, _, rest = name.partition("-")
    answer: web.StreamResponse
    match kind:
        case "html":
            answer = page(int(rest[:3]))
        case "not":
            answer = page(200)
        case "redirect":
            answer = web.Response(status=int(rest), headers={"Location": elsewhere.path})
        case "json":
            answer = web.json_response(_GATEWAYS[name], status=int(rest))
        case "deep":
            answer = web.Response(text="[" * 200_000, content_type="application/json")
        case "hang":
            answer = await until_gone(request, headers=bool(rest))
        case "endless":
            answer = await endless(request)
        case "truncated":
            answer = await broken_off(request, json.dumps(body).encode(), "application/json")
        case _:
            answer = reset(request)
    return answer


def retry_after(asked: float | str | None, status: int) -> dict[str, str]:
    """The header of a refusal: seconds, or a date as it is written."""
    if asked is None or status not in (429, 503):
        return {}
    return {"Retry-After": asked if isinstance(asked, str) else f"{asked:g}"}


def page(status: int) -> web.Response:
    """As gateways write it."""
    text = f"<html><head><title>{status}</title></head><body>openresty</body></html>"
    return web.Response(status=status, text=text, content_type="text/html")


def reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def broken_off(request: web.Request, data: bytes, content_type: str) -> web.StreamResponse:
    """Promise all of it, send half and break off."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    """Until nobody listens."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    piece = b'{"data":"' + b"x" * 2**20
    while request.transport is not None and not request.transport.is_closing():
        try:
            await response.write(piece)
        except ConnectionError:
            break
    return response


async def until_gone(request: web.Request, *, headers: bool = False) -> web.StreamResponse:
    """No answer, or only its headers, for as long as anybody waits for it."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if headers:
        await response.prepare(request)
    # aiohttp tells a handler of it in no other way, unless it cancels all of them.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return response if headers else web.Response()
