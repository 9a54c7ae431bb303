"""No client that sends too much, or too slowly, keeps another one from being served."""

import asyncio
import contextlib
import errno
import io
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image

from short_drama.web.front.acceptor import Acceptor
from short_drama.web.front.gate import Gate
from short_drama.web.front.limits import Limits
from tests.attacks import wire
from tests.attacks.pictures import noise
from tests.e2e.processes import COMMAND, Process
from tests.patience import SOON, factor
from tests.process_figures import MIB, ProcessFigures
from tests.samples import png

LIMITS = {
    "CONNECTIONS": "200",
    "HEAD_SECONDS": "4",
    "BODY_SECONDS": "4",
    "BODY_RATE_KIB": "64",
    "BODIES_MIB": "48",
    "ORCHESTRATOR_PORT": "0",
}
UPLOAD = b"POST /api/v1/assets HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
CHUNKED = UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Victim:
    """An orchestrator in a process of its own."""

    def __init__(self, process: Process, log: Path) -> None:
        self._log, self.url = log, process.found
        self.address = str(urlsplit(self.url).hostname), int(urlsplit(self.url).port or 0)
        self.figures = ProcessFigures(process.process.pid)

    @property
    def lines(self) -> int:
        return len(self._log.read_text().splitlines())

    async def says(self, sent: bytes, *, times: int = 1, head: bytes = b"") -> bytes:
        return await wire.says(self.address, sent, times=times, head=head, seconds=SOON)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    root = tmp_path_factory.mktemp("victim")
    command = [COMMAND, "serve", "orchestrator", "--data-dir", str(root / "data")]
    process = Process(command, ready=r"Orchestrator.* (http://\S+)", log=root / "log")
    process.environment |= {f"SHORT_DRAMA_{name}": value for name, value in LIMITS.items()}
    process.start()
    yield Victim(process, root / "log")
    process.end(signal.SIGTERM)


@pytest.fixture
async def honest(victim: Victim) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose connections are new each time, after which the service is as before."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(victim.url, connector=connector) as http:
        await upload(http, png())
        victim.figures.forget_peak()
        before = victim.figures.resident()
        yield http
        await served(http)
        assert victim.figures.peak() - before < 150 * MIB
        assert victim.figures.resident() - before < 100 * MIB
        assert victim.lines < 100


async def served(http: aiohttp.ClientSession) -> None:
    """Asserts that it is, at once but for a machine that has other things to do."""
    async with asyncio.timeout(5 * factor()):
        async with http.get("/health") as answer:
            assert answer.status == 200
        assert await upload(http, png()) == 201


async def upload(http: aiohttp.ClientSession, data: bytes) -> int:
    headers = {"Content-Type": "image/png"}
    async with http.post("/api/v1/assets", data=io.BytesIO(data), headers=headers) as answer:
        await answer.read()
        return answer.status


def many(
    victim: Victim, count: int, sent: bytes
) -> contextlib.AbstractAsyncContextManager[list[socket.socket]]:
    return wire.silent(victim.address, count, [sent])


def closed(lines: list[socket.socket]) -> int:
    """How many the other side has ended."""
    return sum(wire.heard(one) is not None for one in lines)


async def test_half_open_heads_keep_nobody_out(
    victim: Victim, honest: aiohttp.ClientSession
) -> None:
    async with many(victim, 400, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ") as lines:
        await served(honest)
        await asyncio.sleep(6)  # a head may take 4
        assert closed(lines) == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ((b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: a\r\n" * 10_000, 1000), b"431"),
        ((b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"a" * 65536, 1600), b"431"),
        ((b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"a" * 65536, 1000), b"431"),
        ((b"GET /", b"a" * 65536, 1000), b"414"),
        ((CHUNKED + b"1\r\na\r\n0\r\n", b"X: a\r\n" * 10_000, 1000), b"431"),
        ((CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 65536, 1000), b"431"),
        ((CHUNKED + b"1;", b"a" * 65536, 1000), b"431"),
        ((b"", b"\r\n" * 32768, 1000), b"431"),
        ((b"", b"no HTTP at all\r\n", 1), b"400"),
    ],
    ids=[
        "headers", "one value", "one name", "URL", "trailers", "one trailer", "one extension",
        "empty lines", "nonsense",
    ],
)  # fmt: skip
async def test_what_never_ends_is_refused(
    victim: Victim, honest: aiohttp.ClientSession, sent: tuple[bytes, bytes, int], status: bytes
) -> None:
    head, part, times = sent
    answer, _ = await asyncio.gather(victim.says(part, times=times, head=head), served(honest))
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert b"application/problem+json" in answer


async def test_a_body_that_stops_is_told_so_and_ends(
    victim: Victim, honest: aiohttp.ClientSession
) -> None:
    answer = await victim.says(UPLOAD + b"Content-Length: 1000\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408")


async def test_stalled_uploads_give_their_room_to_others(
    victim: Victim, honest: aiohttp.ClientSession
) -> None:
    body = UPLOAD + b"Content-Length: %d\r\n\r\n" % (20 * MIB) + b"x" * (10 * MIB)
    async with many(victim, 12, body):
        await asyncio.sleep(1.1)
        picture = io.BytesIO()
        Image.effect_noise((600, 600), 90).save(picture, "PNG")  # larger than what is always let in
        async with asyncio.timeout(5 * factor()):
            assert await upload(honest, picture.getvalue()) == 201
        await served(honest)


@pytest.mark.parametrize("path", ["?wait=60", "/events"], ids=["long polls", "streams"])
async def test_who_waits_for_news_leaves_places_to_others(
    victim: Victim, honest: aiohttp.ClientSession, path: str
) -> None:
    made = await honest.post("/api/v1/assets", data=png(), headers={"Content-Type": "image/png"})
    asked = {"image_url": (await made.json())["image_url"], "zoom": 1}
    accepted = await honest.post("/api/v1/camera-angle/tasks", json=asked)
    task = (await accepted.json())["task_id"]
    get = f"GET /api/v1/tasks/{task}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    async with many(victim, 300, get) as lines:
        await served(honest)
        told = [wire.heard(line, most=1) or b"" for line in lines]
        assert any(answer.startswith(b"HTTP/1.1 503") for answer in told)


async def test_of_many_large_uploads_some_are_asked_to_come_again(
    victim: Victim, honest: aiohttp.ClientSession
) -> None:
    head = UPLOAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (19 * MIB)
    each = (victim.says(b"no picture" + bytes(65526), times=304, head=head) for _ in range(30))
    answers, _ = await asyncio.gather(asyncio.gather(*each), served(honest))
    statuses = {answer[9:12] for answer in answers}
    assert b"422" in statuses
    assert statuses <= {b"422", b"503"}


@pytest.mark.parametrize("end", [{}, {"Connection": "close"}], ids=["kept", "closed"])
@pytest.mark.parametrize("is_form", [False, True], ids=["bytes", "form"])
async def test_the_answer_to_what_is_too_large_is_read(
    victim: Victim, honest: aiohttp.ClientSession, is_form: bool, end: dict[str, str]
) -> None:
    body = io.BytesIO(b"x" * (40 * MIB))
    if is_form:
        form = aiohttp.FormData()
        form.add_field("file", body, filename="a.png")
        asked = honest.post("/api/v1/assets", data=form, headers=end)
    else:
        headers = {"Content-Type": "image/png", **end}
        asked = honest.post("/api/v1/assets", data=body, headers=headers)
    async with asked as answer:
        assert answer.status == 413
        told = await answer.json()
    assert told["code"] == "body_too_large"
    assert "as JPEG, or smaller" in told["fix"]


async def test_who_does_not_read_the_answers_is_let_go(victim: Victim) -> None:
    """Nor are more requests taken from one connection than can be answered."""
    async with many(
        victim, 1, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
    ) as lines:
        async with asyncio.timeout(5 * factor()):
            while not closed(lines):  # noqa: ASYNC110 - the other side's clock is tested
                await asyncio.sleep(0.1)


async def test_pictures_that_are_not_read_are_not_kept_in_memory(
    victim: Victim, honest: aiohttp.ClientSession
) -> None:
    headers = {"Content-Type": "image/png"}
    async with honest.post(
        "/api/v1/assets", data=io.BytesIO(next(noise(1))), headers=headers
    ) as answer:
        key = (await answer.json())["key"]
    asked = f"GET /assets/{key} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    async with many(victim, 30, asked):
        await served(honest)


async def test_a_client_may_be_silent_between_two_requests(victim: Victim) -> None:
    reader, writer = await asyncio.open_connection(*victim.address)
    for silence in (0, 4.5):  # longer than a head may take
        await asyncio.sleep(silence)
        writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
    writer.close()


async def test_every_limit_is_counted(victim: Victim, honest: aiohttp.ClientSession) -> None:
    await victim.says(b"no HTTP")
    async with many(victim, 1, UPLOAD + b"Content-Length: 1000\r\n\r\nabc"):
        await served(honest)
    async with honest.get("/metrics") as answer:
        figures = await answer.text()
    assert 'limits_hit_total{limit="head",of="form"}' in figures
    assert 'status="499"' in figures  # who went away is no fault of ours
    assert 'status="500"' not in figures


class FullListener(socket.socket):
    """One whose process is out of descriptors the first times."""

    left = 3

    def accept(self) -> tuple[socket.socket, object]:
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_out_of_descriptors_is_waited_out_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    came = asyncio.Event()

    class Arrival(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            came.set()
            transport.close()

    with FullListener() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        acceptor = Acceptor(listener, Arrival, Gate(Limits()))
        _, writer = await asyncio.open_connection(*listener.getsockname())
        async with asyncio.timeout(5 * factor()):
            await came.wait()
        writer.close()
        acceptor.close()
        await acceptor.wait_closed()
    assert [record.getMessage() for record in caplog.records] == ["refused: no descriptor is left"]
