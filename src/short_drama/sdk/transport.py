"""HTTP as the client needs it: every call bounded in time, and repeated where that is safe.

A repeat is safe when the call changes nothing, when the service knows it again (by its
Idempotency-Key or by the bytes themselves), or when no connection was made in the first place.

aiohttp takes as long to import as all the rest: it is, once somebody asks something.
"""

import asyncio
import io
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from short_drama.sdk.errors import ApiError, ServiceUnreachable
from short_drama.sdk.models import Problem
from short_drama.web.retry_after import retry_after

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_RETRY_AFTER = 0.2, 5.0, 30.0
_WHOLE = 10
"""A call may take this many timeouts as a whole while bytes keep coming."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; `wait` is how many seconds the service may take over it on purpose."""

    method: str
    path: str
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    data: bytes | None = None
    wait: float = 0.0
    repeatable: bool
    attempts: int


class _Again(Exception):
    """The attempt failed with `error`, and another one may be made after `after` seconds."""

    def __init__(self, error: ApiError | ServiceUnreachable, after: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.after = error, after


class Transport:
    """Use from one event loop. `timeout`: seconds without a byte before an attempt is given up;
    `key`: is shown at the addresses that are `trusted`, and at no other, whoever leads there.

    Raises ValueError for a key that no header can carry."""

    def __init__(
        self,
        *,
        timeout: float,
        key: str | None = None,
        trusted: Iterable[str] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("the API key has letters that no key has")
        self._timeout, self._sleep, self._key = timeout, sleep, key
        self._trusted = frozenset(map(_origin, trusted)) - {None}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        call: Call,
        bases: Sequence[str],
        read: "Callable[[aiohttp.ClientResponse], Awaitable[T]]",
    ) -> T:
        """What `read` makes of the answer; the bases take turns, the first one first.

        Raises ApiError and ServiceUnreachable.
        """
        for attempt in itertools.count(1):
            try:
                return await self._attempt(call, bases[(attempt - 1) % len(bases)], read)
            except _Again as again:
                if attempt >= call.attempts:
                    raise again.error from None
                await self._sleep(pause(attempt, again.after))
        raise AssertionError("itertools.count does not end")

    async def _attempt(
        self, call: Call, base: str, read: "Callable[[aiohttp.ClientResponse], Awaitable[T]]"
    ) -> T:
        import aiohttp

        try:
            async with self._opened().request(
                call.method,
                base + call.path,
                params=call.params,
                headers=self._headers(call, base),
                json=call.json,
                data=None if call.data is None else io.BytesIO(call.data),
                timeout=self._limits(call),
            ) as answer:
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    raise _refusal(call, await api_error(answer, base), answer.headers)
                return await read(answer)
        except aiohttp.InvalidURL:
            raise ServiceUnreachable(base, "that is not an address") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            unreachable = ServiceUnreachable(base, _reason(error, self._timeout))
            unconnected = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
            if call.repeatable or isinstance(error, unconnected):
                raise _Again(unreachable) from None
            raise unreachable from None

    def _headers(self, call: Call, base: str) -> Mapping[str, str]:
        if self._key is None or _origin(base) not in self._trusted:
            return call.headers
        return {**call.headers, "Authorization": f"Bearer {self._key}"}

    def _limits(self, call: Call) -> "aiohttp.ClientTimeout":
        import aiohttp

        return aiohttp.ClientTimeout(
            total=call.wait + self._timeout * _WHOLE,
            sock_connect=self._timeout,
            sock_read=call.wait + self._timeout,
        )

    def _opened(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._session is None:  # a session belongs to the loop that runs when it is made
            self._session = aiohttp.ClientSession()
        return self._session


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    """None for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port


def pause(attempt: int, after: float, *, share: Callable[[], float] = random.random) -> float:
    """Seconds before the attempt that follows `attempt`: doubling, jittered, never before the
    service asked to be called again. `share` gives 0 to 1."""
    backoff = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))
    return max(backoff * (0.5 + share() / 2), after)


async def api_error(answer: "aiohttp.ClientResponse", base: str) -> ApiError:
    """The problem in an answer, also where somebody else than the service gave it."""
    body = await answer.read()
    try:
        return ApiError(Problem.model_validate_json(body))
    except ValidationError:
        return unexpected(base, answer.url.path, answer.status)


def unexpected(base: str, path: str, status: int) -> ApiError:
    """An answer that this API does not give."""
    return ApiError(
        Problem(
            type="about:blank",
            title="The answer is not one of short-drama's",
            status=status,
            detail=f"{base} gave an answer (status {status}) that is not one of short-drama's",
            instance=path,
            code="unexpected_answer",
            retryable=status == HTTPStatus.SERVICE_UNAVAILABLE,
            fix="Check the address: something else may be listening there.",
        )
    )


def _refusal(call: Call, error: ApiError, headers: Mapping[str, str]) -> Exception:
    """A service that asks for more patience than we have is not asked again."""
    busy = error.problem.status == HTTPStatus.SERVICE_UNAVAILABLE and error.problem.retryable
    after = retry_after(headers) or 0.0
    again = busy and call.repeatable and after <= _LONGEST_RETRY_AFTER
    return _Again(error, after) if again else error


def _reason(error: Exception, timeout: float) -> str:
    import aiohttp

    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the connection was refused" if error.errno else str(error)
    return "the connection was lost"
