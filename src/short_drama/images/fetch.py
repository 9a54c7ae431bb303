"""Read the bytes behind a user's URL, without letting the URL read what it should not.

The address that was judged is the address that is connected to. aiohttp offers two public hooks
for that, and both are used (behaviour read in aiohttp 3.14's `connector.py`):

* the connector asks its resolver once per connection and connects to exactly those answers; our
  resolver refuses unless all of them pass, so a name cannot be rebound between check and use;
* for a host that is an IP literal the connector asks no resolver; the socket factory is called
  for every single connection, with the address it is for, and refuses there.

Redirects are followed by hand, each through the guard. Who remembers the entity tag of what was at
a URL is told whether that is still there, by a conditional request. No connection is used twice, so
that none is left open to whoever was asked once. Proxies, cookies and credentials are off.
Compression is not asked for; where it comes, it is read within the limit. Words of an error never
contain a body or a resolved address.
"""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from short_drama.domain.errors import Unavailable, UrlUnreachable
from short_drama.images.content_coding import TooMuch, coding_of, plain
from short_drama.images.fair_slots import FairSlots
from short_drama.images.guard import Guard
from short_drama.images.seen_urls import strong
from short_drama.images.structure import MAX_BYTES

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
HEADERS: Final = {
    "Accept": "image/png, image/jpeg, image/webp",
    "Accept-Encoding": "identity",
    "User-Agent": "short-drama-fetch/1",
}
_CHUNK: Final = 64 * 1024
_LOOKUPS_AT_ONCE: Final = 8

Known = Callable[[str], Awaitable[str | None]]
"""The strong entity tag of what is remembered of a URL, the first or one that it redirects to."""
Lookup = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) -> the host's addresses in canonical text form; raises OSError."""


async def _nothing(_: str) -> None:
    """Is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Times in seconds, sizes in bytes. `total` counts the wait for a place. A fetch of which
    nothing has come holds little, so that many may wait for servers that are silent; what has come
    for all of them together is bounded by `held`: no client may hold more than is left of it."""

    max_bytes: int = MAX_BYTES
    redirects: int = 3
    dns: float = 5.0
    total: float = 15.0
    at_once: int = 128
    waiting: int = 64
    held: int = 8 * MAX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is at `url`, the last of its redirects."""

    url: str
    etag: str | None
    """If it is a strong one."""
    data: bytes | None
    """None: still what that tag was remembered of."""


class Fetcher:
    """An async context manager, or `start` and `close`."""

    def __init__(
        self,
        guard: Guard,
        *,
        limits: FetchLimits | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self._guard = guard
        self._limits = limits or FetchLimits()
        self._slots_of_jobs = asyncio.Semaphore(self._limits.at_once)
        self._slots = FairSlots(
            "fetching URLs",
            self._limits.at_once,
            waiting=self._limits.waiting,
            seconds=self._limits.total / 2,
        )
        self._held: Counter[str] = Counter()
        self._names = SystemNames("fetch-dns")
        self._lookup = lookup or self._names.addresses
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = guarded_session(
            self._guard, lookup=self._lookup, seconds=self._limits.dns, headers=HEADERS
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._names.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def fetch(self, url: str, *, client: str | None = None) -> bytes:
        """The body at `url`. Raises as `ask` does."""
        return (await self.ask(url, client=client)).data or b""

    async def ask(self, url: str, *, client: str | None = None, known: Known = _nothing) -> Found:
        """What is at `url`.

        Args:
            client: with whom others share the places; None for a job, which waits for no client.

        Raises:
            UrlRefused: the URL, or one it redirects to, may not be fetched.
            UrlUnreachable: there was no answer, or not one that could be an image.
            Unavailable: too much is being fetched.
        """
        start = self._guard.check_url(url)
        place = self._slots_of_jobs if client is None else self._slots.place(client)
        try:
            async with asyncio.timeout(self._limits.total), place:
                return await self._follow(start, client or "", known)
        # Without the causes: aiohttp's words contain addresses and parts of the body, and would be
        # logged with a traceback.
        except TimeoutError:
            seconds = self._limits.total
            raise UrlUnreachable(f"no complete answer came in {seconds:g} seconds") from None
        except (aiohttp.ClientError, OSError) as error:
            raise UrlUnreachable(reason_of(error)) from None

    async def _follow(self, url: URL, client: str, known: Known) -> Found:
        for _ in range(self._limits.redirects + 1):
            answer = await self._get(url, client, await known(str(url)))
            if isinstance(answer, Found):
                return answer
            url = answer
        raise UrlUnreachable(
            f"the URL redirects more than {self._limits.redirects} times",
            fix="Use the address it leads to.",
        )

    async def _get(self, url: URL, client: str, etag: str | None) -> Found | URL:
        """One request: what is there, or where it redirects to. `etag`: of what is known of it."""
        if self._session is None:
            raise RuntimeError("the fetcher has not been started")
        condition = {} if etag is None else {"If-None-Match": etag}
        async with self._session.get(url, headers=condition, allow_redirects=False) as response:
            location, told = response.headers.get("Location"), response.headers.get("ETag")
            if response.status in REDIRECTS and location:
                return self._guard.check_url(location, base=url)
            if etag is not None and response.status == HTTPStatus.NOT_MODIFIED:
                if told in (None, etag):
                    return Found(url=str(url), etag=etag, data=None)
                return await self._get(url, client, None)  # of something else than was asked about
            self._check_head(response)
            coding = coding_of(",".join(response.headers.getall("Content-Encoding", ())))
            data = await self._read(response, client)
        if coding is not None:
            data = await self._unpacked(data, coding)
        return Found(url=str(url), etag=strong(told), data=data)

    def _check_head(self, response: aiohttp.ClientResponse) -> None:
        if response.status != HTTPStatus.OK:
            raise UrlUnreachable(f"the server answered with status {response.status}")
        if (response.content_length or 0) > self._limits.max_bytes:
            raise self._too_large()

    async def _read(self, response: aiohttp.ClientResponse, client: str) -> bytes:
        body = bytearray()
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                self._held[client] += len(chunk)
                if len(body) > self._limits.max_bytes:
                    raise self._too_large()
                if self._held[client] > self._limits.held - self._held.total():
                    raise Unavailable(
                        "too much is being fetched from URLs at the moment",
                        fix="Ask again later, or upload the image.",
                    )
        finally:
            self._held[client] -= len(body)
            self._held += Counter()  # forgets clients that hold nothing
        return bytes(body)

    async def _unpacked(self, data: bytes, coding: str) -> bytes:
        try:
            return await asyncio.to_thread(plain, data, coding, limit=self._limits.max_bytes)
        except TooMuch:
            raise self._too_large() from None

    def _too_large(self) -> UrlUnreachable:
        limit = self._limits.max_bytes / 2**20
        return UrlUnreachable(
            f"the answer is larger than {limit:g} MiB",
            fix="Use a smaller or more compressed image.",
        )


class SystemNames:
    """The system's resolver, on threads of its own kind: names that take for ever to resolve must
    not use up the loop's threads, which decode images."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix=name)

    async def addresses(self, host: str, port: int) -> list[str]:
        """A `Lookup`."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
        return [str(sockaddr[0]) for *_, sockaddr in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def guarded_session(
    guard: Guard, *, lookup: Lookup, seconds: float, headers: Mapping[str, str]
) -> aiohttp.ClientSession:
    """A session that connects to nothing the guard refuses, for one request a connection and
    without a timeout of its own. `seconds`: those that a name may take to resolve."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_GuardedResolver(guard, lookup, seconds),
            use_dns_cache=False,
            socket_factory=guarded_sockets(guard),
            force_close=True,
            limit=0,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )


class _GuardedResolver(AbstractResolver):
    """Every address a name resolves to must pass; one that does not refuses them all."""

    def __init__(self, guard: Guard, lookup: Lookup, limit: float) -> None:
        self._guard, self._lookup, self._limit = guard, lookup, limit

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._addresses(host, port)
        for address in addresses:
            self._guard.check_address(address, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            async with asyncio.timeout(self._limit):
                addresses = await self._lookup(host, port)
        except TimeoutError as error:
            raise UrlUnreachable(
                f"the name {host!r} did not resolve in {self._limit:g} seconds"
            ) from error
        except OSError as error:
            raise UrlUnreachable(f"the name {host!r} does not resolve") from error
        if not addresses:
            raise UrlUnreachable(f"the name {host!r} has no address")
        return addresses

    async def close(self) -> None:
        """Nothing is held."""


def guarded_sockets(guard: Guard) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """A factory of sockets that opens none for an address the guard refuses."""

    def open_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (host, port, *_) = info
        guard.check_address(str(host), port)
        return socket.socket(family, kind, protocol)

    return open_socket


def reason_of(error: Exception) -> str:
    """What happened, in words that name no address: aiohttp's own would."""
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "the server refused the connection"
    return next(words for kind, words in _REASONS if isinstance(error, kind))


_CUT_OFF: Final = "the server closed the connection before its answer was complete"
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "the server's certificate is not valid"),
    (aiohttp.ClientSSLError, "no secure connection could be made with the server"),
    (aiohttp.ClientConnectorError, "the server cannot be reached"),
    (aiohttp.ClientResponseError, "the server's answer is not valid HTTP"),
    (aiohttp.ClientConnectionError, _CUT_OFF),
    (aiohttp.ClientPayloadError, _CUT_OFF),
    (Exception, "the connection failed"),
)
