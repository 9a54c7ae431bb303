"""Made pictures at signed URLs that expire, as the provider's object store serves them."""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from aiohttp import web

from tests.simulators.seedream.failures import DOWNLOADS, Failures
from tests.simulators.seedream.wire import broken_off, page, reset, until_gone

KEPT = 200
"""Pictures; the oldest expire first."""


@dataclass(slots=True)
class _Result:
    data: bytes
    content_type: str
    signature: str
    expires: float


@dataclass(slots=True)
class Results:
    """`seconds` is how long a URL lives; changing it concerns those made from then on."""

    failures: Failures
    seconds: float = 86_400.0
    downloads: int = 0
    """Asked for, whatever the answer."""
    keys_seen: int = 0
    """Downloads that came with an API key, which the store has no business with."""
    _kept: OrderedDict[str, _Result] = field(default_factory=OrderedDict)

    def keep(self, data: bytes, file_format: str) -> str:
        """The path and query it is served at."""
        name, signature = f"{secrets.token_hex(16)}.{file_format}", secrets.token_hex(32)
        expires = time.monotonic() + self.seconds
        self._kept[name] = _Result(data, f"image/{file_format}", signature, expires)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return (
            f"/results/{name}?X-Tos-Algorithm=TOS4-HMAC-SHA256&X-Tos-Date={date}"
            f"&X-Tos-Expires={self.seconds:.0f}&X-Tos-Signature={signature}"
            "&X-Tos-SignedHeaders=host"
        )

    def expire(self) -> None:
        """All that are kept, now."""
        self._kept.clear()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.downloads += 1
        if "Authorization" in request.headers:
            self.keys_seen += 1
            return _denied(400, "InvalidRequest", "Only one auth mechanism is allowed.")
        failure = self.failures.take(DOWNLOADS)
        if failure == "gone":
            return _denied(404, "NoSuchKey", "The specified key does not exist.")
        result = self._kept.get(request.match_info["name"])
        signed = result and request.query.get("X-Tos-Signature") == result.signature
        fresh = result and time.monotonic() < result.expires and failure != "expired"
        if result is None or not signed or not fresh:
            return _denied(403, "AccessDenied", "Request has expired.")
        if failure not in (None, "download-damaged"):
            return await _failed(failure, request, result.data)
        data = result.data if failure is None else result.data[:64].ljust(len(result.data), b"\0")
        return web.Response(body=data, content_type=result.content_type)


async def _failed(failure: str, request: web.Request, data: bytes) -> web.StreamResponse:
    match failure:
        case "download-503":
            return _denied(503, "ServiceUnavailable", "Please reduce your request rate.")
        case "download-reset":
            return reset(request)
        case "download-truncated":
            return await broken_off(request, data, "image/jpeg")
        case "download-page":
            return page(200)
        case "download-redirect":
            raise web.HTTPFound("http://127.0.0.1:9/latest/meta-data/")
        case "download-hang":
            return await until_gone(request)
    response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
    await response.prepare(request)
    for _ in range(64):
        await response.write(data[:1].ljust(2**20, b"\0"))
    return response


def _denied(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"Code": code, "Message": message}, status=status)
