"""What is sent to a provider, by which way, and whether it may have been: over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from short_drama.domain import errors as e
from short_drama.paid_api.providers.endpoint import (
    CallNotSent,
    CallRefused,
    CallUnanswered,
    Provider,
)
from short_drama.paid_api.providers.qwen.refusals import classify as qwen_means
from short_drama.paid_api.providers.seedream.client import SeeDream
from short_drama.paid_api.providers.seedream.refusals import classify as seedream_means
from tests.patience import SOON
from tests.samples import png
from tests.simulators.seedream import KEY, SeeDreamSimulator

PATH, LARGE = "/images/generations", {"prompt": "x" * 8 * 2**20}
SIZE = "1280x720"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """Its address, HOST:PORT."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(once, "127.0.0.1")
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


class Way:
    """A server that answers every connection with the same bytes, and keeps what it was sent."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer, self.heads = answer, list[str]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self.answer)
        await writer.drain()


def answer(status: str, body: str = "", kind: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Server: thing/1.0\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def seedream() -> AsyncIterator[SeeDreamSimulator]:
    async with SeeDreamSimulator() as simulator:
        yield simulator


async def end_of(base_url: str, *, connect: float = 20, read: float = 20) -> Exception:
    """How a call there ends; within 10 s, whatever is waited for."""
    async with Provider("x", base_url, KEY, connect=connect, read=read) as provider:
        with pytest.raises((CallNotSent, CallUnanswered, CallRefused)) as caught:
            async with asyncio.timeout(SOON):
                await provider.post(PATH, {"model": "x"})
    return caught.value


async def made_by(seedream: SeeDreamSimulator, base_url: str | None = None) -> bytes:
    """A picture, called for and downloaded."""
    async with (
        Provider("seedream", base_url or seedream.base_url, KEY) as provider,
        SeeDream(provider, "seedream-4-0-250828", pauses=()) as client,
    ):
        made = await client.generate(prompt="x", images=[png(64, 64)], size=SIZE)
        return await client.download(made.url)


# --- Nothing was sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "base_url",
    ["http://[bad", "http://", "nonsense", "http://a.invalid", "http://127.0.0.1:1", "ftp://a.b"],
)
async def test_an_address_that_leads_nowhere(base_url: str) -> None:
    assert type(await end_of(base_url)) is CallNotSent


async def test_credentials_in_the_address_are_not_sent() -> None:
    async with server(way := Way(answer("200 OK"))) as address:
        assert type(await end_of(f"http://name:word@{address}")) is CallNotSent
    assert not way.heads


async def test_a_server_that_speaks_no_tls() -> None:
    async with server(Way(answer("200 OK"))) as address:
        assert type(await end_of(f"https://{address}", connect=1)) is CallNotSent


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_handshake_that_does_not_end() -> None:
    async with server(silent) as address:
        assert type(await end_of(f"https://{address}", connect=0.3)) is CallNotSent


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
async def test_a_proxy_that_refuses_to_connect(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    async with server(way := Way(answer(status))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass%40word@{proxy}")
        end = await end_of("https://provider.example/v1")
    assert type(end) is CallNotSent
    assert str(end) == f"the proxy answers with status {status[:3]}"
    (head,) = way.heads
    assert head.startswith("CONNECT provider.example:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6cGFzc0B3b3Jk" in head
    assert KEY not in head


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://", "http://[bad", "//:3"])
async def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    end = await end_of("https://provider.example/v1")
    assert type(end) is CallNotSent
    assert "HTTPS_PROXY" in str(end) or "Connector" in str(end)


async def test_a_proxy_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(silent) as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        assert type(await end_of("https://provider.example/v1", connect=0.3)) is CallNotSent


async def test_a_body_that_is_no_json(seedream: SeeDreamSimulator) -> None:
    async with Provider("x", seedream.base_url, KEY) as provider:
        with pytest.raises(CallNotSent, match="TypeError"):
            await provider.post(PATH, {"model": object()})
    assert not seedream.calls


async def test_a_session_that_is_closed(seedream: SeeDreamSimulator) -> None:
    async with Provider("x", seedream.base_url, KEY) as provider:
        pass
    with pytest.raises(CallNotSent):
        await provider.post(PATH, {})


# --- Something was ------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["hang", "hang-headers"])
async def test_an_answer_is_waited_for_from_when_the_call_was_sent(
    seedream: SeeDreamSimulator, ending: str
) -> None:
    seedream.failures.turn_on(ending)
    async with Provider("x", seedream.base_url, KEY, connect=600, read=0.5) as provider:
        async with asyncio.timeout(SOON):  # and not with what is left of 600.5
            client = SeeDream(provider, "seedream-4-0-250828")
            with pytest.raises(e.ChargeUnknown):
                await client.generate(prompt="x", images=[png(64, 64)], size=SIZE)


async def test_a_server_that_stops_reading() -> None:
    async def stop(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        server(stop) as address,
        Provider("x", f"http://{address}", KEY, connect=600, read=0.3) as provider,
    ):
        with pytest.raises(CallUnanswered):
            async with asyncio.timeout(SOON):
                await provider.post(PATH, LARGE)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
async def test_half_an_answer(bytes_sent: bytes) -> None:
    async with server(Way(bytes_sent)) as address:
        assert type(await end_of(f"http://{address}")) is CallUnanswered


@pytest.mark.parametrize(("status", "kind"), [("429 No", e.Throttled), ("502 No", e.ChargeUnknown)])
async def test_a_refusal_that_breaks_off_is_one(status: str, kind: type[e.ShortDramaError]) -> None:
    async with server(Way(answer(status, "{" * 9)[:-5])) as address:
        end = await end_of(f"http://{address}")
    assert isinstance(end, CallRefused)
    assert type(seedream_means(end)) is kind


async def test_a_call_that_is_cancelled_stays_cancelled(seedream: SeeDreamSimulator) -> None:
    seedream.failures.turn_on("hang")
    async with Provider("x", seedream.base_url, KEY) as provider:
        client = SeeDream(provider, "seedream-4-0-250828")
        call = asyncio.create_task(client.generate(prompt="x", images=[png(64, 64)], size=SIZE))
        while not seedream.bodies:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


# --- The way there ------------------------------------------------------------------------


async def test_no_connection_is_used_twice(seedream: SeeDreamSimulator) -> None:
    seedream.failures.drop_reused = True
    async with Provider("x", seedream.base_url, KEY) as provider:
        client = SeeDream(provider, "seedream-4-0-250828")
        for _ in range(3):
            await client.generate(prompt="x", images=[png(64, 64)], size=SIZE)
    assert seedream.charged == 3


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
async def test_the_environments_proxy_is_the_way_out(
    seedream: SeeDreamSimulator, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with server(way := Way(answer("407 No", "who?"))) as proxy:
        monkeypatch.setenv(name, proxy)
        end = await end_of("http://provider.example/v1")
        assert isinstance(end, CallRefused)
        for means in (qwen_means, seedream_means):
            error = means(end)
            assert type(error) is e.ProviderPaused
            assert "text/html from thing/1.0" in error.detail
        with pytest.raises(e.ProviderPaused):
            await made_by(seedream)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        assert await made_by(seedream)
    assert way.heads[0].startswith("POST http://provider.example/v1/images/generations HTTP/1.1")


async def test_results_come_by_the_proxy_too(
    seedream: SeeDreamSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Provider("seedream", seedream.base_url, KEY) as provider,
        SeeDream(provider, "seedream-4-0-250828", pauses=()) as client,
        server(way := Way(answer("503 No"))) as proxy,
    ):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        with pytest.raises(e.ProviderFailed, match="status 503"):
            await client.download("http://me:word@cdn.example/a%2Fb.jpg?sign=a%2fb%20c")
    (head,) = way.heads
    assert head.startswith("GET http://cdn.example/a%2Fb.jpg?sign=a%2fb%20c HTTP/1.1\r\n")
    assert "Authorization" not in head


async def test_no_password_is_read_from_netrc(
    seedream: SeeDreamSimulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert await made_by(seedream)
    assert (seedream.charged, seedream.results.keys_seen) == (1, 0)


@pytest.mark.parametrize("status", [302, 307])
async def test_a_redirect_is_not_followed(seedream: SeeDreamSimulator, status: int) -> None:
    seedream.failures.turn_on(f"redirect-{status}")
    with pytest.raises(e.ProviderPaused, match="redirect") as caught:
        await made_by(seedream)
    assert "base URL" in str(caught.value.fix)
    elsewhere = seedream.elsewhere
    assert (elsewhere.visits, seedream.charged) == (0, 0)


async def test_a_redirect_says_where_it_leads() -> None:
    moved = (
        b"HTTP/1.1 301 Moved\r\nLocation: https://new.example/?key=1\r\nContent-Length: 0\r\n\r\n"
    )
    async with server(Way(moved)) as address:
        end = await end_of(f"http://{address}")
    assert isinstance(end, CallRefused)
    error = seedream_means(end)
    assert "a redirect to new.example (status 301)" in error.detail
