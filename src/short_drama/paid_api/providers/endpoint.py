"""One provider's HTTP endpoint: a POST, its answer, and whether the provider may have acted.

Both providers speak the same way: JSON with a bearer key, errors as an HTTP status with a JSON body
that has a code. Nothing is repeated here: a repeated call may be a repeated charge.
"""

import asyncio
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from short_drama import metrics

_SENDING = 1.25
"""Of the time for an answer: with what it takes to write down a call and its pictures before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A 200 with a JSON object; what it says may still be an error."""

    body: Mapping[str, Any]
    request_id: str | None
    seconds: float


class CallRefused(Exception):
    """The provider answered, and not with 200: nothing was charged.

    Args:
        code: the provider's own, or "" when the body has none.
        after: seconds to wait, where Retry-After says so.
    """

    def __init__(
        self,
        status: int,
        *,
        code: str,
        message: str,
        request_id: str | None = None,
        after: float | None = None,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.message = status, code, message
        self.request_id, self.after = request_id, after


class CallNotSent(Exception):
    """No connection: the provider knows nothing of the call."""


class CallUnanswered(Exception):
    """The call was sent and no whole answer came: it may have been carried out and charged."""


class Provider:
    """Use with `async with`.

    Args:
        name: in metrics.
        key: the API key, sent as a bearer token and written nowhere else.
        connect, read: seconds.
    """

    def __init__(
        self, name: str, base_url: str, key: str, *, connect: float = 10.0, read: float = 300.0
    ) -> None:
        self.name, self._base_url, self._key = name, base_url.rstrip("/"), key
        self._timeout = aiohttp.ClientTimeout(total=connect + read, sock_connect=connect)
        self.patience = connect + _SENDING * read
        """Seconds, within which a call ends in whatever way: for whoever only knows of it."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            headers={"Authorization": f"Bearer {self._key}"},
            connector=aiohttp.TCPConnector(limit=0),
            trust_env=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Raises CallRefused, CallNotSent or CallUnanswered."""
        # A file, and made in a thread: bodies hold pictures, and a megabyte of JSON takes a while.
        data = io.BytesIO(await asyncio.to_thread(lambda: json.dumps(body).encode()))
        started, outcome = time.perf_counter(), "error"
        try:
            async with self._session.post(
                self._base_url + path, data=data, headers={"Content-Type": "application/json"}
            ) as answer:
                outcome = str(answer.status)
                told = await answer.read()
                seconds = time.perf_counter() - started
                return _read(answer.status, answer.headers, told, seconds)
        except aiohttp.ClientConnectorError as error:
            raise CallNotSent(_words(error)) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise CallNotSent(_words(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CallUnanswered(_words(error)) from error
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            spent = time.perf_counter() - started
            metrics.CALL_SECONDS.labels(self.name, outcome).observe(spent)


def _read(status: int, headers: Mapping[str, str], data: bytes, seconds: float) -> Reply:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    body = found if isinstance(found, dict) else {}
    request_id = str(body.get("request_id") or headers.get("x-request-id") or "") or None
    if status == 200 and isinstance(found, dict):
        return Reply(body=body, request_id=request_id, seconds=seconds)
    if status == 200:  # it did something, and we cannot tell what
        raise CallUnanswered("the answer is not a JSON object")
    error = body.get("error")
    told = error if isinstance(error, Mapping) else body
    raise CallRefused(
        status,
        code=str(told.get("code") or told.get("type") or ""),
        message=str(told.get("message") or "")[:500],
        request_id=request_id,
        after=_seconds(headers.get("Retry-After")),
    )


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, min(float(retry_after or ""), 3600.0))
    except ValueError:
        return None


def _words(error: BaseException) -> str:
    """Without the URL, which aiohttp's own words may hold."""
    return type(error).__name__
