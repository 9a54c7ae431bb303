"""Answers that are not what was promised."""

import asyncio

from aiohttp import web


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


async def until_gone(request: web.Request) -> web.Response:
    """No answer for as long as anybody waits for it."""
    # aiohttp tells a handler of it in no other way, unless it cancels all of them.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return web.Response()
