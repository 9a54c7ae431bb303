"""One provider's HTTP endpoint: a POST, its answer, and whether the provider may have acted.

Both providers speak the same way: JSON with a bearer key, errors as an HTTP status with a JSON body
that has a code. Nothing is repeated here: a repeated call may be a repeated charge. So no
connection is used twice, for one that the other side has dropped in the meantime looks like a call
without an answer; and no redirect is followed, which would take the key along.
"""

import asyncio
import contextlib
import io
import json
import time
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Final, Self

import aiohttp
from yarl import URL

from short_drama import metrics, tracing
from short_drama.logs.redaction import Redactor
from short_drama.paid_api.providers.calls import (
    CallNotSent,
    CallRefused,
    CallUnanswered,
    Reply,
    read_answer,
)
from short_drama.paid_api.providers.proxies import ProxyUnusable, proxy_for

__all__ = ["CallNotSent", "CallRefused", "CallUnanswered", "Provider", "Reply", "patience"]

MAX_ANSWER: Final = 48 * 2**20
"""Bytes: as much as the largest picture that is taken anywhere, 32 MiB, has as base64."""
_CHUNK: Final = 64 * 1024
CONNECT_SECONDS: Final = 10.0
_SENDING: Final = 1.25
"""Of the time for an answer: with what it takes to write down a call and its pictures before."""


def patience(read: float, connect: float = CONNECT_SECONDS) -> float:
    """Seconds, within which a call ends in whatever way: for whoever only knows of it."""
    return connect + _SENDING * read


class Provider:
    """Use with `async with`.

    Args:
        name: in metrics.
        key: the API key, sent as a bearer token and written nowhere else.
        connect: seconds for everything before the request: names, proxy, TLS.
        secrets: values that are taken out of every answer, beside the key.
        read: seconds from the last piece of the request to the end of the answer; pieces that
            do not get away take no longer either.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        key: str,
        *,
        secrets: Iterable[str] = (),
        connect: float = CONNECT_SECONDS,
        read: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name, self._base_url, self._key = name, base_url.rstrip("/"), key
        self._redactor = Redactor({key, *secrets})
        self._connect, self._read, self._clock = connect, read, clock
        self.patience = patience(read, connect)

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_chunk_sent.append(_tell_call)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Raises CallRefused, CallNotSent or CallUnanswered."""
        started, call = time.perf_counter(), _Call(self._read)
        try:
            with tracing.part(f"ask {self.name}") as traced:
                status, headers, data = await self._exchange(self._base_url + path, body, call)
                traced.tell(status=status)
        except asyncio.CancelledError:
            call.outcome = "cancelled"
            raise
        except Exception as error:
            raise (CallUnanswered if call.sent else CallNotSent)(_words(error)) from error
        finally:
            seconds = time.perf_counter() - started
            metrics.CALL_SECONDS.labels(self.name, call.outcome).observe(seconds)
        # In a thread, for an answer may hold a picture.
        return await asyncio.to_thread(
            read_answer,
            status,
            headers,
            data,
            seconds=seconds,
            now=self._clock(),
            clean=self._redactor.answer,
        )

    async def _exchange(
        self, address: str, body: Mapping[str, Any], call: "_Call"
    ) -> tuple[int, Mapping[str, str], bytes | None]:
        """Status, headers and body of the answer, as `_bounded` has it."""
        url = URL(address)
        # A file, and made in a thread: bodies hold pictures, and a megabyte of JSON takes a while.
        data = io.BytesIO(await asyncio.to_thread(lambda: json.dumps(body).encode()))
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        async with (
            asyncio.timeout(self._connect) as call.patience,
            self._session.post(
                url,
                data=data,
                headers=headers,
                proxy=proxy_for(url),
                allow_redirects=False,
                trace_request_ctx=call,
            ) as answer,
        ):
            call.outcome = str(answer.status)
            return answer.status, answer.headers, await _bounded(answer)


class _Call:
    """One request on its way.

    Args:
        read: seconds that each piece of it, and then the answer, is waited for.
    """

    def __init__(self, read: float) -> None:
        self._read = read
        self.sent = False
        """Whether any of it may have left."""
        self.outcome = "error"
        self.patience: asyncio.Timeout

    def piece_sent(self) -> None:
        self.sent = True
        with contextlib.suppress(RuntimeError):  # it has ended, before all of it was sent
            self.patience.reschedule(asyncio.get_running_loop().time() + self._read)


async def _tell_call(_: aiohttp.ClientSession, trace: SimpleNamespace, __: object) -> None:
    """aiohttp says so just before it writes a piece, and writes the headers with the first one."""
    call: _Call = trace.trace_request_ctx
    call.piece_sent()


async def _bounded(answer: aiohttp.ClientResponse) -> bytes | None:
    """None where it is too large, or a refusal that breaks off: that has been said before."""
    data = bytearray()
    try:
        async for chunk in answer.content.iter_chunked(_CHUNK):
            data += chunk
            if len(data) > MAX_ANSWER:
                return None
    except aiohttp.ClientError:
        if answer.status < 300:
            raise
        return None
    return bytes(data)


def _words(error: Exception) -> str:
    """Without the URL, which aiohttp's own words may hold."""
    match error:
        case ProxyUnusable():
            return str(error)
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answers with status {error.status}"
        case TimeoutError():
            return "no answer in time"
    return type(error).__name__
