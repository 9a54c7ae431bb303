"""How many requests each owner may make, and the fields that tell how many are left.

Counted in memory, so each process counts for itself, and forgets with it. The fields are those of
draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "owner";q=QUOTA;w=WINDOW`, and
`RateLimit: "owner";r=REMAINING;t=SECONDS`, seconds until there is the whole quota again.
"""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from short_drama import metrics
from short_drama.domain.errors import TooManyRequests
from short_drama.web.clients import CLIENT
from short_drama.web.door import principal_of
from short_drama.web.problems import problem

_WINDOW = 10
"""Seconds: a page that asks for twenty things at once is no flood."""
_UNCOUNTED = frozenset({"/health", "/ready", "/metrics"})
"""Asked by machines, in their own rhythm."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an owner has left, once a request was counted or refused."""

    is_allowed: bool
    left: int
    seconds: int
    """Until there is the whole quota again."""


class OwnerRate:
    """Shared by all applications of a process. `per_second`: requests, over ten seconds."""

    def __init__(self, per_second: int) -> None:
        self.quota = per_second * _WINDOW
        self._item: RateLimitItem = RateLimitItemPerSecond(self.quota, _WINDOW)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count(self, owner: str) -> Allowance:
        is_allowed = await self._limiter.hit(self._item, owner)
        reset_at, left = await self._limiter.get_window_stats(self._item, owner)
        return Allowance(is_allowed, left, max(math.ceil(reset_at - time.time()), 1))


class OwnerRateLimit:
    """To be asked once the door has found out who asks."""

    def __init__(self, app: ASGIApp, *, rate: OwnerRate) -> None:
        self._app, self._rate = app, rate
        self._policy = f'"owner";q={rate.quota};w={_WINDOW}'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNCOUNTED:
            await self._app(scope, receive, send)
            return
        # Those who need no key share no count: one of them would use up that of all.
        owner = principal_of(HTTPConnection(scope)).owner or CLIENT.get()
        allowance = await self._rate.count(owner)
        told = f'"owner";r={allowance.left};t={allowance.seconds}'.encode()

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                fields = [(b"ratelimit-policy", self._policy), (b"ratelimit", told)]
                message["headers"] = [*message.get("headers", ()), *fields]
            await send(message)

        if allowance.is_allowed:
            await self._app(scope, receive, send_with_fields)
            return
        metrics.LIMITS_HIT.labels("owner", "requests").inc()
        refusal = problem(_refusal(self._rate.quota, allowance), instance=scope["path"])
        await refusal(scope, receive, send_with_fields)


def _refusal(quota: int, allowance: Allowance) -> TooManyRequests:
    return TooManyRequests(
        f"more than {quota} requests in {_WINDOW} seconds",
        fix="Ask again after Retry-After; follow tasks with their events, or with ?wait=.",
        after=allowance.seconds,
    )
