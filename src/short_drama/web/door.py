"""The door: who asks, and whether they may.

One table says what each route needs; what is not in it is closed. A key comes as
`Authorization: Bearer`, and never in an address, where logs and histories would keep it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Asked

from short_drama.domain.errors import KeyRefused, ScopeMissing, ShortDramaError
from short_drama.domain.principal import LOCAL, Principal, Scope
from short_drama.ports import AuditLog
from short_drama.web.key_ring import KeyRing
from short_drama.web.problems import problem
from short_drama.web.tickets import Tickets

ROUTES: Final[dict[tuple[str, str], Scope | None]] = {
    ("GET", "/health"): None,
    ("GET", "/ready"): None,
    ("GET", "/metrics"): Scope.OPERATE,
    ("GET", "/"): None,
    ("GET", "/docs"): None,
    ("GET", "/docs/oauth2-redirect"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/static-offline-docs/{path}"): None,
    ("GET", "/problems/{code}"): None,
    ("GET", "/assets/{path}"): None,  # by its address's signature, or by its owner's key
    ("GET", "/api/v1/kinds"): Scope.TASKS_READ,
    ("GET", "/api/v1/tasks"): Scope.TASKS_READ,
    ("GET", "/api/v1/tasks/count"): Scope.TASKS_READ,
    ("GET", "/api/v1/tasks/{task_id}"): Scope.TASKS_READ,
    ("GET", "/api/v1/tasks/{task_id}/events"): Scope.TASKS_READ,
    ("POST", "/api/v1/tickets"): Scope.TASKS_READ,
    ("GET", "/api/v1/audit"): Scope.ADMIN,
    ("POST", "/api/v1/tasks/{task_id}/cancel"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/tasks/{task_id}/retry"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/tasks/{task_id}/pick"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/tasks/{task_id}/restore"): Scope.TASKS_WRITE,
    ("DELETE", "/api/v1/tasks/{task_id}"): Scope.TASKS_WRITE,
    ("GET", "/api/v1/shots"): Scope.TASKS_READ,
    ("POST", "/api/v1/shots/pick"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/shots/unpick"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/verify"): Scope.TASKS_READ,
    ("GET", "/api/v1/webhooks"): Scope.TASKS_READ,
    ("POST", "/api/v1/webhooks"): Scope.TASKS_WRITE,
    ("GET", "/api/v1/webhooks/{webhook_id}"): Scope.TASKS_READ,
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): Scope.TASKS_WRITE,
    ("DELETE", "/api/v1/webhooks/{webhook_id}"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/webhooks/{webhook_id}/verify"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/webhooks/{webhook_id}/rotate"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/tasks/{task_id}/webhooks/replay"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/assets"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/assets/direct"): Scope.TASKS_WRITE,
    ("GET", "/api/v1/characters"): Scope.TASKS_READ,
    ("POST", "/api/v1/characters"): Scope.FACE_SWAP,
    ("GET", "/api/v1/characters/{name}"): Scope.TASKS_READ,
    ("PATCH", "/api/v1/characters/{name}"): Scope.FACE_SWAP,
    ("DELETE", "/api/v1/characters/{name}"): Scope.FACE_SWAP,
    ("GET", "/api/v1/characters/{name}/faces/{number}"): Scope.TASKS_READ,
    ("PUT", "/api/v1/characters/{name}/consent"): Scope.FACE_SWAP,
    ("POST", "/api/v1/characters/{name}/revoke"): Scope.FACE_SWAP,
    ("GET", "/api/v1/characters/{name}/tasks"): Scope.TASKS_READ,
    ("POST", "/api/v1/characters/{name}/purge"): Scope.FACE_SWAP,
    ("POST", "/api/v1/{kind}/tasks"): Scope.TASKS_WRITE,
    ("POST", "/api/v1/{kind}/jobs"): Scope.OPERATE,
    ("GET", "/api/v1/{kind}/jobs/{job_id}"): Scope.OPERATE,
    ("GET", "/api/v1/jobs/{job_id}"): Scope.OPERATE,
    ("DELETE", "/api/v1/jobs/{job_id}"): Scope.OPERATE,
}
"""What a key needs for each route, None for what is open to everybody: what load balancers ask,
what the API is, and nothing of what it does. The API services' jobs are their adapters' matter."""

_BEARER: Final = re.compile(rb"bearer +(\S+)\s*", re.IGNORECASE)
_EVENTS: Final = re.compile(r"/api/v1/tasks/([^/]+)/events")


NOBODY: Final = Principal(owner="", scopes=frozenset())
"""Who asks without a key for what is open to everybody."""


def principal_of(request: HTTPConnection) -> Principal:
    """Whoever can reach a service without a door is its owner."""
    found: Principal = getattr(request.state, "principal", LOCAL)
    return found


def require(request: HTTPConnection, scope: Scope) -> None:
    """For what a route needs beside its own scope. Raises ScopeMissing."""
    _require(principal_of(request), scope)


async def require_still(request: HTTPConnection) -> None:
    """For what goes on long after the door. Raises KeyRefused once the key opens nothing any more,
    and Unavailable."""
    lock: Lock | None = getattr(request.state, "lock", None)
    if lock is not None:
        await lock.require_still(principal_of(request))


@dataclass(frozen=True, slots=True)
class Lock:
    """What a door is opened with. `demanded`: whether nobody is let in without a key; otherwise
    whoever brings none is the service's owner. `audit`: where it is written who did what."""

    keys: KeyRing
    tickets: Tickets
    demanded: bool
    audit: AuditLog | None = None

    async def require_still(self, principal: Principal) -> None:
        """Raises KeyRefused and Unavailable."""
        if principal.key_id is not None and not await self.keys.is_valid(principal.key_id):
            raise KeyRefused(
                "the API key has expired or was revoked",
                fix="Ask whoever gave you the key for another one.",
            )


class Door:
    """Puts who asks into `request.state.principal`; whoever may not is 401 or 403, with a problem
    document."""

    def __init__(self, app: ASGIApp, *, lock: Lock) -> None:
        self._app, self._lock = app, lock

    async def __call__(self, scope: Asked, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except ShortDramaError as error:
            await problem(error, instance=scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _admit(self, scope: Asked) -> None:
        """Raises KeyRefused, ScopeMissing and Unavailable."""
        template, _ = ADDRESSES.find(scope["method"], scope["path"])
        its_scope = ROUTES.get((scope["method"], template))
        principal = await self._principal(scope)
        # Also of whoever is refused: see trail.py.
        scope.setdefault("state", {}).update(principal=principal or NOBODY, lock=self._lock)
        if template and its_scope is None:
            return
        if principal is None:
            raise KeyRefused(
                "this needs an API key, and the request brings none",
                fix="Send Authorization: Bearer sd_..., of `short-drama keys create`.",
            )
        if its_scope is not None:
            _require(principal, its_scope)
        elif _is_answered(scope):  # a route that the table has forgotten
            raise ScopeMissing("no key opens this address")

    async def _principal(self, scope: Asked) -> Principal | None:
        """None for nobody. Raises KeyRefused for a key that is none of ours, and Unavailable."""
        if token := _token(scope):
            return await self._lock.keys.principal(token)
        if (events := _EVENTS.fullmatch(scope["path"])) and scope["method"] == "GET":
            ticket = HTTPConnection(scope).query_params.get("ticket")
            if ticket is not None:
                principal = self._lock.tickets.principal(ticket, events[1])
                await self._lock.require_still(principal)
                return principal
        return None if self._lock.demanded else LOCAL


class _Addresses:
    """Looks a request's address up in ROUTES: fixed ones first."""

    def __init__(self) -> None:
        self._open = [(method, _pattern(path), path) for method, path in ROUTES if "{" in path]

    def find(self, method: str, path: str) -> tuple[str, str]:
        """The route's template, empty for what the table does not have; and what the address names
        last, empty for nothing."""
        if (method, path) in ROUTES:
            return path, ""
        for its_method, pattern, template in self._open:
            if method == its_method and (found := pattern.fullmatch(path)):
                return template, found[pattern.groups]
        return "", ""


def _pattern(path: str) -> re.Pattern[str]:
    """Of a parameter: one segment, but of `{path}` any number."""
    parts = re.split(r"(\{\w+\})", path)
    wild = {"{path}": "(.*)"}
    return re.compile(
        "".join(wild.get(one, "([^/]*)") if one[:1] == "{" else re.escape(one) for one in parts)
    )


ADDRESSES: Final = _Addresses()


def needed(method: str, path: str) -> tuple[bool, Scope | None]:
    """Whether ROUTES has an address, and what it needs there."""
    template, _ = ADDRESSES.find(method, path)
    return bool(template), ROUTES.get((method, template))


def _is_answered(scope: Asked) -> bool:
    routes: Sequence[BaseRoute] = scope["app"].routes
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def _token(scope: Asked) -> str | None:
    """Another scheme is somebody else's: a reverse proxy's own password may come along. Raises
    KeyRefused for several keys, of which a proxy may have looked at another one."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    tokens = [found[1] for value in given if (found := _BEARER.fullmatch(value))]
    if len(tokens) > 1:
        raise KeyRefused("the request brings several keys", fix="Send one.")
    return str(tokens[0], "latin-1") if tokens else None


def _require(principal: Principal, scope: Scope) -> None:
    if not principal.may(scope):
        raise ScopeMissing(
            f"this needs a key with the scope {scope}",
            fix=f"Ask whoever gave you the key for one with {scope}.",
        )
