"""The fault proxy does to a connection what it says, and nothing else."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from tests.chaos.proxy import BlackHole, DropReplies, Fault, FaultProxy, Latency, Refuse, Reset
from tests.patience import SOON


@dataclass
class Echo:
    """A server that answers each line with itself, and remembers what it has read."""

    port: int = 0
    read: list[bytes] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self.read.append(line)
                self._more.set()
                writer.write(line)
                await writer.drain()
        writer.close()

    async def has_read(self, line: bytes) -> None:
        while line not in self.read:
            self._more.clear()
            await self._more.wait()


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, line: bytes) -> bytes:
        self.writer.write(line)
        return await self.answer()

    async def answer(self) -> bytes:
        async with asyncio.timeout(SOON):
            return await self.reader.readline()

    async def silent(self) -> bool:
        try:
            async with asyncio.timeout(0.3):
                return not await self.reader.read(1)
        except TimeoutError:
            return True


Connect = Callable[[], Awaitable[Client]]


@contextlib.asynccontextmanager
async def clients(port: int) -> AsyncIterator[Connect]:
    """Clients of that port; whatever became of their connections, they are closed."""
    opened: list[Client] = []

    async def one() -> Client:
        opened.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return opened[-1]

    yield one
    for client in opened:
        client.writer.transport.abort()
    await asyncio.sleep(0)


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    async with await asyncio.start_server(echo.serve, "127.0.0.1", 0) as server:
        echo.port = server.sockets[0].getsockname()[1]
        yield echo


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", echo.port) as proxy:
        yield proxy


@pytest.fixture
async def connect(proxy: FaultProxy) -> AsyncIterator[Connect]:
    async with clients(proxy.port) as connect:
        yield connect


async def test_without_a_fault_bytes_pass_both_ways(connect: Connect, proxy: FaultProxy) -> None:
    lines = [b"%d " % number + b"x" * 1000 + b"\n" for number in range(20)]
    asked = [(await connect()).ask(line) for line in lines]
    assert await asyncio.gather(*asked) == lines
    assert proxy.accepted == 20


async def test_each_side_hears_that_the_other_has_finished(connect: Connect, echo: Echo) -> None:
    client = await connect()
    client.writer.write(b"last\n")
    client.writer.write_eof()
    assert await client.answer() == b"last\n"
    assert await client.answer() == b""


async def test_refuse(connect: Connect, proxy: FaultProxy) -> None:
    before = await connect()
    await before.ask(b"a\n")
    proxy.fault = Refuse()
    with pytest.raises(ConnectionResetError):
        await before.ask(b"b\n")
    with pytest.raises(ConnectionRefusedError):
        await connect()
    proxy.fault = None
    assert await (await connect()).ask(b"c\n") == b"c\n"


async def test_reset_keeps_the_request_from_the_server(
    connect: Connect, proxy: FaultProxy, echo: Echo
) -> None:
    client = await connect()
    await client.ask(b"a\n")
    proxy.fault = Reset()
    with pytest.raises(ConnectionResetError):
        await client.ask(b"b\n")
    with pytest.raises(ConnectionResetError):
        await (await connect()).ask(b"c\n")
    assert echo.read == [b"a\n"]


async def test_a_black_hole_holds_everything_and_delivers_it_late(
    connect: Connect, proxy: FaultProxy, echo: Echo
) -> None:
    proxy.fault = BlackHole()
    client = await connect()
    client.writer.write(b"a\n")
    assert await client.silent()
    assert echo.read == []
    proxy.fault = None
    assert await client.answer() == b"a\n"


async def test_a_black_hole_delivers_what_its_sender_no_longer_waits_for(
    connect: Connect, proxy: FaultProxy, echo: Echo
) -> None:
    client = await connect()
    await client.ask(b"a\n")
    proxy.fault = BlackHole()
    client.writer.write(b"late\n")
    assert await client.silent()
    client.writer.close()
    await client.writer.wait_closed()
    proxy.fault = None
    async with asyncio.timeout(SOON):
        await echo.has_read(b"late\n")


async def test_a_dropped_reply_follows_a_request_that_arrived(
    connect: Connect, proxy: FaultProxy, echo: Echo
) -> None:
    client = await connect()
    proxy.fault = DropReplies()
    with pytest.raises(ConnectionResetError):
        await client.ask(b"a\n")
    assert echo.read == [b"a\n"]


async def test_a_reply_can_be_cut_in_the_middle(connect: Connect, proxy: FaultProxy) -> None:
    proxy.fault = DropReplies(after=3)
    client = await connect()
    client.writer.write(b"abcdef\n")
    async with asyncio.timeout(SOON):
        with contextlib.suppress(ConnectionResetError):  # it may overtake what it follows
            assert await client.reader.readexactly(3) == b"abc"
        with pytest.raises(ConnectionResetError):
            await client.reader.readexactly(1)


async def test_latency_is_added_each_way(connect: Connect, proxy: FaultProxy) -> None:
    client = await connect()
    await client.ask(b"a\n")
    proxy.fault = Latency(0.1)
    started = time.monotonic()
    assert await client.ask(b"b\n") == b"b\n"
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(
    "fault", [Refuse(), Reset(), BlackHole(), DropReplies(), Latency(0.05)], ids=str
)
async def test_no_fault_outlives_its_removal(
    connect: Connect, proxy: FaultProxy, fault: Fault
) -> None:
    proxy.fault = fault
    proxy.fault = None
    assert await (await connect()).ask(b"a\n") == b"a\n"


async def test_a_target_that_is_gone_resets() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        async with FaultProxy("127.0.0.1", port) as proxy, clients(proxy.port) as connect:
            client = await connect()
            with pytest.raises(ConnectionResetError):
                await client.ask(b"a\n")


async def test_leaving_the_proxy_ends_its_connections(echo: Echo) -> None:
    async with contextlib.AsyncExitStack() as opened:
        async with FaultProxy("127.0.0.1", echo.port) as proxy:
            connect = await opened.enter_async_context(clients(proxy.port))
            client = await connect()
            await client.ask(b"a\n")
            proxy.fault = BlackHole()
            client.writer.write(b"b\n")
        with pytest.raises(ConnectionResetError):
            await client.answer()
        with pytest.raises(ConnectionRefusedError):
            await connect()


@pytest.fixture
async def http_port() -> AsyncIterator[int]:
    """A server that answers every POST with its body."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    application = web.Application(client_max_size=2_000_000)
    application.router.add_post("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_http_with_keep_alive(http_port: int) -> None:
    body = b"y" * 1_000_000
    async with FaultProxy("127.0.0.1", http_port) as proxy, aiohttp.ClientSession() as http:
        for _ in range(3):
            async with http.post(proxy.url, data=body) as reply:
                assert await reply.read() == body
        assert proxy.accepted == 1
        proxy.fault = DropReplies(after=100_000)
        async with http.post(proxy.url, data=body) as reply:
            with pytest.raises(aiohttp.ClientError):
                await reply.read()
