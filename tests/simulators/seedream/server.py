"""POST /images/generations, also under /api/v3, the results' URLs and the simulator's own."""

import asyncio
import secrets
import time
from collections import deque
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.simulators.seedream import pictures, wire
from tests.simulators.seedream.calls import Call, Calls
from tests.simulators.seedream.failures import ENDINGS, Failures
from tests.simulators.seedream.refusals import ACCOUNT, REFUSALS, Refusal, Refused, invalid
from tests.simulators.seedream.results import Results
from tests.simulators.seedream.validation import Order, read_order

FREE: Final = {*wire.STOPPED, "reset-before", "data-error", "top-level-error", "empty-data"}
BROKEN: Final = {*wire.STOPPED, *wire.LOST, "reset-before"}
_MAX_BODY: Final = 256 * 2**20
_WITHHELD: Final = REFUSALS["OutputImageSensitiveContentDetected"]


@dataclass(slots=True)
class Server:
    key: str
    latency: float
    calls: Calls
    results: Results
    failures: Failures
    painter: Executor
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=20))
    elsewhere: wire.Elsewhere = field(default_factory=wire.Elsewhere)
    connections: wire.Connections = field(default_factory=wire.Connections)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY)
        application.router.add_post("/images/generations", self._generations)
        application.router.add_post("/api/v3/images/generations", self._generations)
        application.router.add_get("/results/{name}", self.results.serve)
        self.elsewhere.add_to(application)
        application.router.add_get("/simulator/failures", self._get_failures)
        application.router.add_post("/simulator/failures", self._post_failures)
        application.router.add_get("/simulator/calls", self._get_calls)
        return application

    async def _generations(self, request: web.Request) -> web.StreamResponse:
        if self.connections.is_reused(request) and self.failures.drop_reused:
            return wire.reset(request)
        # As theirs: the time in hexadecimal milliseconds, then chance.
        request_id = f"0217{int(time.time() * 1000):x}{secrets.token_hex(12)}"
        with self.calls.one(request_id) as call:
            try:
                return await self._carry_out(request, call)
            except Refused as refused:
                call.ending = refused.refusal.code
                return self._refuse(refused.refusal, request_id)

    def _refuse(self, refusal: Refusal, request_id: str) -> web.Response:
        headers = {"x-request-id": request_id, "x-error-code": refusal.code}
        headers |= wire.retry_after(self.failures.retry_after, refusal.status)
        return web.json_response(refusal.body(request_id), status=refusal.status, headers=headers)

    async def _carry_out(self, request: web.Request, call: Call) -> web.StreamResponse:
        """A request that is not valid is refused even while a failure is on, and uses none up, but
        for those of the account."""
        started = time.monotonic()
        order = await self._read(request, call)
        self.calls.admit(call)
        failure = self.failures.take({**REFUSALS, **ENDINGS})
        if failure in REFUSALS:
            raise Refused(REFUSALS[failure])
        call.ending = failure or "answered"
        data = b"" if failure in FREE else await self._make(order, failure)
        await asyncio.sleep(max(0.0, started + self.latency - time.monotonic()))
        call.charged = 0 if failure in FREE else 1  # also when nobody listens any more
        if failure in FREE:
            body = _without_picture(failure, order)
        elif failure == "says-nothing":
            body = {}
        else:
            body = self._body(order, data, failure, request.host)
        if failure is not None and failure in BROKEN:
            return await wire.spoiled(failure, request, body, self.elsewhere)
        return web.json_response(body, headers={"x-request-id": call.request_id})

    async def _read(self, request: web.Request, call: Call) -> Order:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise Refused(REFUSALS["AuthenticationError"])
        if account := self.failures.take(ACCOUNT):
            raise Refused(REFUSALS[account])
        try:
            body = await request.json()
        except ValueError as error:
            raise invalid("body", "it is not JSON") from error
        order = await asyncio.get_running_loop().run_in_executor(self.painter, read_order, body)
        self.bodies.append(body)
        call.model, call.size = order.model, "{}x{}".format(*order.size)
        call.pictures_in = len(order.pictures)
        return order

    async def _make(self, order: Order, failure: str | None) -> bytes:
        (width, height), loop = order.size, asyncio.get_running_loop()
        if failure == "wrong-size":
            width, height = width // 2, height // 2
        elif failure == "wrong-aspect":
            height = height * 5 // 4
        return await loop.run_in_executor(
            self.painter, pictures.make, order.pictures, (width, height), order.file_format
        )

    def _body(self, order: Order, data: bytes, failure: str | None, host: str) -> dict[str, Any]:
        width, height = order.size
        if failure == "wrong-aspect":
            height = height * 5 // 4
        item: dict[str, Any] = {"size": f"{width}x{height}"}
        if order.as_base64 or failure == "no-url":
            item["b64_json"] = pictures.as_base64(data)
        else:
            item["url"] = f"http://{host}{self.results.keep(data, order.file_format)}"
        usage = _usage(1, width * height // 256)
        if order.counts_pictures_in:
            usage["input_images"] = len(order.pictures)
        return _success(order, [item], usage)

    # --- The simulator's own --------------------------------------------------------------

    async def _get_failures(self, _: web.Request) -> web.Response:
        return web.json_response(self.failures.as_json())

    async def _post_failures(self, request: web.Request) -> web.Response:
        try:
            self.failures.update(await request.json())
        except (ValueError, AttributeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(self.failures.as_json())

    async def _get_calls(self, _: web.Request) -> web.Response:
        made = [asdict(call) for call in self.calls.made]
        return web.json_response({"calls": made, "most_in_flight": self.calls.most_running})


def _success(order: Order, data: list[Any], usage: dict[str, int]) -> dict[str, Any]:
    return {"model": order.model, "created": int(time.time()), "data": data, "usage": usage}


def _usage(pictures: int, tokens: int) -> dict[str, int]:
    return {"generated_images": pictures, "output_tokens": tokens, "total_tokens": tokens}


def _without_picture(failure: str | None, order: Order) -> dict[str, Any]:
    error = {"code": _WITHHELD.code, "message": _WITHHELD.message}
    if failure == "top-level-error":
        return {"model": order.model, "created": int(time.time()), "error": error}
    data = [{"error": error}] if failure == "data-error" else []
    return _success(order, data, _usage(0, 0))
