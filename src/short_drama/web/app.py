"""What every service's application has: problems, documentation, health, metrics, request ids."""

import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from short_drama.domain.errors import ShortDramaError
from short_drama.web import metrics, problems

Report = Callable[[], Awaitable[Mapping[str, Any]]]
"""What /health says beside the status; raises what makes the service not ready."""


def create_app(*, service: str, title: str, description: str, report: Report) -> FastAPI:
    """An application with everything but its own routes.

    `/health` says that the process lives and what it is doing; `/ready` asks `report` and is 503
    when that raises, so a load balancer stops sending.
    """
    app = FastAPIOffline(
        title=title,
        description=description,
        version="1",
        redoc_url=None,
        openapi_tags=[{"name": name} for name in ("submit", "tasks", "jobs", "assets", "service")],
    )
    problems.install(app)
    app.add_middleware(RequestContext, service=service)

    @app.get("/health", tags=["service"], summary="Is the process alive, and what is it doing")
    async def health() -> JSONResponse:
        try:
            return JSONResponse({"status": "ready", "service": service, **await report()})
        except ShortDramaError as error:
            body = {"status": "unhealthy", "service": service, "reason": error.detail}
            return JSONResponse(body)

    @app.get("/ready", tags=["service"], summary="Can it take work now")
    async def ready() -> JSONResponse:
        return JSONResponse({"status": "ready", **await report()})

    @app.get(
        "/metrics",
        tags=["service"],
        summary="Figures in Prometheus text format",
        response_class=PlainTextResponse,
    )
    async def figures() -> Response:
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)

    return app


class RequestContext:
    """Give each request an id, measure it, and forbid browsers to guess content types."""

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self._app, self._service = app, service
        # A random process and a count: unique enough, and no system call for each request.
        self._process, self._count = secrets.token_hex(6), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["request_id"] = self._request_id(scope)
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            # The route's template, never the path: a path is unbounded and may hold an id.
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.REQUESTS.labels(self._service, scope["method"], route, status).inc()
            metrics.REQUEST_SECONDS.labels(self._service, route).observe(
                time.perf_counter() - started
            )

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and re.fullmatch(rb"[\w.-]{1,100}", value):
                return str(value, "ascii")
        return f"{self._process}-{next(self._count)}"
