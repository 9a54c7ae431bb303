"""The routes that are asked most, without the way through all others.

A route of FastAPI solves dependencies, opens exit stacks and wraps what it calls several times: a
third of what a submit takes. An endpoint that needs nothing but its request is called here at
once. It stays a route of the application as well, which describes it and answers whatever is asked
in any other way.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from short_drama.domain.errors import ShortDramaError
from short_drama.web.problems import problem

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Route:
    path: str
    """The template, by which requests are measured."""
    endpoint: Endpoint
    parameter: str = ""


class DirectRoutes:
    """To be told as routes are made, and asked by `Direct`."""

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], _Route] = {}
        self._open: dict[tuple[str, str], _Route] = {}
        """Those that end in a parameter, by what stands before it."""

    def add(self, method: str, path: str, endpoint: Endpoint) -> None:
        """`path`: may end in one parameter, which the endpoint finds in `request.path_params`."""
        parent, _, last = path.rpartition("/")
        if last.startswith("{"):
            self._open[method, parent] = _Route(path, endpoint, parameter=last.strip("{}"))
        else:
            self._fixed[method, path] = _Route(path, endpoint)

    def find(self, scope: Scope) -> _Route | None:
        """None for what has a query: that is FastAPI's to read."""
        if scope["query_string"]:
            return None
        method, path = scope["method"], scope["path"]
        if fixed := self._fixed.get((method, path)):
            return fixed
        parent, _, last = path.rpartition("/")
        found = self._open.get((method, parent)) if last else None
        if found is not None:
            scope["path_params"] = {found.parameter: last}
        return found


class Direct:
    """What is not among the direct routes goes its usual way."""

    def __init__(self, app: ASGIApp, *, routes: DirectRoutes) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.find(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            answer = await route.endpoint(Request(scope, receive, send))
        except ShortDramaError as error:
            answer = problem(error, instance=scope["path"])
        await answer(scope, receive, send)
