"""The trail: what each request did, or was not let do, in the audit.

A route that changes something in one write has its line written there, together with the change
(`line_of`). Of all others the line is written before their answer begins: what was answered is in
the audit, and what cannot be written there is not answered. A route without a name in ACTIONS goes
by its method and address.

Refusals have lines as well, so many as a flood cannot fill a disk with; the others are counted.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from short_drama import metrics
from short_drama.domain.audit import DONE, AuditLine, shown
from short_drama.domain.errors import ShortDramaError, Unavailable
from short_drama.ports import AuditLog
from short_drama.web.clients import client_of
from short_drama.web.door import ADDRESSES, NOBODY
from short_drama.web.key_ring import SERVICE
from short_drama.web.problems import problem

ACTIONS: Final[dict[tuple[str, str], str | None]] = {
    ("POST", "/api/v1/{kind}/tasks"): "task.submit",
    ("POST", "/api/v1/tasks/{task_id}/cancel"): "task.cancel",
    ("POST", "/api/v1/tasks/{task_id}/retry"): "task.retry",
    ("POST", "/api/v1/tasks/{task_id}/restore"): "task.restore",
    ("DELETE", "/api/v1/tasks/{task_id}"): "task.delete",
    ("POST", "/api/v1/tasks/{task_id}/pick"): "task.pick",
    ("POST", "/api/v1/shots/pick"): "shot.pick",
    ("POST", "/api/v1/shots/unpick"): "shot.unpick",
    ("POST", "/api/v1/assets"): "asset.upload",
    ("POST", "/api/v1/assets/direct"): "asset.form",
    ("POST", "/api/v1/tickets"): None,
    ("POST", "/api/v1/verify"): None,
    ("POST", "/api/v1/characters"): "character.create",
    ("PATCH", "/api/v1/characters/{name}"): "character.change",
    ("DELETE", "/api/v1/characters/{name}"): "character.delete",
    ("PUT", "/api/v1/characters/{name}/consent"): "character.consent",
    ("POST", "/api/v1/characters/{name}/revoke"): "character.revoke",
    ("POST", "/api/v1/characters/{name}/purge"): "character.purge",
    ("POST", "/api/v1/webhooks"): "webhook.create",
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): "webhook.change",
    ("DELETE", "/api/v1/webhooks/{webhook_id}"): "webhook.delete",
    ("POST", "/api/v1/webhooks/{webhook_id}/verify"): "webhook.verify",
    ("POST", "/api/v1/webhooks/{webhook_id}/rotate"): "webhook.rotate",
    ("POST", "/api/v1/tasks/{task_id}/webhooks/replay"): "webhook.replay",
    ("POST", "/api/v1/{kind}/jobs"): "job.begin",
    ("DELETE", "/api/v1/jobs/{job_id}"): "job.cancel",
}
"""What routes do, by the door's addresses; None for what changes nothing though it is no GET."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DENIED: Final = (401, 403)
_ELSEWHERE: Final = "another address"


class Act:
    """What a request is about. `target`: what its route says that it made or changed; else it is
    what the address names."""

    def __init__(self, scope: Scope, at: float) -> None:
        self._scope, self._at = scope, at
        self.target = self.about = ""
        self.is_told = False
        """Whether whoever writes the change writes the line."""

    @property
    def changes(self) -> bool:
        """Whether that is what its route is for."""
        method, (template, _) = self._scope["method"], self._address()
        is_named = bool(template) and method not in _READING
        return is_named and ACTIONS.get((method, template), "") is not None

    def line(self, outcome: str = DONE) -> AuditLine:
        who, method = self._scope["state"].get("principal", NOBODY), self._scope["method"]
        template, named = self._address()
        return AuditLine(
            at=self._at,
            action=ACTIONS.get((method, template)) or f"{method} {template or _ELSEWHERE}",
            outcome=outcome,
            owner=who.owner,
            key_id=who.key_id,
            origin=(self._scope.get("client") or ("", 0))[0],
            target=self.target or shown(named),
            about=self.about,
        )

    def _address(self) -> tuple[str, str]:
        return ADDRESSES.find(self._scope["method"], self._scope["path"])


def line_of(request: HTTPConnection) -> AuditLine | None:
    """For who writes it with the change itself; None where there is no audit."""
    act: Act | None = getattr(request.state, "act", None)
    if act is None:
        return None
    act.is_told = True
    return act.line()


def note_target(request: HTTPConnection, target: str, about: str = "") -> None:
    """What the request made or changed, for the line that is written of it."""
    act: Act | None = getattr(request.state, "act", None)
    if act is not None:
        act.target, act.about = shown(target), about


class Trail:
    def __init__(
        self, app: ASGIApp, *, audit: AuditLog, clock: Callable[[], float] = time.time
    ) -> None:
        self._app, self._audit, self._clock = app, audit, clock
        self._refusals = Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        act = Act(scope, self._clock())
        scope.setdefault("state", {})["act"] = act
        is_answered = False

        async def told(message: Message) -> None:
            nonlocal is_answered
            if is_answered:
                return
            if message["type"] == "http.response.start":
                try:
                    await self._tell(act, scope, message["status"])
                except ShortDramaError as error:
                    is_answered = True
                    await problem(error, instance=scope["path"])(scope, receive, send)
                    return
            await send(message)

        await self._app(scope, receive, told)

    async def _tell(self, act: Act, scope: Scope, status: int) -> None:
        if scope["state"].get("principal") is SERVICE:
            return  # an adapter does what a client was told of
        if status < 400:
            if not act.is_told and act.changes:
                await self._audit.append(act.line())
        elif status < 500 and (status in _DENIED or act.changes):  # beyond it nobody was refused
            await self._tell_refusal(act, client_of(scope), str(status))

    async def _tell_refusal(self, act: Act, client: str, outcome: str) -> None:
        """Whoever is refused hears of it, whether or not the audit can be written."""
        left_out = self._refusals.left_out_before(client, self._clock())
        metrics.AUDIT_REFUSALS.labels("counted" if left_out is None else "written").inc()
        if left_out is None:
            return
        if left_out:
            act.about = f"{left_out} refusals before it are only counted"
        try:
            await self._audit.append(act.line(outcome))
        except Unavailable:
            metrics.AUDIT_REFUSALS.labels("failed").inc()


class _Bucket:
    """Holds `most`; one more comes every `seconds`."""

    def __init__(self, most: int, seconds: float, now: float) -> None:
        self._most, self._seconds, self._left, self._at = most, seconds, float(most), now

    def has_one(self, now: float) -> bool:
        gained = max(now - self._at, 0.0) / self._seconds
        self._left, self._at = min(self._left + gained, float(self._most)), now
        return self._left >= 1.0

    def take(self) -> None:
        self._left -= 1.0


class Refusals:
    """How many refusals get lines: of each client ten at once, then one in ten minutes; of all
    together a hundred, then one a minute. That is half a megabyte a day at most."""

    _MOST_CLIENTS: Final = 1024

    def __init__(self) -> None:
        self._all: _Bucket | None = None
        self._clients: OrderedDict[str, _Bucket] = OrderedDict()
        self._left_out = 0

    def left_out_before(self, client: str, now: float) -> int | None:
        """How many had no line since the last one that had; None for one that has none either."""
        everybody = self._all = self._all or _Bucket(100, 60.0, now)
        own = self._clients.setdefault(client, _Bucket(10, 600.0, now))
        self._clients.move_to_end(client)
        if len(self._clients) > self._MOST_CLIENTS:
            self._clients.popitem(last=False)
        if not (own.has_one(now) and everybody.has_one(now)):
            self._left_out += 1
            return None
        own.take()
        everybody.take()
        left_out, self._left_out = self._left_out, 0
        return left_out
