"""What every service's application has: problems, documentation, health, metrics, request ids."""

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import Counter, Histogram
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from short_drama import metrics
from short_drama.domain.errors import EngineStarting, InternalError, ShortDramaError, Unavailable
from short_drama.web import problems
from short_drama.web.clients import CLIENT, SITE, client_of, site_of
from short_drama.web.direct import Direct, DirectRoutes
from short_drama.web.door import NOBODY, Door, Lock, principal_of
from short_drama.web.head import AnswerHead
from short_drama.web.hosts import HostGuard, host_names
from short_drama.web.origins import OriginGuard
from short_drama.web.owner_rate import OwnerRate, OwnerRateLimit
from short_drama.web.proxies import BehindProxies, Proxies
from short_drama.web.trail import Trail
from short_drama.web.version import VERSION

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(rb"[\w.-]{1,100}")
_TO_BROWSERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

Report = Callable[[], Awaitable[Mapping[str, Any]]]
"""What /health says beside the status; raises what makes the service not ready."""
Check = Callable[[], Awaitable[None]]
"""As a report, with nothing to say."""


Layer = Callable[[ASGIApp], ASGIApp]


async def _nothing() -> None:
    pass


_TAGS: Final = ("submit", "tasks", "characters", "webhooks", "jobs", "assets", "service")
"""In the order in which the documentation shows them."""


def create_app(
    *,
    service: str,
    title: str,
    description: str,
    report: Report,
    check: Check = _nothing,
    remark: Check = _nothing,
    hosts: Iterable[str] = (),
    lock: Lock | None = None,
    rate: OwnerRate | None = None,
    proxies: Proxies | None = None,
) -> FastAPI:
    """An application with everything but its own routes.

    Args:
        check: what makes the service not ready although there is something to report.
        remark: what /health complains of although the service takes work.
        hosts: names it answers to beside loopback addresses and `localhost`: a reverse proxy's.
        lock: of its door; without one everybody is its owner.
        rate: how many requests each owner may make; None for any number.
        proxies: those in front, whose word counts for whom a request came from.

    Raises InvalidRequest when one of `hosts` is no host name.
    """
    app = FastAPIOffline(
        title=title,
        description=description,
        version="1",
        redoc_url=None,
        openapi_tags=[{"name": name} for name in _TAGS],
    )
    _set_state(app, check, lock)
    problems.install(app)
    _install_service_routes(app, service, report, check, remark)
    _install_metrics(app)
    before: list[Layer] = [] if proxies is None else [partial(BehindProxies, proxies=proxies)]
    context, direct = partial(RequestContext, service=service), app.state.direct
    guards = _guards(host_names(hosts), lock, rate)
    within: Sequence[Layer] = (*guards, partial(Direct, routes=direct))
    app.middleware_stack = _around(app, *before, context, AnswerHead, *within)
    return app


def _set_state(app: FastAPI, check: Check, lock: Lock | None) -> None:
    app.state.stopping = asyncio.Event()  # see waiting.py
    app.state.check = check
    app.state.demands_keys = lock is not None and lock.demanded
    app.state.figures_at = None  # where /metrics is, if it is another's in this process
    app.state.direct = DirectRoutes()


def _guards(names: frozenset[str], lock: Lock | None, rate: OwnerRate | None) -> Sequence[Layer]:
    """Whoever is counted has come through the door before."""
    door: list[Layer] = [] if lock is None else [partial(Door, lock=lock)]
    audit = None if lock is None else lock.audit
    trail: list[Layer] = [] if audit is None else [partial(Trail, audit=audit)]
    share: list[Layer] = [] if rate is None else [partial(OwnerRateLimit, rate=rate)]
    gates: list[Layer] = [partial(HostGuard, hosts=names), partial(OriginGuard, hosts=names)]
    return [*trail, *gates, *door, *share]


def _around(app: FastAPI, *layers: Layer) -> ASGIApp:
    """The application inside of `layers`, the outermost first. So what `Direct` answers does not
    pass what Starlette and FastAPI keep around routes for telemetry and bodies, nor what is added
    by `add_middleware`: that is refused, for it might be a guard.

    What nobody foresaw is `RequestContext`'s to answer, and not Starlette's.
    """
    if app.user_middleware:
        raise AssertionError("a layer must be one of those around the direct routes")
    around = app.build_middleware_stack()
    inner = around.app if isinstance(around, ServerErrorMiddleware) else around
    for layer in reversed(layers):
        inner = layer(inner)
    return inner


def _install_service_routes(
    app: FastAPI, service: str, report: Report, check: Check, remark: Check
) -> None:
    """`/health` says that the process lives and what it is doing; `/ready` is 503 when `report` or
    `check` raises, so a load balancer stops sending."""

    @app.get("/health", tags=["service"], summary="Is the process alive, and what is it doing")
    async def health(request: Request) -> JSONResponse:
        told: Mapping[str, Any] = {}
        is_told_all = principal_of(request) is not NOBODY
        own = {"service": service, "version": VERSION}
        try:
            told = await report()
            await check()
            await remark()
            return JSONResponse({"status": "ready", **own, **(told if is_told_all else {})})
        except ShortDramaError as error:
            status = "starting" if isinstance(error, EngineStarting) else "unhealthy"
            if not is_told_all:
                return JSONResponse({**own, "status": status})
            body = {**told, **own, "status": status, "reason": error.detail}
            return JSONResponse(body if error.fix is None else {**body, "fix": error.fix})

    @app.get("/ready", tags=["service"], summary="Can it take work now")
    async def ready(request: Request) -> JSONResponse:
        told = await report()
        await check()
        told = told if principal_of(request) is not NOBODY else {}
        return JSONResponse({"status": "ready", **told})

    async def look() -> None:
        is_ready = None
        try:
            await report()
            await check()
            is_ready = True
        except ShortDramaError:
            is_ready = False
        finally:
            metrics.READY.tell(is_ready, service)

    app.state.look = look  # see watch.py


def _install_metrics(app: FastAPI) -> None:
    @app.get(
        "/metrics",
        tags=["service"],
        summary="Figures in Prometheus text format",
        response_class=PlainTextResponse,
    )
    async def figures() -> Response:
        elsewhere = app.state.figures_at
        text = metrics.render() if elsewhere is None else metrics.pointer(elsewhere)
        return Response(text, media_type=metrics.CONTENT_TYPE)


class RequestContext:
    """Give each request an id, measure it, and forbid browsers to guess content types and to show
    what is answered in other sites' pages.

    What nobody foresaw is answered here, so that this answer has its id as well.
    """

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self._app, self._service = app, service
        self._figures = cache(self._figures_of)
        # A random process and a count: unique enough, and no system call for each request.
        self._process, self._count = secrets.token_hex(6), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._request_id(scope)
        bind_contextvars(request_id=request_id)
        CLIENT.set(client_of(scope))
        SITE.set(site_of(scope))
        started, begun, status = time.perf_counter(), False, 500

        async def send_with_headers(message: Message) -> None:
            nonlocal begun, status
            if message["type"] == "http.response.start":
                begun, status = True, message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    *_TO_BROWSERS,
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = 499  # nobody is there to be answered; as nginx counts it
        except Exception:
            asked = {"method": scope["method"], "path": scope["path"]}
            log.exception("an unexpected error in request %s", request_id, extra=asked)
            if begun:  # what was sent cannot be taken back; the server breaks off
                raise
            bug = InternalError(f"an unexpected error; tell us the request id {request_id}")
            answer = problems.problem(bug, instance=scope["path"])
            await answer(scope, receive, send_with_headers)
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            if not begun:
                stopped = Unavailable("the service is being stopped", fix="Ask again.")
                answer = problems.problem(stopped, instance=scope["path"])
                await answer(scope, receive, send_with_headers)
        finally:
            self._measure(scope, status, time.perf_counter() - started)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, never the path: a path is unbounded and may hold an id.
        route = getattr(scope.get("route"), "path", "unmatched")
        answered, took = self._figures(scope["method"], route, status)
        answered.inc()
        took.observe(seconds)

    def _figures_of(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """Those of metrics.py, with their labels: found once, not by each request."""
        return (
            metrics.REQUESTS.labels(self._service, method, route, status),
            metrics.REQUEST_SECONDS.labels(self._service, route),
        )

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                return str(value, "ascii")
        return f"{self._process}-{next(self._count)}"
