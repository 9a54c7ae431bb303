"""The fetcher against real servers on loopback, honest and hostile."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from short_drama.domain.errors import UrlRefused, UrlUnreachable
from short_drama.images import fetch as module
from short_drama.images.fetch import Fetcher, FetchLimits, Found, Lookup
from short_drama.images.guard import Guard

HOME = Guard(allow=(ip_network("127.0.0.1/32"),))
"""Only 127.0.0.1 is allowed: 127.0.0.2 is the place that must not be reached."""
BODY = b"\x89PNG" + bytes(range(256)) * 100
QUICK = FetchLimits(max_bytes=100_000, dns=0.2, total=0.5)


@dataclass
class RawServer:
    """Answers every connection with `reply` and counts them."""

    reply: Callable[[asyncio.StreamWriter], Awaitable[None]]
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await self.reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(
    reply: Callable[[asyncio.StreamWriter], Awaitable[None]], host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[RawServer]:
    raw = RawServer(reply)
    server = await asyncio.start_server(raw.serve, host, port)
    raw.port = server.sockets[0].getsockname()[1]
    async with server:
        yield raw


def saying(*parts: bytes, pause: float = 0) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def reply(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return reply


def answer(body: bytes = BODY, status: str = "200 OK", **headers: object) -> bytes:
    given = {"content_length": len(body), "connection": "close", **headers}
    lines = [f"{k.replace('_', '-')}: {v}" for k, v in given.items() if v is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


@asynccontextmanager
async def canary() -> AsyncIterator[RawServer]:
    """What must stay unreached: a server on a loopback address that is not allowed."""
    async with raw_server(saying(answer(b"secret")), "127.0.0.2") as server:
        yield server


def lookup_of(*answers: list[str]) -> Lookup:
    """A resolver that gives `answers` one after the other; the last one for ever."""
    left = list(answers)

    async def lookup(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return lookup


async def fetched(url: str, *, guard: Guard = HOME, **options: Any) -> bytes:
    async with Fetcher(guard, limits=options.pop("limits", QUICK), **options) as fetcher:
        return await fetcher.fetch(url)


async def unreachable(url: str, **options: Any) -> str:
    with pytest.raises(UrlUnreachable) as raised:
        await fetched(url, **options)
    words = f"{raised.value.detail} {raised.value.fix}"
    assert "127.0.0" not in words
    assert raised.value.__suppress_context__ or raised.value.__cause__ is None
    return words


# --- What works -----------------------------------------------------------------------------


async def test_the_body_is_read() -> None:
    async with raw_server(saying(answer())) as server:
        assert await fetched(f"http://127.0.0.1:{server.port}/a.png?b=c#d") == BODY
    request = server.requests[0].decode()
    assert request.startswith("GET /a.png?b=c HTTP/1.1\r\n")
    assert "Accept-Encoding: identity" in request
    assert "Cookie" not in request


async def test_a_body_without_a_length_is_read() -> None:
    async with raw_server(saying(answer(content_length=None))) as server:
        assert await fetched(f"http://127.0.0.1:{server.port}/") == BODY


async def test_an_aiohttp_server_that_sends_chunks() -> None:
    async def chunks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(BODY), 1000):
            await response.write(BODY[start : start + 1000])
        return response

    app = web.Application()
    app.router.add_get("/chunks", chunks)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        assert await fetched(f"http://127.0.0.1:{port}/chunks") == BODY
    finally:
        await runner.cleanup()


async def test_a_name_is_resolved_and_its_host_header_kept() -> None:
    async with raw_server(saying(answer())) as server:
        url = f"http://pictures.example:{server.port}/"
        assert await fetched(url, lookup=lookup_of(["127.0.0.1"])) == BODY
    assert f"Host: pictures.example:{server.port}".encode() in server.requests[0]


async def test_the_systems_resolver_is_the_default() -> None:
    guard = Guard(allow=(ip_network("127.0.0.1/32"), ip_network("::1/128")))
    async with raw_server(saying(answer())) as server:
        assert await fetched(f"http://localhost:{server.port}/", guard=guard) == BODY


@pytest.mark.parametrize("coding", ["aws-chunked", "UTF-8", "none", "identity", "", "binary, none"])
async def test_a_content_encoding_that_is_none_is_no_hindrance(coding: str) -> None:
    async with raw_server(saying(answer(content_encoding=coding))) as server:
        assert await fetched(f"http://127.0.0.1:{server.port}/") == BODY


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "aws-chunked, gzip"])
async def test_gzip_is_read_although_it_was_not_asked_for(coding: str) -> None:
    packed = answer(gzip.compress(BODY), content_encoding=coding)
    async with raw_server(saying(packed)) as server:
        assert await fetched(f"http://127.0.0.1:{server.port}/") == BODY


SIGNED = [
    "/still.jpg?cred=AK%2F2026%2Fs3&sig=ab%2Bc%3D",
    "/a%27b%28c%29%21.jpg",
    "/~a%7Eb%e5.jpg",
    "/a//b/../c;d=1/%2e%2e/x.png?",
    "/x?a=b?c=d&&e=%",
    "/q?x='\"<>|{}^`[]$&y=+%2B%20",
]
"""Each means what it means to whoever signed these letters."""


@pytest.mark.parametrize("redirected", [False, True])
@pytest.mark.parametrize("target", SIGNED)
async def test_the_target_arrives_as_it_was_written(target: str, redirected: bool) -> None:
    async def reply(writer: asyncio.StreamWriter) -> None:
        first = server.requests[-1].startswith(b"GET /first ")
        writer.write(answer(b"", "302 Found", location=target) if first else answer())

    async with raw_server(reply) as server:
        path = "/first" if redirected else target
        assert await fetched(f"http://127.0.0.1:{server.port}{path}#part") == BODY
    assert server.requests[-1].split(b" ")[1] == target.encode()


async def test_a_redirect_may_be_written_in_bytes_of_any_alphabet() -> None:
    async def reply(writer: asyncio.StreamWriter) -> None:
        moved = b"HTTP/1.1 302 Found\r\nLocation: /caf\xe9-\xc3\xa9\r\nContent-Length: 0\r\n\r\n"
        writer.write(moved if len(server.requests) == 1 else answer())

    async with raw_server(reply) as server:
        assert await fetched(f"http://127.0.0.1:{server.port}/") == BODY
    assert server.requests[-1].split(b" ")[1] == b"/caf%E9-%C3%A9"


async def test_redirects_are_followed_three_times() -> None:
    hops = iter(["/1", "//127.0.0.1:{port}/2", "http://127.0.0.1:{port}/3"])

    async def reply(writer: asyncio.StreamWriter) -> None:
        location = next(hops, None)
        if location is None:
            writer.write(answer())
        else:
            location = location.format(port=server.port)
            writer.write(answer(b"moved", "302 Found", location=location, set_cookie="a=b"))

    async with raw_server(reply) as server:
        assert await fetched(f"http://127.0.0.1:{server.port}/") == BODY
    assert [request.split()[1] for request in server.requests] == [b"/", b"/1", b"/2", b"/3"]
    assert not any(b"Cookie" in request for request in server.requests)


async def test_no_more_fetches_at_once_than_allowed() -> None:
    now = most = 0

    async def reply(writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.03)
        now -= 1
        writer.write(answer())

    limits = FetchLimits(at_once=2, total=5)
    async with raw_server(reply) as server, Fetcher(HOME, limits=limits) as fetcher:
        url = f"http://127.0.0.1:{server.port}/"
        assert await asyncio.gather(*(fetcher.fetch(url) for _ in range(6))) == [BODY] * 6
    assert most == 2


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with canary() as proxy, raw_server(saying(answer())) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.2:{proxy.port}")
        assert await fetched(f"http://127.0.0.1:{server.port}/") == BODY
    assert proxy.connections == 0


# --- What is known already ------------------------------------------------------------------

TAG = '"v1"'


def only_if_changed(tag: str, **headers: object) -> Callable[[RawServer], bytes]:
    """What a server answers whose picture has that tag now."""

    def reply(server: RawServer) -> bytes:
        if f"If-None-Match: {tag}\r\n".encode() in server.requests[-1]:
            return answer(b"", "304 Not Modified", content_length=None, **headers)
        return answer(etag=tag)

    return reply


async def asked(url: str, tags: dict[str, str], reply: Callable[[RawServer], bytes]) -> Found:
    """`tags`: what is remembered, by path."""

    async def known(url: str) -> str | None:
        return tags.get(f"/{url.split('/', 3)[3]}")

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(reply(server))

    async with raw_server(say) as server, Fetcher(HOME, limits=QUICK) as fetcher:
        found = await fetcher.ask(f"http://127.0.0.1:{server.port}{url}", known=known)
    return replace(found, url=found.url.partition(f":{server.port}")[2])


async def test_what_is_known_is_not_sent_again() -> None:
    same = Found(url="/a", etag=TAG, data=None)
    assert await asked("/a", {"/a": TAG}, only_if_changed(TAG)) == same
    assert await asked("/a", {"/a": TAG}, only_if_changed(TAG, etag=TAG)) == same


async def test_what_has_changed_is_sent() -> None:
    found = await asked("/a", {"/a": TAG}, only_if_changed('"v2"'))
    assert found == Found(url="/a", etag='"v2"', data=BODY)


async def test_nothing_is_asked_about_what_is_not_known() -> None:
    def reply(server: RawServer) -> bytes:
        assert b"If-" not in server.requests[0]
        return answer(etag=TAG)

    assert await asked("/b", {"/a": TAG}, reply) == Found(url="/b", etag=TAG, data=BODY)


async def test_a_tag_belongs_to_where_a_redirect_leads() -> None:
    def reply(server: RawServer) -> bytes:
        if server.requests[-1].startswith(b"GET /old"):
            assert b"If-None-Match" not in server.requests[-1]
            return answer(b"", "302 Found", location="/new", etag='"of the redirect"')
        return only_if_changed(TAG)(server)

    assert await asked("/old", {}, reply) == Found(url="/new", etag=TAG, data=BODY)
    assert await asked("/old", {"/new": TAG}, reply) == Found(url="/new", etag=TAG, data=None)


async def test_a_redirect_instead_of_what_was_known_is_followed() -> None:
    def reply(server: RawServer) -> bytes:
        first = len(server.requests) == 1
        return answer(b"", "302 Found", location="/b") if first else answer()

    assert await asked("/a", {"/a": TAG}, reply) == Found(url="/b", etag=None, data=BODY)


async def test_an_answer_about_something_else_is_not_believed() -> None:
    def reply(server: RawServer) -> bytes:
        if b"If-None-Match" in server.requests[-1]:
            return answer(b"", "304 Not Modified", content_length=None, etag='"v2"')
        return answer(etag='"v2"')

    assert await asked("/a", {"/a": TAG}, reply) == Found(url="/a", etag='"v2"', data=BODY)


@pytest.mark.parametrize("tag", ['W/"v1"', "v1", '"v1'])
async def test_a_tag_that_says_too_little_is_none(tag: str) -> None:
    assert (await asked("/a", {}, lambda _: answer(etag=tag))).etag is None


async def test_a_server_that_is_gone_has_said_nothing() -> None:
    with pytest.raises(UrlUnreachable, match="status 404"):
        await asked("/a", {"/a": TAG}, lambda _: answer(b"", "404 Not Found"))


# --- What must not be reached ---------------------------------------------------------------

SPELLINGS = [
    "127.0.0.2",
    "127.2",
    "127.0.2",
    "2130706434",
    "0x7f000002",
    "0x7f.0.0.2",
    "0177.0.0.2",
    "017700000002",
    "127.0.0.2.",
    "127.0.0.02",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "[::127.0.0.2]",
    "[64:ff9b::127.0.0.2]",
    "[2002:7f00:2::]",
    "127。0。0。2",
    "①②⑦.0.0.2",
    "user@127.0.0.2",
    "127.0.0.1@127.0.0.2",
    "127.0.0.1\\@127.0.0.2",
    "%31%32%37.0.0.2",
]


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("guard", [Guard(), HOME], ids=["nothing allowed", "home allowed"])
async def test_no_spelling_of_loopback_is_connected_to(guard: Guard, host: str) -> None:
    async with canary() as server:
        with pytest.raises(UrlRefused):
            await fetched(f"http://{host}:{server.port}/", guard=guard)
    assert server.connections == 0


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "localho\u017ft", "ip6-localhost"])
async def test_no_name_of_loopback_is_connected_to(name: str) -> None:
    """On port 80, where a name is not refused for its port: only its address can be."""
    with pytest.raises((UrlRefused, UrlUnreachable)) as raised:
        await fetched(f"http://{name}/", guard=Guard(), limits=FetchLimits(dns=5))
    assert isinstance(raised.value, UrlRefused) or "does not resolve" in raised.value.detail


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["::ffff:127.0.0.2"]],
)
async def test_every_address_of_a_name_must_pass(addresses: list[str]) -> None:
    async with canary() as server, raw_server(saying(answer()), port=server.port):
        with pytest.raises(UrlRefused) as raised:
            await fetched(f"http://a.example:{server.port}/", lookup=lookup_of(addresses))
    assert server.connections == 0
    assert "127.0" not in raised.value.detail


async def test_a_name_is_resolved_once_for_one_connection() -> None:
    """The second answer, which a check of its own would never see, is not asked for."""
    async with canary() as target, raw_server(saying(answer()), port=target.port) as server:
        lookup = lookup_of(["127.0.0.1"], ["127.0.0.2"])
        assert await fetched(f"http://a.example:{server.port}/", lookup=lookup) == BODY
    assert (server.connections, target.connections) == (1, 0)


async def test_a_name_that_is_rebound_before_a_redirect_is_refused() -> None:
    moved = answer(b"", "302 Found", location="/again")
    async with canary() as target, raw_server(saying(moved), port=target.port) as server:
        lookup = lookup_of(["127.0.0.1"], ["127.0.0.2"])
        with pytest.raises(UrlRefused):
            await fetched(f"http://a.example:{server.port}/", lookup=lookup)
    assert (server.connections, target.connections) == (1, 0)


async def test_a_name_that_is_rebound_between_fetches_is_refused() -> None:
    async with canary() as target, raw_server(saying(answer()), port=target.port) as server:
        lookup = lookup_of(["127.0.0.1"], ["127.0.0.2"])
        async with Fetcher(HOME, limits=QUICK, lookup=lookup) as fetcher:
            await fetcher.fetch(f"http://a.example:{server.port}/")
            with pytest.raises(UrlRefused):
                await fetcher.fetch(f"http://a.example:{server.port}/")
    assert target.connections == 0


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "http://2130706434:{port}/", "file:///etc"],
)
async def test_a_redirect_is_judged_like_the_first_url(status: str, location: str) -> None:
    async with canary() as target:
        moved = answer(b"", status, location=location.format(port=target.port))
        async with raw_server(saying(moved)) as server:
            with pytest.raises(UrlRefused):
                await fetched(f"http://127.0.0.1:{server.port}/")
    assert (server.connections, target.connections) == (1, 0)


async def test_the_socket_is_the_last_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the URL and the resolver fooled, the address being connected to still is judged."""
    monkeypatch.setattr(Guard, "_check_host", lambda *_: None)
    async with canary() as server:
        with pytest.raises(UrlRefused):
            await fetched(f"http://127.0.0.2:{server.port}/")
    assert server.connections == 0


# --- What fails, in words -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (saying(answer(b"secret", "404 Not Found")), "status 404"),
        (saying(answer(b"secret", "500 Oops")), "status 500"),
        (saying(answer(b"", "204 No Content", content_length=None)), "status 204"),
        (saying(answer(BODY, "206 Partial Content")), "status 206"),
        (saying(answer(b"", "302 Found")), "status 302"),
        (saying(answer(b"", "304 Not Modified", content_length=None)), "status 304"),
        (saying(answer(b"", content_length=100_001)), "larger than"),
        (saying(answer(b"x" * 100_001, content_length=None)), "larger than"),
        (saying(answer(gzip.compress(b"\0" * 10**7), content_encoding="gzip")), "larger than"),
        (saying(answer(BODY, content_encoding="br")), "without Content-Encoding"),
        (saying(answer(BODY, content_encoding="gzip")), "not the gzip it says"),
        (saying(answer(gzip.compress(BODY)[:-9], content_encoding="gzip")), "ends early"),
        (saying(answer(BODY[:100], content_length=1000)), "closed the connection"),
        (saying(answer(BODY, content_length=100)), "not valid HTTP"),
        (saying(), "closed the connection"),
        (saying(b"SSH-2.0-OpenSSH\r\n"), "not valid HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "not valid HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"), "not valid HTTP"),
        (saying(answer(b"")[:20], b"x", pause=2), "0.5 seconds"),
    ],
)
async def test_what_went_wrong_is_said(
    reply: Callable[[asyncio.StreamWriter], Awaitable[None]], words: str
) -> None:
    async with raw_server(reply) as server:
        said = await unreachable(f"http://127.0.0.1:{server.port}/")
    assert words in said
    assert "secret" not in said


async def test_an_endless_body_is_left_at_the_limit() -> None:
    sent = 0

    async def reply(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 10**9:
            writer.write(b"x" * 10_000)
            sent += 10_000
            await writer.drain()

    async with raw_server(reply) as server:
        assert "larger than" in await unreachable(
            f"http://127.0.0.1:{server.port}/", limits=FetchLimits(max_bytes=100_000)
        )
        await asyncio.sleep(0.05)
    assert sent < 20_000_000


async def test_a_redirect_loop_ends() -> None:
    async with raw_server(saying(answer(b"", "302 Found", location="/"))) as server:
        said = await unreachable(f"http://127.0.0.1:{server.port}/")
    assert "redirects more than 3 times" in said
    assert server.connections == 4


async def test_a_slow_drip_ends_at_the_deadline() -> None:
    drips = saying(answer(b"", content_length=100), *[b"x"] * 100, pause=0.02)
    async with raw_server(drips) as server:
        started = asyncio.get_running_loop().time()
        said = await unreachable(f"http://127.0.0.1:{server.port}/")
        assert asyncio.get_running_loop().time() - started < 1.5
    assert "0.5 seconds" in said


async def test_a_reset_connection() -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.write(answer()[:200])
        await writer.drain()
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with raw_server(reset) as server:
        said = await unreachable(f"http://127.0.0.1:{server.port}/")
    assert "closed the connection" in said


async def test_a_refused_connection() -> None:
    async with raw_server(saying()) as server:
        port = server.port
    assert "refused the connection" in await unreachable(f"http://127.0.0.1:{port}/")


async def test_no_secure_connection() -> None:
    async def speak_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 not a web server\r\n")
        writer.close()

    async with await asyncio.start_server(speak_first, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        said = await unreachable(f"https://127.0.0.1:{port}/")
    assert "secure connection" in said


async def test_a_name_that_does_not_resolve() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown name")

    assert "'a.example' does not resolve" in await unreachable("http://a.example/", lookup=nowhere)
    assert "has no address" in await unreachable("http://a.example/", lookup=lookup_of([]))


async def test_a_name_that_resolves_too_slowly() -> None:
    async def slowly(host: str, port: int) -> list[str]:
        await asyncio.sleep(10)
        return ["127.0.0.1"]

    said = await unreachable("http://a.example/", lookup=slowly)
    assert "did not resolve in 0.2 seconds" in said


def test_every_error_of_the_client_has_words() -> None:
    def below(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in below(child))]

    for kind in below(aiohttp.ClientError):
        error = kind.__new__(kind)
        if isinstance(error, (aiohttp.ClientOSError, ssl.SSLError)):
            error.errno = 104
        assert module.reason_of(error)


async def test_a_fetcher_must_be_started() -> None:
    fetcher = Fetcher(HOME)
    with pytest.raises(RuntimeError, match="started"):
        await fetcher.fetch("http://127.0.0.1/")
    await fetcher.close()
